"""Stopping in good order: on Ctrl-C, SIGTERM or SIGUSR1 the update is finished, a checkpoint saved, the way back named.

>>> with signals() as stop:
...     for update in updates(engine, 0, steps):
...         if stop.asked:
...             raise Interrupted(update.step, run.folder, stop.number)

Machines that are lent (Slurm, Kubernetes, spot instances) warn by SIGTERM or SIGUSR1 and kill some seconds later.
Between the warning and the checkpoint lies one update at most: a validation that is due, or under way, waits for the
resumption.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from weitiao.core.i18n import t

RESUMABLE = 75
"""Exit code of a run that was stopped by SIGTERM or SIGUSR1 and can go on: EX_TEMPFAIL of sysexits.h, "try again"."""

_WARNINGS = [n for name in ("SIGTERM", "SIGUSR1") if (n := getattr(signal, name, None))]  # Windows has no SIGUSR1
Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """Stopped from outside by the signal of that number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupted(Stopped):
    """Training was stopped from outside after a whole step; `resume` is the command that goes on from there."""

    def __init__(self, step: int, folder: Path, number: int) -> None:
        super().__init__(number)
        self.step, self.resume = step, f"weitiao tune --resume {folder}"

    def __str__(self) -> str:
        return t("stopped after step {s}; all of it is saved. Go on with: {c}",
                 "已在第 {s} 步后停止，进度已保存。继续：{c}", s=self.step, c=self.resume)


def exit_code(e: KeyboardInterrupt, *, kept: bool) -> int:
    """Of a command that was stopped: 75 where a machine stopped it and it can go on (`kept`), else 128 + the signal."""
    number = e.number if isinstance(e, Stopped) else signal.SIGINT
    return RESUMABLE if kept and number != signal.SIGINT else 128 + number


@dataclass(slots=True)
class Stop:
    """The first signal that asked to stop; 0: none."""

    number: int = 0

    @property
    def asked(self) -> bool:
        return self.number > 0


NEVER = Stop()


@contextmanager
def signals() -> Iterator[Stop]:
    """Catch the first signal that asks to stop; a second one does what it did before.

    Only the main thread may set handlers; elsewhere nothing is caught.
    """
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.number = number
        _restore(before)

    with _handled((signal.SIGINT, *_WARNINGS), ask) as before:
        yield stop


@contextmanager
def raising() -> Iterator[None]:
    """SIGTERM and SIGUSR1 raise `Stopped`, as Ctrl-C raises KeyboardInterrupt: what is half-written is cleared up."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handled(_WARNINGS, stop):
        yield


@contextmanager
def _handled(numbers: Iterable[int], handler: Handler) -> Iterator[dict[int, Any]]:
    """Gives the handlers from before, which come back at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    before = {number: signal.getsignal(number) for number in numbers}
    for number in before:
        signal.signal(number, handler)
    try:
        yield before
    finally:
        _restore(before)


def _restore(before: Mapping[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
