"""Stopping in good order: on SIGTERM or Ctrl-C the step is finished, a checkpoint saved, and the way back named.

>>> with signals() as stop:
...     for update in updates(engine, 0, steps):
...         if stop.asked:
...             raise Interrupted(update.step, run.folder)
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from weitiao.core.i18n import t


class Interrupted(KeyboardInterrupt):
    """Training was stopped from outside after a whole step; `resume` is the command that goes on from there."""

    exit_code = 130

    def __init__(self, step: int, folder: Path) -> None:
        super().__init__(step)
        self.step, self.resume = step, f"weitiao tune --resume {folder}"

    def __str__(self) -> str:
        return t("stopped after step {s}; all of it is saved. Go on with: {c}",
                 "已在第 {s} 步后停止，进度已保存。继续：{c}", s=self.step, c=self.resume)


@dataclass(slots=True)
class Stop:
    """Whether someone asked to stop."""

    asked: bool = False


@contextmanager
def signals() -> Iterator[Stop]:
    """Catch the first SIGTERM or SIGINT; a second one ends the process at once, as ever.

    Only the main thread may set handlers; elsewhere nothing is caught.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.asked = True
        restore()

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()
