"""How good are predicted numbers: Spearman's and Pearson's correlation, R², mean absolute and root mean square error.

>>> quick(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 4.0]))["spearman"]
1.0

A correlation with a constant is 0 here, and R² of constant truths is 0: neither is defined, and the signature says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score
from weitiao.metrics.counts import ratio
from weitiao.metrics.intervals import bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NAMES = ("spearman", "pearson", "r2", "mae", "rmse")


class Ranks:
    """Weighted midranks of one variable for many weightings of its rows; sorted once."""

    def __init__(self, values: Array) -> None:
        self.order = np.argsort(values, kind="stable")
        ordered = values[self.order]
        self.last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # of each run of equals
        self.group = np.empty(len(values), np.int64)
        self.group[self.order] = np.searchsorted(self.last, np.arange(len(values)))

    def __call__(self, weights: Array) -> Array:
        """(b, n) weights to (b, n) ranks, less 1/2: how much weight lies below, and half of what is equal."""
        upto = np.cumsum(weights[:, self.order], axis=1)[:, self.last]
        middle = upto.copy()
        middle[:, 1:] += upto[:, :-1]
        return (middle / 2)[:, self.group]


def correlation(weights: Array, x: Array, y: Array) -> Array:
    """Weighted Pearson correlation, (b,); weights, x and y are (b, n) or (1, n). 0 where one side is constant."""
    total = weights.sum(-1, keepdims=True)
    dx = x - (weights * x).sum(-1, keepdims=True) / total
    dy = y - (weights * y).sum(-1, keepdims=True) / total
    wx = weights * dx
    xx, yy, xy = (wx * dx).sum(-1), (weights * dy * dy).sum(-1), (wx * dy).sum(-1)
    flat = (xx <= _tiny(x, total)) | (yy <= _tiny(y, total))
    return np.where(flat, 0.0, np.clip(ratio(xy, np.sqrt(xx * yy)), -1, 1))


def _tiny(values: Array, total: Array) -> Array:
    """What rounding alone makes of a constant's sum of squares."""
    tiny: Array = total[:, 0] * (1e-14 * np.abs(values).max()) ** 2
    return tiny


class Statistic:
    """NAMES for many resamples of the same rows."""

    def __init__(self, predicted: Array, truth: Array) -> None:
        self.predicted, self.truth = predicted, truth
        self.ranks = Ranks(predicted), Ranks(truth)
        # Sums of these over the rows give all but Spearman's; centred, so that large means cost no digits.
        self.x, self.y = predicted - predicted.mean(), truth - truth.mean()
        error = predicted - truth
        self.features = np.column_stack(
            [self.x, self.y, self.x**2, self.y**2, self.x * self.y, np.abs(error), error**2])

    def __call__(self, counts: Array) -> Array:
        """(b, n) counts to (b, 5)."""
        n = counts.sum(1)
        x, y, xx, yy, xy, absolute, square = (counts @ self.features / n[:, None]).T
        vx, vy = xx - x**2, yy - y**2
        flat_x, flat_y = vx <= 1e-20 * np.abs(self.predicted).max() ** 2, vy <= 1e-20 * np.abs(self.truth).max() ** 2
        pearson = np.where(flat_x | flat_y, 0.0, np.clip(ratio(xy - x * y, np.sqrt(np.maximum(vx * vy, 0))), -1, 1))
        r2 = np.where(flat_y, 0.0, 1 - ratio(square, vy))
        return np.column_stack([self.spearman(counts), pearson, r2, absolute, np.sqrt(square)])

    def spearman(self, counts: Array) -> Array:
        """(b,): Pearson's correlation of the midranks within each resample."""
        return correlation(counts, self.ranks[0](counts), self.ranks[1](counts))


def quick(predicted: Array, truth: Array) -> dict[str, float]:
    """NAMES without intervals."""
    values = Statistic(predicted, truth)(np.ones((1, len(truth))))[0]
    return dict(zip(NAMES, map(float, values), strict=True))


def scores(predicted: Array, truth: Array, *, seed: int, resamples: int) -> list[Score]:
    """All metrics, Spearman's first."""
    found = bootstrap(list(NAMES), Statistic(predicted, truth), np.ones(len(truth), np.int64), resamples=resamples,
                      seed=seed)
    why = {"spearman": _flat(predicted, truth), "pearson": _flat(predicted, truth), "r2": _flat(truth)}
    return [replace(found[k], signature=f"{why[k]}; {found[k].signature}") if why.get(k) else found[k] for k in NAMES]


def _flat(*sides: Array) -> str:
    return "not defined: all values are equal" if any(np.ptp(s) == 0 for s in sides) else ""
