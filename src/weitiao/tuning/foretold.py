"""While it tunes: the forecast from the first updates, and at the end what became of it.

>>> foretold = Foretold(engine, plan, validation, needed)
>>> for update in updates(...):
...     if text := foretold.heard(update):     # once: "measured: about 12 min of tuning, 3.1 GB of memory"
...         print(text)
...     validate(); save()
...     foretold.go_on()
>>> foretold.facts()
{'forecast': {'seconds': 48.2, ...}, 'took': {'seconds': 51.0, ...}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weitiao.core import memory
from weitiao.core.i18n import t
from weitiao.tuning import speed
from weitiao.tuning.batches import pack
from weitiao.tuning.loop import Engine, Rows, Update
from weitiao.tuning.plan import Plan
from weitiao.tuning.speed import Seconds, Speed, Stopwatch

_FEWEST = 5  # updates that are measured, the first one left out
_LEAST = 3.0  # seconds of them
_READING = 1 / 3  # of a pass forwards and backwards: the validation's, without gradients


class Foretold:
    """One run's (or its resumption's) forecast.

    Args:
        needed: bytes from `fits.weighed`, None where nothing was weighed; may be set later.
        start: updates that were made before.
    """

    def __init__(self, engine: Engine, plan: Plan, validation: Rows, needed: float | None, start: int) -> None:
        self._engine, self._plan, self._validation = engine, plan, validation
        self.needed, self._start = needed, start
        self._speed, self._all, self._watch = Speed(), Stopwatch(), Stopwatch()
        self._told: dict[str, float | None] | None = None

    def heard(self, update: Update) -> str | None:
        """Take in an update; a sentence as soon as enough of them are known, and only where much is left."""
        took, number = self._watch.read(), update.step - 1
        if number > self._start:
            batches = self._engine.batches
            self._speed.add(speed.work(batches(number), batches.sizes, 1), took)
        if self._told or len(self._speed) < _FEWEST or self._all.read().wall < _LEAST:
            return None
        return self._tell(update.step)

    def go_on(self) -> None:
        """What comes now is the next update's."""
        self._watch = Stopwatch()

    def _tell(self, step: int) -> str:
        total = self._all.read() + self._left(step)
        now = memory.highest()
        most = None if self.needed is None or now is None else max(self.needed, now)
        self._told = {**_seconds(total), "memory_gb": None if most is None else round(most / 1e9, 2)}
        return t("measured: about {d} of tuning", "实测：训练约需 {d}", d=_duration(total.wall)) + (
            "" if most is None else t(", {m:.1f} GB of memory", "，内存 {m:.1f} GB", m=most / 1e9))

    def _left(self, step: int) -> Seconds:
        """Updates and validations after `step`."""
        engine, plan, rows = self._engine, self._plan, self._validation
        left = self._speed.seconds(speed.of_steps(engine.batches, step, plan.steps))
        times = sum(plan.validates(n) for n in range(step, plan.steps + 1))
        if not times:
            return left
        passes = pack(range(len(rows.encoded)), rows.sizes, len(rows.encoded), engine.batches.micro_batch_tokens)
        return left + self._speed.seconds(speed.work(passes, rows.sizes)) * (times * _READING)

    def facts(self) -> Mapping[str, Any]:
        """Forecast (None where the run was too short for one) and fact, for tune/costs.json."""
        now = memory.highest()
        return {"forecast": self._told, "took": {**_seconds(self._all.read()),
                                                 "memory_gb": None if now is None else round(now / 1e9, 2)}}


def sentence(facts: Mapping[str, Any]) -> str | None:
    """Forecast against fact in one line, from tune/costs.json; None without a forecast."""
    told, took = facts["forecast"], facts["took"]
    if told is None:
        return None
    text = t("forecast {a}, took {b}", "预计 {a}，实际 {b}", a=_duration(told["seconds"]), b=_duration(took["seconds"]))
    if told["memory_gb"] is None:
        return text
    return text + t("; {a:.1f} GB forecast, {b:.1f} GB used", "；内存预计 {a:.1f} GB，实际 {b:.1f} GB",
                    a=told["memory_gb"], b=took["memory_gb"])


def _seconds(found: Seconds) -> dict[str, float | None]:
    return {"seconds": round(found.wall, 1), "cpu_seconds": round(found.cpu, 1)}


def _duration(seconds: float) -> str:
    return t("{s} s", "{s} 秒", s=round(seconds)) if seconds < 90 else \
        t("{m} min", "{m} 分钟", m=round(seconds / 60))
