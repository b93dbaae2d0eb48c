"""One trial: a recipe tuned and judged on rows that are no test rows, in a run folder of its own.

    trials/3/  recipe.toml  manifest.json  prepare/  select/  tune/ | folds/<k>/tune/  judged.json

>>> judged = judge(recipe, folder, bench, watch)
>>> judged.value, judged.rows
(0.873, 1000)

`prepare/` and `select/` are links to the search's own files: the data are read once. The test rows are not among them,
so a trial cannot look at them. Of the tuned weights nothing is kept; what was learnt from them is.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weitiao import methods
from weitiao.core import files
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.events import Event, Progress, Validated
from weitiao.metrics import LOWER_IS_BETTER
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.searching.parts import Part
from weitiao.searching.study import COURSE
from weitiao.splits import load_task
from weitiao.tasks import Task
from weitiao.tuning import fit
from weitiao.tuning.loop import Rows
from weitiao.tuning.stage import ready
from weitiao.tuning.validate import rows_and_loss

_BLOCK = 20  # rows of a fold that are compared with the same rows of another trial; four blocks at most
_BLOCKS = 4
_TEST = "test.parquet"


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trials share.

    Args:
        run: the search's own folder with `prepare/` and `select/`.
        parts: the tunings of a trial.
        groups: the group of each judged row, by its source.
        metric: by which trials are compared.
    """

    run: Run
    parts: tuple[Part, ...]
    groups: dict[str, int]
    metric: str

    @property
    def folded(self) -> bool:
        """Are trials cross-validated (or judged without choosing the best step on the judged rows)?"""
        return not self.parts[0].watched

    @property
    def maximise(self) -> bool:
        """Is more of the metric better?"""
        return self.metric not in LOWER_IS_BETTER


@dataclass(frozen=True, slots=True)
class Pace:
    """What a tuning took.

    Args:
        learnt: rows that were learnt, repetitions counted.
        loop: seconds of the loop, validations included.
        other: seconds of everything else.
        computed: seconds of a processor in all of it; less where others keep the machine busy.
        batch_size: of its updates.
    """

    learnt: int
    loop: float
    other: float
    computed: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What a trial reached.

    Args:
        value: the metric on all judged rows.
        metrics: that and the others that the task watches.
        rows: how many there are.
        without: the metric without each group of rows, where it was asked for.
    """

    value: float
    metrics: dict[str, float]
    rows: int
    without: tuple[float, ...]

    @property
    def defined(self) -> bool:
        """Is the metric a number everywhere?"""
        return all(map(math.isfinite, (self.value, *self.without)))


class Watch:
    """Hears all that a trial's tunings tell. What it raises ends the trial; the weights are put in order first."""

    def __init__(self, listen: Callable[[Event], None]) -> None:
        self.listen = listen

    def begin(self, part: int) -> None:
        """The tuning of a part begins."""

    def event(self, event: Event) -> None:
        """Something happened in it."""
        if isinstance(event, Progress):
            self.listen(event)

    def block(self, number: int, value: float) -> None:
        """A block of the judged rows has this value."""


def metric(task: Task, wanted: str) -> str:
    """The metric that a search goes by. Raises RecipeError for one that rows cannot be judged by."""
    if wanted in ("auto", *task.watched):
        return task.watched[0] if wanted == "auto" else wanted
    raise RecipeError("recipe.bad_value", t("a search cannot go by {x!r}", "搜索不能以 {x!r} 为准", x=wanted),
                      where="tune.metric", expected=", ".join(task.watched), fix=nearest(wanted, list(task.watched)))


def judge(recipe: Recipe, folder: Path, bench: Bench, watch: Watch, paces: list[Pace], *,
          grouped: bool = False) -> Judged:
    """Tune the recipe on each part and judge it; called again after a kill it goes on.

    Args:
        recipe: resolved, as tried.
        folder: the trial's; made a run where it is none yet.
        watch: hears of it and may end it by raising.
        paces: gets what each tuning took, also that of one which ends early.
        grouped: also judge without each group of rows.

    Raises what `fit` raises.
    """
    if found := read(folder):
        return found
    branch(bench.run, folder, recipe)
    said: list[Any] = []
    targets: list[Any] = []
    sources: list[str] = []
    task: Task | None = None
    for number, part in enumerate(bench.parts):
        watch.begin(number)
        task, answers, rows = _tuned(recipe, folder / part.name, bench, part, watch, paces)
        said, targets, sources = [*said, *answers], [*targets, *rows.targets], [*sources, *rows.sources]
        if bench.folded:
            _blocks(task, answers, rows, bench, number, watch)
    assert task is not None, "a trial has a part at least"
    metrics = task.quick(said, targets)
    without = _without(task, said, targets, [bench.groups[s] for s in sources], bench.metric) if grouped else ()
    judged = Judged(metrics[bench.metric], metrics, len(said), without)
    files.write_json(folder / "judged.json", _json(asdict(judged)))
    forget(folder)
    return judged


def read(folder: Path) -> Judged | None:
    """What a trial in that folder reached, if it came to its end."""
    if not (folder / "judged.json").is_file():
        return None
    found = files.read_json(folder / "judged.json")
    return Judged(_float(found["value"]), {k: _float(v) for k, v in found["metrics"].items()}, found["rows"],
                  tuple(map(_float, found["without"])))


