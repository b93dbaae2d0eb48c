"""How a budget is shared out: searching, confirming with other seeds, one full run; forecast from measured speeds.

>>> shares = share(budget=3600, spent=80, trial=95, best=120, final=200)
>>> shares.search_until, shares.seeds
(2755.0, 3)

Nothing is known before trial 0, the default, has run; from then on every trial's time is forecast from those before it:

    seconds = other · tunings + Σ rows · epochs · seconds a learnt row (of trials with that batch size, else of all)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.recipe import Recipe
from weitiao.searching.trial import Pace, steps

_SEEDS = ((5, 0.35), (3, 0.5), (2, 0.5))  # so many seeds where confirming takes at most this share of what is left
MOST_SEEDS = 10
_REPORT = 1.0  # seconds for the search's own page and files
# Of a full run beside its loop, in times of a learnt row: scores in float32 cost about what learning in bf16 does,
# a frozen base is one pass over all rows. By judgement and on the safe side: result.json holds forecast and fact.
_SCORED, _FROZEN, _WRITTEN = 1.2, 0.4, 4.0
_FIXED = 4.0  # seconds: scikit-learn's import, linear baselines, saving, checks, pages
_DRAWN = 300  # rows that are answered in writing at most


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the phases end, in seconds of the budget.

    Args:
        search_until: no trial may run longer.
        confirm_until: nor may a confirmation.
        seeds: that confirming is planned with; 0: there is no time for it.
        final: seconds kept for the full run and the report.
    """

    search_until: float
    confirm_until: float
    seeds: int
    final: float


def share(budget: float, spent: float, trial: float, best: float | None, final: float) -> Shares:
    """The phases.

    Args:
        budget, spent: seconds in all, and before the first trial began.
        trial, best: seconds that the default takes, and the best trial. While there is none better than the default
            (None), the search goes on until there is just time for the fewest seeds.
        final: seconds for the full run, if there is one, and the report.
    """
    end = budget - final
    left = max(0.0, end - spent)
    pair = trial + (trial if best is None else best)
    seeds = next((n for n, most in _SEEDS if n * pair <= most * left), 0)
    kept = seeds if best is not None else min(seeds, _SEEDS[-1][0])
    return Shares(end - kept * pair, end, seeds, final)


@dataclass(frozen=True, slots=True)
class Speeds:
    """Paces of earlier trials, from which others are forecast. Not empty."""

    paces: Sequence[Pace]

    def row(self, batch_size: int) -> float:
        """Seconds a learnt row: of the trials with that batch size, else of all."""
        long = [p for p in self.paces if p.learnt > 0]
        like = [p for p in long if p.batch_size == batch_size] or long
        return sum(p.loop for p in like) / max(1, sum(p.learnt for p in like))

    def tuning(self, recipe: Recipe, rows: int) -> float:
        """Seconds of one tuning on so many rows."""
        batch = int(recipe.tune.batch_size)
        return median(p.other for p in self.paces) + steps(recipe, rows) * min(batch, rows) * self.row(batch)

    def trial(self, recipe: Recipe, rows: Sequence[int]) -> float:
        """Seconds of a trial with tunings on so many rows each."""
        return sum(self.tuning(recipe, n) for n in rows)

    def final(self, recipe: Recipe, train: int, test: int, *, writes: bool) -> float:
        """Seconds of a full run: tuning, scores on the test rows, baselines, report."""
        row = self.row(int(recipe.tune.batch_size))
        if writes:
            test = min(test, _DRAWN)
        return (self.tuning(recipe, train) + self.busy * _FIXED + self.report
                + row * ((_WRITTEN if writes else _SCORED) * test + _FROZEN * (train + test)))

    @property
    def busy(self) -> float:
        """How many times longer than it computes a process waits here, others being at work on the machine: 1 or more.
        What was measured holds that already; what is only known from a quiet machine must be multiplied by it."""
        return max(1.0, sum(p.loop + p.other for p in self.paces) / max(0.1, sum(p.computed for p in self.paces)))

    @property
    def report(self) -> float:
        """Seconds for the search's own page and files."""
        return self.busy * _REPORT


def as_attributes(paces: Sequence[Pace]) -> list[dict[str, Any]]:
    """For the journal."""
    return [asdict(p) for p in paces]


def from_attributes(found: Sequence[Mapping[str, Any]]) -> list[Pace]:
    """What `as_attributes` gave."""
    return [Pace(**x) for x in found]


def enough(budget: float, spent: float, trial: float, final: float) -> None:
    """Raises RecipeError `search.budget_too_small` where the default and one other trial do not fit beside the full
    run."""
    least = spent + 2 * trial + final + _REPORT
    if least > budget:
        minutes = math.ceil(least * 1.2 / 60)
        raise RecipeError("search.budget_too_small",
                          t("one trial takes about {s:.0f} s, the full run at the end {f:.0f} s",
                            "一次试验约 {s:.0f} 秒，最后的完整运行约 {f:.0f} 秒", s=trial, f=final), where="--budget",
                          expected=t("at least {m}m; {n}m for three seeds and some ten trials",
                                     "至少 {m}m；三个随机种子加十次左右的试验需要 {n}m", m=minutes,
                                     n=math.ceil((spent + 16 * trial + final) / 60)),
                          fix=t("raise it, use a smaller model or fewer rows, or --no-final",
                                "请增加预算，换更小的模型或更少的数据，或用 --no-final"))
