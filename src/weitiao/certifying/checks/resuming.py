"""A tuning that was stopped and taken up again ends with the bytes of one that was not; looking changes nothing.

With the recipe as it is, dropout and precision included, on some of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from weitiao.certifying import Line
from weitiao.certifying.case import UPDATES, Case
from weitiao.core import files
from weitiao.core.i18n import t
from weitiao.events import Event, Progress
from weitiao.tuning import fit

TITLE = ("stopping, resuming and validating", "中断、续训与验证")


class _Stopped(Exception):
    """In place of a kill."""


def measure(case: Case) -> Iterator[Line]:
    """State files after the last update that differ."""
    whole = case.folder()
    _tune(case, whole, save_every=2)
    parted = case.folder()
    try:
        _tune(case, parted, _stop_at(UPDATES - 1), save_every=2)
    except _Stopped:
        _tune(case, parted, save_every=2)
    yield Line("resuming", t("files of the last checkpoint that differ: stopped after update {k} of {n} and resumed",
                             "末个检查点中不同的文件：第 {k}/{n} 次更新后中断再续训", k=UPDATES - 1, n=UPDATES),
               float(_differ(whole, parted)), 0.0, "files")
    if case.drawn("validation"):
        seen = case.folder()
        _tune(case, seen, save_every=2, evaluate_every=1)
        same = files.sha256(_state(whole)) == files.sha256(_state(seen))
        yield Line("resuming", t("weights and moments that differ: validated after every update or once",
                                 "不同的权重与动量文件：每次更新后验证与只验证一次相比"), float(not same), 0.0, "files")


def _stop_at(step: int) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.step == step:
            raise _Stopped

    return listen


def _tune(case: Case, folder: Path, listen: Callable[[Event], None] = lambda event: None, *, save_every: int,
          evaluate_every: int = UPDATES) -> None:
    settled: dict[str, Any] = {"steps": UPDATES, "time": "", "save_every": save_every, "evaluate_every": evaluate_every,
                               "precision": case.plan.precision, "device": case.plan.device}
    recipe, task = case.recipe.updated({"tune": settled}), case.task()
    made = case.ready(recipe, task)
    fit(recipe, folder, model=made.model, task=task, train=made.rows["train"], validation=made.rows["validation"],
        on_event=listen)


def _state(folder: Path) -> Path:
    return folder / "tune" / "checkpoints" / str(UPDATES) / "state.safetensors"


def _differ(one: Path, other: Path) -> int:
    """Of the weights, moments, history and counters."""
    names = ("checkpoints/{n}/state.safetensors", "checkpoints/{n}/state.json", "metrics.jsonl",
             "best/state.safetensors")
    paths = [name.format(n=UPDATES) for name in names]
    return sum(files.sha256(one / "tune" / p) != files.sha256(other / "tune" / p) for p in paths)
