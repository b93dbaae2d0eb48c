"""ROC-AUC and PR-AUC (average precision), averaged over labels, with intervals that need no resampling.

>>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))[0]
0.75

The interval is the infinitesimal jackknife's: each row's influence is the derivative of the metric by that row's
weight, the variance is the sum of the squared influences, and the bounds are taken on the logit so that they stay
within 0 and 1. For ROC-AUC these are DeLong's (1988) variances. Source: Efron 1982, "The Jackknife, the Bootstrap
and Other Resampling Plans", ch. 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score
from weitiao.metrics.intervals import FEWEST, Z95, Interval, scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Truth = NDArray[np.bool_]


def roc_auc(score: Array, truth: Truth) -> tuple[float, Array]:
    """Area under the ROC curve (ties count half) and each row's influence. `truth` holds both values."""
    group, positives, negatives = _grouped(score, truth)
    p, n = positives.sum(), negatives.sum()
    below_n = np.cumsum(negatives) - negatives / 2  # negatives under a score, ties half
    above_p = p - np.cumsum(positives) + positives / 2
    area = float((positives * below_n).sum() / (p * n))
    return area, np.where(truth, (below_n[group] / n - area) / p, (above_p[group] / p - area) / n)


def average_precision(score: Array, truth: Truth) -> tuple[float, Array]:
    """Σ (recall step) x precision from the highest score down, as scikit-learn, and each row's influence."""
    group, positives, negatives = _grouped(score, truth)
    hits = np.cumsum(positives[::-1])[::-1]  # at this score or above
    misses = np.cumsum(negatives[::-1])[::-1]
    given, p = hits + misses, positives.sum()
    area = float((positives * hits / given).sum() / p)
    # d/dw of Σ pos·hits/given: a row changes hits (or only given) at its own score and at all lower ones.
    gain = np.cumsum(positives * misses / given**2)
    loss = np.cumsum(positives * hits / given**2)
    influence = np.where(truth, (hits / given + gain)[group] - area, -loss[group]) / p
    return area, influence


def _grouped(score: Array, truth: Truth) -> tuple[NDArray[np.int64], Array, Array]:
    """Rows grouped by equal score, rising: each row's group, positives and negatives of each group."""
    values, inverse = np.unique(score, return_inverse=True)
    group = inverse.astype(np.int64)
    positives = np.bincount(group, weights=truth, minlength=len(values)).astype(np.float64)
    return group, positives, np.bincount(group, minlength=len(values)) - positives


def scores(score: Array, truth: Truth) -> list[Score]:
    """`roc_auc` and `pr_auc`: means over the labels that hold both values; score and truth are (n, labels).

    Where no label does, the value is 0.5 and 0, and the signature says that it is not defined.
    """
    usable = np.flatnonzero(truth.any(0) & ~truth.all(0))
    return [_macro("roc_auc", roc_auc, score, truth, usable, 0.5),
            _macro("pr_auc", average_precision, score, truth, usable, 0.0)]


def _macro(name: str, metric: Callable[[Array, Truth], tuple[float, Array]], score: Array, truth: Truth,
           usable: NDArray[np.int64], undefined: float) -> Score:
    n = len(truth)
    if not len(usable):
        return scored(name, undefined, Interval(None, None, "no interval"), n, "not defined: one class only here")
    total, influence = 0.0, np.zeros(n)
    for k in usable:
        area, part = metric(score[:, k], truth[:, k])
        total, influence = total + area, influence + part
    value = total / len(usable)
    note = "" if truth.shape[1] == 1 else f"macro over {len(usable)} labels"
    return scored(name, value, logit_interval(value, influence / len(usable)), n, note)


def logit_interval(value: float, influence: Array) -> Interval:
    """A 95 % interval from influences, symmetric on the logit."""
    if len(influence) < FEWEST:
        return Interval(None, None, f"no interval: fewer than {FEWEST} rows")
    if not 0 < value < 1:
        return Interval(None, None, "no interval: the ranking is perfect")
    half = Z95 * math.sqrt(float((influence**2).sum())) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-x)) for x in (centre - half, centre + half))
    return Interval(low, high, "jackknife95(logit)")
