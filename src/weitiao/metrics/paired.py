"""Is one system better than another on the same rows? The difference with its interval and a p-value.

>>> accuracy(np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])).difference
0.5

Accuracy: McNemar's exact test (binomial on the rows where only one is right) and Tango's (1998) score interval of the
paired difference. Other metrics: both systems are scored on the same bootstrap resamples; BCa interval of the
difference, p = twice the smaller share of resamples on the far side of 0, one added to both counts, and never below
2^(1-n), what n equal signs have by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.metrics import LOWER_IS_BETTER
from weitiao.metrics.counts import f1
from weitiao.metrics.intervals import Z95, Statistic, bca, resample
from weitiao.metrics.regression import Statistic as Regression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Paired:
    """First minus second on the same rows.

    Args:
        metric: which metric was compared.
        difference, low, high: with the 95 % interval (None: none is defined, `signature` says why).
        p: two-sided, of no difference.
        n: rows.
        signature: how.
    """

    metric: str
    difference: float
    low: float | None
    high: float | None
    p: float
    n: int
    signature: str

    @property
    def verdict(self) -> int:
        """1: the first is better, -1: the second is, 0: not established (at 5 %, by interval and test both)."""
        if self.p >= 0.05 or self.low is None or self.high is None:
            return 0
        more = -1 if self.metric in LOWER_IS_BETTER else 1
        return more if self.low > 0 else -more if self.high < 0 else 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def accuracy(first: NDArray[Any], second: NDArray[Any]) -> Paired:
    """Of 1/0 (right or wrong) for each row of both systems."""
    from scipy.stats import binomtest

    only_first = int(((first == 1) & (second == 0)).sum())
    only_second = int(((first == 0) & (second == 1)).sum())
    n, differ = len(first), only_first + only_second
    p = float(binomtest(only_first, differ).pvalue) if differ else 1.0
    low, high = tango(only_first, only_second, n)
    return Paired("accuracy", (only_first - only_second) / n, low, high, p, n, "mcnemar exact; tango95")


def tango(only_first: int, only_second: int, n: int) -> tuple[float, float]:
    """Bounds of (only_first - only_second) / n: where the score test of the paired difference has |z| = 1.96."""
    from scipy.optimize import brentq

    b, c = only_first, only_second

    def z(delta: float) -> float:
        if abs(delta) >= 1:
            return -math.copysign(math.inf, delta)
        # The most likely share of "only second" rows when the difference is delta: the positive root of Tango's (7).
        lin = -b - c + (2 * n - b + c) * delta
        q = (math.sqrt(max(lin * lin + 8 * n * c * delta * (1 - delta), 0.0)) - lin) / (4 * n)
        spread = n * (2 * q + delta * (1 - delta))
        gap = b - c - n * delta
        return gap / math.sqrt(spread) if spread > 1e-12 else math.copysign(math.inf, gap) if gap else 0.0

    def bound(target: float, start: float, end: float) -> float:
        return float(brentq(lambda d: max(min(z(d), 99.0), -99.0) - target, start, end, xtol=1e-9))

    middle = (b - c) / n
    return (-1.0 if middle == -1 else bound(Z95, -1.0, middle), 1.0 if middle == 1 else bound(-Z95, middle, 1.0))


def micro_f1(truth: Labels, first: Labels, second: Labels, *, resamples: int, seed: int) -> Paired:
    """Of true and given labels, each (n, labels) of 0 and 1."""
    counts = [np.column_stack([truth.sum(1), given.sum(1), (truth & given).sum(1)]) for given in (first, second)]
    return counted_f1("f1_micro", *counts, resamples=resamples, seed=seed)


def counted_f1(metric: str, first: Labels, second: Labels, *, resamples: int, seed: int) -> Paired:
    """Micro-averaged F1 of both systems' (n, 3) counts a row: true, given, both."""
    rows, cells = np.unique(np.concatenate([first, second], axis=1), axis=0, return_counts=True)

    def statistic(counts: Array) -> Array:
        sums = counts @ rows
        return f1(*sums[:, :3].T) - f1(*sums[:, 3:].T)

    return _bootstrap(metric, statistic, cells, resamples, seed)


def mean(metric: str, first: Array, second: Array, *, resamples: int, seed: int) -> Paired:
    """Of a number that every row has under either system, such as its F1, (n,) each."""
    values, cells = np.unique(first - second, return_counts=True)
    return _bootstrap(metric, lambda counts: counts @ values / counts.sum(1), cells, resamples, seed)


def spearman(truth: Array, first: Array, second: Array, *, resamples: int, seed: int) -> Paired:
    """Of predicted numbers, (n,) each."""
    a, b = Regression(first, truth), Regression(second, truth)
    return _bootstrap("spearman", lambda counts: a.spearman(counts) - b.spearman(counts),
                      np.ones(len(truth), np.int64), resamples, seed)


def of_sums(metric: str, formula: Callable[[Array], Array], first: Array, second: Array, *, resamples: int,
            seed: int) -> Paired:
    """Of a metric that is a formula of sums over rows.

    Args:
        metric: its name.
        formula: sums (b, m) to values (b,).
        first, second: (n, m) numbers of each row that add up.
    """
    return _bootstrap(metric, lambda counts: formula(counts @ first) - formula(counts @ second),
                      np.ones(len(first), np.int64), resamples, seed)


def _bootstrap(metric: str, difference: Callable[[Array], Array], cells: Labels, resamples: int, seed: int) -> Paired:
    column: Statistic = lambda counts: difference(counts)[:, None]  # noqa: E731
    got = resample(column, cells, resamples=resamples, seed=seed)
    interval, draws = bca(got)[0], got.draws[:, 0]
    far = min((draws <= 0).sum(), (draws >= 0).sum())
    p = min(1.0, 2 * (int(far) + 1) / (len(draws) + 1))
    p = max(p, 2.0 ** (1 - got.rows))  # resampling one row gives that row for ever; no test of signs can say more
    return Paired(metric, float(got.value[0]), interval.low, interval.high, p, got.rows, f"paired {interval.how}")
