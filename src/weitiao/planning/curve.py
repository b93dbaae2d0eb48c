"""What more labels would buy: a learning curve through cross-validated scores on parts of the rows.

>>> curve = fitted(points, metric="accuracy", seed=1)
>>> curve.gain(1200, 2200)
Gain(value=0.018, low=0.011, high=0.026)

    error(n) = a + b · n^(−c),   a, b ≥ 0     (Cortes et al. 1993, "Learning Curves: Asymptotic Values and Rate of
                                               Convergence"; Rosenfeld et al. 2020, arXiv:1909.12673)

where error is 1 − metric. Nested parts of each fold's training rows are learnt, several orders of the rows, and judged
on the fold's other rows. The interval has two parts. A bootstrap over the judged rows and over the orders, one size
left out each time: each draw has a curve of its own. And what such curves get wrong: the curve of all sizes but the
last foretells the last, and as far as it misses there, for a doubling of the rows, it may miss beyond (docs/log.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core import seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ORDERS = 3  # of the rows, in which parts are taken
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of the training rows of a fold
LEAST = 24  # rows of the smallest part
_DRAWS = 200
_POWERS = np.geomspace(0.1, 2.0, 60)
_FAR = 100  # times the rows at hand: nobody should believe a curve beyond that

Fold = tuple[Sequence[int], Sequence[int]]
Learner = Callable[[Sequence[int], Sequence[int]], Sequence[Any]]
"""Row numbers to learn from and to answer, to the outputs for the latter."""
Metric = Callable[[Sequence[Any], Sequence[int]], float]
"""Outputs and the numbers of their rows to a score."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A difference of the metric with its 95 % interval; above 0: better."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted curve.

    Args:
        sizes, errors: the points: rows learnt from, and 1 − metric (the metric itself where less is better).
        spread: (points,) standard deviations of the bootstrap.
        power: a, b, c.
        draws: (B, 3): those of the bootstrap.
        miss: how far curves of the smaller sizes were from the largest (root of the mean square over the draws), for
            each doubling of the rows.
    """

    sizes: Array
    errors: Array
    spread: Array
    power: Array
    draws: Array
    miss: float = 0.0

    def error(self, rows: float) -> float:
        """Expected at so many training rows."""
        return float(_error(self.power, rows))

    def gain(self, rows: float, more: float) -> Gain:
        """What going from `rows` to `more` training rows is expected to buy."""
        each = _error(self.draws, rows) - _error(self.draws, more)
        each = each + self.miss * math.log2(more / rows) * seeds.rng(len(each), "miss").standard_normal(len(each))
        low, high = np.quantile(each, [0.025, 0.975])
        value = self.error(rows) - self.error(more)
        return Gain(value, min(float(low), value), max(float(high), value))

    def enough(self, rows: int, step: int, least: float) -> int | None:
        """From how many rows on (1, 2 or 5 times a power of ten) `step` more buy less than `least`; None where that is
        beyond a hundred times the rows at hand."""
        for size in (m * int(10**k) for k in range(2, 10) for m in (1, 2, 5)):
            if size > _FAR * rows:
                return None
            if size >= rows and self.error(size) - self.error(size + step) < least:
                return size
        return None


def _error(power: Array, rows: float) -> Array:
    a, b, c = np.moveaxis(power, -1, 0)
    return np.asarray(a + b * rows**-c)


def fit(sizes: Array, errors: Array) -> Array:
    """a, b, c by least squares, c between 0.1 and 2. `sizes`, `errors`: (points,)."""
    from scipy.optimize import nnls

    tried = [(*nnls(np.column_stack([np.ones(len(sizes)), sizes**-c]), errors), c) for c in _POWERS]
    (a, b), _, c = min(tried, key=lambda got: got[1])
    return np.array([a, b, c])


def measure(learn: Learner, folds: Sequence[Fold], seed: int) -> list[tuple[float, list[list[Any]]]]:
    """For each size its mean number of rows and, for each order, the outputs of all folds' judged rows.

    The last size is a fold's whole training part, in one order: it is the cross-validation itself.
    """
    fewest = min(len(train) for train, _ in folds)
    shares = [s for s in SHARES if s * fewest >= LEAST or s == 1]
    out = []
    for share in shares:
        outputs = [[x for k, (train, judged) in enumerate(folds)
                    for x in learn(_part(train, share, seeds.rng(seed, "order", order, k)), judged)]
                   for order in range(1 if share == 1 else ORDERS)]
        out.append((float(np.mean([round(share * len(train)) for train, _ in folds])), outputs))
    return out


def _part(train: Sequence[int], share: float, random: np.random.Generator) -> list[int]:
    """The first rows of an order: the smaller part lies in the larger one."""
    order = random.permutation(len(train))
    return [train[i] for i in order[: max(1, round(share * len(train)))]]


def fitted(points: Sequence[tuple[float, list[list[Any]]]], metric: Metric, judged: Sequence[int], seed: int) -> Curve:
    """The curve through what `measure` gave.

    Args:
        metric: error of outputs on some rows (less is better).
        judged: the row numbers of the outputs, in their order.
    """
    sizes = np.array([n for n, _ in points])
    every = np.arange(len(judged))
    errors = np.array([np.mean([_judged(metric, o, judged, every) for o in orders]) for _, orders in points])
    random, drawn, powers = seeds.rng(seed, "curve"), [], []
    for _ in range(_DRAWS):
        rows = random.integers(0, len(judged), len(judged))
        drawn.append(np.array([np.mean([_judged(metric, orders[k], judged, rows) for k in
                                        random.integers(0, len(orders), len(orders))]) for _, orders in points]))
        # One size is left out: the whole part, learnt in one order only, would look surer than it is.
        kept = random.permutation(len(sizes))[: max(3, len(sizes) - 1)]
        powers.append(fit(sizes[kept], drawn[-1][kept]))
    return Curve(sizes, errors, np.std(drawn, axis=0), fit(sizes, errors), np.array(powers), _miss(sizes, drawn))


def _miss(sizes: Array, drawn: Sequence[Array]) -> float:
    """See `Curve`; of fewer than three sizes nothing can be said."""
    if len(sizes) < 3:
        return 0.0
    missed = [_error(fit(sizes[:-1], errors[:-1]), sizes[-1]) - errors[-1] for errors in drawn]
    return math.sqrt(float(np.mean(np.square(missed)))) / math.log2(sizes[-1] / sizes[-2])


def _judged(metric: Metric, outputs: Sequence[Any], judged: Sequence[int], rows: NDArray[np.int64]) -> float:
    return metric([outputs[i] for i in rows], [judged[i] for i in rows])
