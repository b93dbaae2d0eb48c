"""Trials, one after the other, until the share of the time for them is over.

>>> run_trials(found)

The first is the default, and nothing else begins before it has ended: from it all times are forecast.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from weitiao import events
from weitiao.core.errors import TrainingError
from weitiao.core.i18n import t
from weitiao.searching import budget
from weitiao.searching.session import OutOfTime, Search
from weitiao.searching.study import COURSE, report
from weitiao.searching.trial import Judged, Pace, Watch, forget, judge

if TYPE_CHECKING:
    from optuna.trial import Trial

_TELLS = 5.0  # seconds of the default's first tuning after which its speed is believed


def run_trials(found: Search) -> None:
    """Trials until the share of the time for them is over, here and in other processes."""
    while True:
        found.wait(lambda: bool(found.study.done) or not found.study.busy())
        speeds = found.speeds()
        until = math.inf  # the default must come to its end: all else is held against it
        if speeds:
            until = found.shares(speeds).search_until
            if found.clock.spent + _usual(found, speeds) > until:
                break
        with found.study.claim() as trial:
            _try(found, trial, until)
    found.wait(lambda: not found.study.busy())
    found.study.close()


def _usual(found: Search, speeds: budget.Speeds) -> float:
    """What a trial takes by now: many are stopped early. The median of what the trials took, or the default's."""
    taken = [float(x.user_attrs["seconds"]) for x in found.study.trials[1:] if "seconds" in x.user_attrs]
    return median(taken) if taken else found.seconds(speeds, found.recipe)


def _try(found: Search, trial: Trial, until: float) -> None:
    """One trial to its end, whichever that is."""
    begun, paces = time.perf_counter(), list[Pace]()
    folder = found.run.folder / "trials" / str(trial.number)
    watch = Trying(found, trial, until)
    state, judged, why = "done", None, ""
    try:
        judged = judge(found.recipe_of(trial), folder, found.bench, watch, paces)
        if not judged.defined:
            raise _undefined(found.bench.metric)
    except Behind:
        state = "pruned"
    except OutOfTime:
        state = "cut"
    except TrainingError as e:
        if trial.number == 0:
            raise
        state, why, judged = "pruned", str(e), None  # a rate at which nothing is learnt teaches the sampler, too
    forget(folder)
    seconds = time.perf_counter() - begun
    attributes = {"paces": budget.as_attributes(paces), "seconds": round(seconds, 2), "spent": round(watch.spent, 2),
                  "metrics": {k: v for k, v in judged.metrics.items() if math.isfinite(v)} if judged else {}}
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    found.study.tell(trial, judged.value if judged else None, state, why)
    _announce(found, trial, state, judged, seconds)


def _announce(found: Search, trial: Trial, state: str, judged: Judged | None, seconds: float) -> None:
    best, speeds = found.study.best, found.speeds()
    until = found.shares(speeds).search_until if speeds else found.clock.budget
    settings: Mapping[str, Any] = {} if trial.number == 0 else trial.params
    found.on_event(events.Tried(trial.number, state, found.bench.metric,
                                judged.value if judged else reached(found, trial.number),
                                best is not None and best.number == trial.number, settings, seconds,
                                until - found.clock.spent))


def reached(found: Search, number: int) -> float | None:
    """How far a trial came that did not come to its end: its last validation, or the mean of its blocks."""
    values = {k: v for k, v in found.study.trials[number].intermediate_values.items() if math.isfinite(v)}
    if not values:
        return None
    return fmean(values.values()) if found.bench.folded else values[max(values)]


def _undefined(metric: str) -> TrainingError:
    return TrainingError("search.undefined", t("{m} is not defined on the judged rows: all answers are equal",
                                               "评估数据上的 {m} 没有定义：所有回答都相同", m=metric),
                         fix=t("choose another tune.metric, or more epochs", "请换一个 tune.metric，或增加轮数"))


class Behind(Exception):
    """The trial is stopped: it is behind the others."""


class Trying(Watch):
    """Reports a trial's values to the study, and stops it where it is behind or out of time."""

    def __init__(self, found: Search, trial: Trial, until: float) -> None:
        super().__init__(found.on_event)
        self.found, self.trial, self.until = found, trial, until
        self.spent = found.clock.spent
        self._part, self._begun, self._known = 0, time.perf_counter(), False

    def begin(self, part: int) -> None:
        self._part, self._begun = part, time.perf_counter()

    def event(self, event: events.Event) -> None:
        self.found.clock.tick()
        if self.found.clock.spent > self.until:
            raise OutOfTime
        if isinstance(event, events.Progress) and self.trial.number == 0:
            self._enough(event)
        if isinstance(event, events.Validated):
            self._validated(event)
        super().event(event)

    def block(self, number: int, value: float) -> None:
        last = self._part == len(self.found.bench.parts) - 1
        if report(self.trial, value, number) and not last:
            raise Behind

    def _validated(self, event: events.Validated) -> None:
        name = self.found.bench.metric
        known = self.found.study.trials[self.trial.number].intermediate_values
        better = max if self.found.bench.maximise else min
        step = max(1, round(event.step / event.steps * COURSE))
        # What a run would keep if it ended here: its best so far.
        values = [v for v in (event.metrics[name], *(v for k, v in known.items() if k < step)) if math.isfinite(v)]
        value = better(values, default=math.nan)
        if report(self.trial, value, step) and event.step < event.steps:
            raise Behind

    def _enough(self, event: events.Progress) -> None:
        """The default's first tuning tells early whether the budget can hold a search at all."""
        if self._known or self._part or (event.step < event.steps and time.perf_counter() - self._begun < _TELLS):
            return
        self._known = True
        tuning = time.perf_counter() - self._begun + event.seconds_left
        budget.enough(self.found.clock.budget, self.spent, tuning * len(self.found.bench.parts),
                      tuning if self.found.final else 0.0)
