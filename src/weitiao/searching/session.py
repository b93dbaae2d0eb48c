"""What one process holds while it works on a search: the default, the trials, the clock.

>>> found = opened(run, recipe, clock, print, final=True)
>>> found.shares(found.speeds()).search_until
2755.0
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weitiao import events
from weitiao.core import files
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.searching import budget
from weitiao.searching.clock import Clock
from weitiao.searching.parts import groups, parts
from weitiao.searching.space import Space
from weitiao.searching.study import Study
from weitiao.searching.trial import Bench, Watch, metric
from weitiao.splits import load, load_task, stored

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

_WAIT = 0.5  # seconds between two looks at what other processes do


@dataclass(frozen=True, slots=True)
class Search:
    """All that a worker holds.

    Args:
        run: the search's folder.
        recipe: the default.
        clock: of the budget.
        final: is the chosen recipe tuned in full at the end?
        rows, tests: training rows, and test rows, which only that run reads.
        writes: the task answers in writing.
        on_event: hears of everything.
    """

    run: Run
    recipe: Recipe
    space: Space
    bench: Bench
    study: Study
    clock: Clock
    final: bool
    rows: int
    tests: int
    writes: bool
    on_event: Callable[[events.Event], None]

    def recipe_of(self, trial: FrozenTrial | Trial) -> Recipe:
        """What a trial tries: the very default in trial 0."""
        return self.recipe if trial.number == 0 else self.space.apply(self.recipe, trial.params)

    def speeds(self) -> budget.Speeds | None:
        """From the trials so far; None while there is none to go by."""
        found = [p for x in self.study.trials for p in budget.from_attributes(x.user_attrs.get("paces", []))]
        return budget.Speeds(found) if any(p.learnt for p in found) and self.study.done else None

    def seconds(self, speeds: budget.Speeds, recipe: Recipe) -> float:
        """A trial's, forecast."""
        return speeds.trial(recipe, [len(p.train) for p in self.bench.parts])

    def shares(self, speeds: budget.Speeds) -> budget.Shares:
        """The phases, as they look now."""
        best = self.study.best
        chosen = self.recipe_of(best) if best else self.recipe
        final = speeds.final(chosen, self.rows, self.tests, writes=self.writes) if self.final else speeds.report
        first = self.study.trials[0].user_attrs.get("spent", 0.0)
        better = self.seconds(speeds, chosen) if best and best.number else None
        return budget.share(self.clock.budget, first, self.seconds(speeds, self.recipe), better, final)

    def wait(self, done: Callable[[], bool]) -> None:
        """Until other processes have come so far."""
        while not done():
            self.clock.tick()
            time.sleep(_WAIT)


def opened(run: Run, recipe: Recipe, clock: Clock, on_event: Callable[[events.Event], None], *,
           final: bool) -> Search:
    """A search as it stands in its folder."""
    _, task = load_task(run)
    space = Space.read(run.folder / "space.toml", recipe)
    validation = load(run, "validation")
    train = stored(run, "train") if validation else load(run, "train")  # folds are lists of rows
    made = parts(train, validation, task, recipe)
    bench = Bench(run, made, groups(made, recipe), metric(task, recipe.tune.metric))
    study = Study(run.folder, space.distributions(recipe), space.defaults(recipe), maximise=bench.maximise,
                  seed=recipe.seed, folds=bench.folded)
    rows = files.read_json(run.folder / "prepare" / "report.json")["rows"]
    return Search(run, recipe, space, bench, study, clock, final, rows["train"], rows["test"],
                  task.head().kind == "language", on_event)


class OutOfTime(Exception):
    """The share of the time for this phase is over."""


class Timed(Watch):
    """Stops a confirmation where the time is over."""

    def __init__(self, found: Search, until: float) -> None:
        super().__init__(found.on_event)
        self.clock, self.until = found.clock, until

    def event(self, event: events.Event) -> None:
        self.clock.tick()
        if self.clock.spent > self.until:
            raise OutOfTime
        super().event(event)