def _json(value: Any) -> Any:
    """JSON has no NaN, which a correlation of equal numbers is."""
    if isinstance(value, dict):
        return {k: _json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _float(value: float | None) -> float:
    return math.nan if value is None else value


def _tuned(recipe: Recipe, folder: Path, bench: Bench, part: Part, watch: Watch,
           paces: list[Pace]) -> tuple[Task, Sequence[Any], Rows]:
    """The task, what the tuned model says of the judged rows, and these."""
    begun, computed = time.perf_counter(), time.process_time()
    stopwatch = _Stopwatch(watch)
    _, task = load_task(bench.run)
    try:
        made = ready(recipe, task, {"train": part.train, "judged": part.judged})
        rows = made.rows["judged"]
        none = replace(rows, encoded=(), sources=(), targets=())
        outcome = fit(_paced(recipe, len(made.rows["train"].encoded)), folder, model=made.model, task=task,
                      train=made.rows["train"], validation=rows if part.watched else none, on_event=stopwatch.event)
        model = methods.load(recipe.method["name"]).merge(made.model)
        said, _ = rows_and_loss(model, task, rows, torch.device(outcome.device),
                                most_tokens=int(recipe.tune.micro_batch_tokens))
    finally:
        learnt = stopwatch.updates * int(recipe.tune.batch_size)
        other = time.perf_counter() - begun - stopwatch.seconds
        paces.append(Pace(learnt, round(stopwatch.seconds, 3), round(other, 3),
                          round(time.process_time() - computed, 3), int(recipe.tune.batch_size)))
    return task, said, rows


class _Stopwatch:
    """Passes events on and takes the loop's time."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.updates, self.first, self.last = watch, 0, 0.0, 0.0

    def event(self, event: Event) -> None:
        now = time.perf_counter()
        if isinstance(event, Progress):
            # The first update is not timed: its beginning was not heard.
            self.first, self.updates = self.first or now, self.updates + bool(self.first)
        if isinstance(event, (Progress, Validated)):
            self.last = now
        self.watch.event(event)

    @property
    def seconds(self) -> float:
        return self.last - self.first


def steps(recipe: Recipe, rows: int) -> int:
    """Updates that a recipe plans for so many training rows."""
    if recipe.tune.steps != "auto":
        return int(recipe.tune.steps)
    return max(1, round(float(recipe.tune.epochs) * -(-rows // int(recipe.tune.batch_size))))


def _paced(recipe: Recipe, rows: int) -> Recipe:
    """With validations at equal shares of its own course, where trials are compared: the learning rate falls to 0 at
    the end of each, so that equal numbers of steps would favour the short ones."""
    return recipe.updated({"tune": {"evaluate_every": -(-steps(recipe, rows) // COURSE)}})


def _blocks(task: Task, said: Sequence[Any], rows: Rows, bench: Bench, number: int, watch: Watch) -> None:
    count = max(1, min(_BLOCKS, len(said) // _BLOCK))
    for i, block in enumerate(np.array_split(np.arange(len(said)), count)):
        value = task.quick([said[j] for j in block], [rows.targets[j] for j in block])[bench.metric]
        if np.isfinite(value):
            watch.block(number * _BLOCKS + i, value)


def _without(task: Task, said: Sequence[Any], targets: Sequence[Any], group: Sequence[int],
             name: str) -> tuple[float, ...]:
    found = sorted(set(group))
    out = []
    for left_out in found if len(found) > 1 else ():
        kept = [i for i, g in enumerate(group) if g != left_out]
        out.append(task.quick([said[i] for i in kept], [targets[i] for i in kept])[name])
    return tuple(out)


# -- the run's folder -------------------------------------------------------------------------------------------------


def branch(run: Run, folder: Path, recipe: Recipe, *, test: bool = False) -> Run:
    """A run in `folder` on the same prepared rows (linked, or copied where the disk cannot), without the test rows
    unless asked for. One that is there already is left as it is."""
    if (folder / "manifest.json").is_file():
        return Run.open(folder)
    # What the check found shows test rows, too.
    wanted = ("prepare", "check", "select") if test else ("prepare", "select")
    stages = {name: dict(run.manifest["stages"][name]) for name in wanted if name in run.manifest["stages"]}
    for name in stages:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        for path in sorted((run.folder / name).iterdir()):
            if test or path.name != _TEST:
                _link(path, folder / name / path.name)
    if not test:
        stages["prepare"]["files"] = {k: v for k, v in stages["prepare"]["files"].items() if k != _TEST}
    files.write_text(folder / "recipe.toml", recipe.to_toml())
    facts = {k: v for k, v in run.manifest.items() if k not in ("asked", "resolved", "recipe", "search", "stages")}
    for stage in stages.values():
        stage["key"] = recipe.hash
    files.write_json(folder / "manifest.json", {**facts, "recipe": recipe.hash, "asked": recipe.hash,
                                                "resolved": recipe.hash, "stages": stages})
    return Run.open(folder)


def _link(path: Path, to: Path) -> None:
    try:
        os.link(path, to)
    except OSError:  # another file system, or one without links
        shutil.copy2(path, to)


def forget(folder: Path) -> None:
    """Drop a trial's weights and checkpoints: a search has hundreds of them."""
    for name in ("best", "checkpoints"):
        for path in sorted(folder.glob(f"**/tune/{name}")):
            shutil.rmtree(path)
    for path in sorted(folder.glob("**/tune/head.safetensors")):
        path.unlink()
