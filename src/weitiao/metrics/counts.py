"""Precision, recall and F1 from how often each label is true, given and both; for many resamples at once.

>>> averages(true=[[3.0, 2.0]], given=[[2.0, 3.0]], both=[[2.0, 2.0]])["f1_macro"]
array([0.8])

A share with nothing to divide by is 0 (a label that is never given has precision 0). Macro averages run over the labels
that are true or given at least once, as scikit-learn's do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score
from weitiao.metrics.intervals import share_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

AVERAGES = tuple(f"{m}_{a}" for m in ("f1", "precision", "recall") for a in ("macro", "micro", "weighted"))


def ratio(top: Array, bottom: Array) -> Array:
    """top / bottom, and 0 where bottom is 0."""
    return np.divide(top, bottom, out=np.zeros(np.broadcast_shapes(np.shape(top), np.shape(bottom))),
                     where=np.asarray(bottom) != 0)


def f1(true: Array, given: Array, both: Array) -> Array:
    """2·both / (true + given), elementwise."""
    return ratio(2 * both, true + given)


def averages(true: Array, given: Array, both: Array) -> dict[str, Array]:
    """The nine averages of AVERAGES, each (b,), from counts (b, labels)."""
    true, given, both = np.asarray(true), np.asarray(given), np.asarray(both)
    occurs = (true + given) > 0
    out = {}
    for name, top, bottom in (("f1", 2 * both, true + given), ("precision", both, given), ("recall", both, true)):
        each = ratio(top, bottom)
        out[f"{name}_macro"] = ratio((each * occurs).sum(-1), occurs.sum(-1))
        out[f"{name}_micro"] = ratio(top.sum(-1), bottom.sum(-1))
        out[f"{name}_weighted"] = ratio((each * true).sum(-1), true.sum(-1))
    return out


def per_label(labels: tuple[str, ...], true: NDArray[np.int64], given: NDArray[np.int64],
              both: NDArray[np.int64]) -> list[Score]:
    """Precision and recall of each label with Wilson's interval over the rows that they divide by."""
    out = []
    for name, t, g, b in zip(labels, true.tolist(), given.tolist(), both.tolist(), strict=True):
        out.append(share_score(f"precision[{name}]", b, g, "" if g else "0 by convention: never given"))
        out.append(share_score(f"recall[{name}]", b, t, "" if t else "0 by convention: never true here"))
    return out
