"""Which labels a model that never saw a row would not give it: confident learning (Northcutt, Jiang and Chuang 2021,
"Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70), as cleanlab computes it.

>>> p = out_of_fold(x, y, units, outputs=3, kind="single_label_classification", seed=1)
>>> [(d.row, d.suggested, round(d.probability, 2)) for d in single(y, p)]
[(17, (2,), 0.97), (4, (0,), 0.61)]

Everything here is arrays; texts and names are the section's (noise.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from weitiao.evaluate.baselines import _linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
"""Each row is judged by a model of the other folds; a label is judged that has a row in each."""
_STRENGTH = 0.3  # weight of half the squared coefficients beside the mean loss (docs/log.md)
_OUTLIER = 3.0  # residuals that are so many times their usual size, as 1.4826 x their median size says


Fit = Callable[[Any, Any, int, _linear.Kind], _linear.Model]  # features, numbers, outputs, kind


class Doubt(NamedTuple):
    """One row with a doubtful label.

    Args:
        row: its number.
        suggested: numbers of the labels that the model would give; () for a number.
        probability: of what is suggested, by the model (where several labels are given: of the change it is surest of).
    """

    row: int
    suggested: tuple[int, ...]
    probability: float


def dense(x: NDArray[np.float64], y: NDArray[Any], outputs: int, kind: _linear.Kind) -> _linear.Model:
    """The linear model that labels are judged by, on features of size 1 on average."""
    return _linear.plain(x, y, outputs, kind, _STRENGTH)


def out_of_fold(x: Any, y: NDArray[Any], units: NDArray[np.int64], outputs: int, kind: _linear.Kind, seed: int,
                fit: Fit = dense) -> NDArray[np.float64]:
    """Per row what a linear model of the other folds says: probabilities (n, outputs), or (n, 1) standardised numbers.

    Args:
        x: (n, d) features, as `fit` takes them.
        y: label numbers (n,), 0/1 (n, outputs), or floats (n,).
        units: (n,) rows of one number stay in one fold, else a row's copy would confirm it.
        fit: makes the model of each fold.
    """
    from scipy.special import expit, softmax

    logits = np.zeros((x.shape[0], outputs))
    for learnt, held in _folds(y, units, kind, seed):
        logits[held] = fit(x[learnt], y[learnt], outputs, kind)(x[held])
    if kind == "regression":
        return logits
    p: NDArray[np.float64] = softmax(logits, axis=1) if kind == "single_label_classification" else expit(logits)
    return p


def _folds(y: NDArray[Any], units: NDArray[np.int64], kind: _linear.Kind, seed: int) -> Any:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    if kind == "single_label_classification":
        return StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(y, y, units)
    return GroupKFold(FOLDS, shuffle=True, random_state=seed).split(y, y, units)


def single(y: NDArray[np.int64], p: NDArray[np.float64]) -> list[Doubt]:
    """Rows whose one label is doubtful, the least probable label first: those that two ways of counting name, pruning
    by noise rate and by class. Every number below p's width must occur in y."""
    from cleanlab.filter import find_label_issues

    order = find_label_issues(y, p, return_indices_ranked_by="self_confidence", filter_by="both", n_jobs=1)
    return [Doubt(int(i), (int(p[i].argmax()),), float(p[i].max())) for i in order if p[i].argmax() != y[i]]


def several(y: NDArray[np.float64], p: NDArray[np.float64]) -> list[Doubt]:
    """Rows of which some label is missing or too many, by each label on its own; suggested is the row's set with the
    doubtful ones changed."""
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class

    names = [np.flatnonzero(row).tolist() for row in y]
    doubtful = np.array(find_multilabel_issues_per_class(names, p, n_jobs=1), np.bool_)  # (n, outputs)
    other = np.where(y > 0, 1 - p, p)  # how likely the opposite is
    doubtful &= other > 0.5
    sure = np.where(doubtful, other, 0.0).max(axis=1)
    changed = np.where(doubtful, 1 - y, y)
    rows = np.flatnonzero(doubtful.any(axis=1))
    return [Doubt(int(i), tuple(np.flatnonzero(changed[i]).tolist()), float(sure[i]))
            for i in rows[np.argsort(-sure[rows], kind="stable")]]


def number(y: NDArray[np.float64], said: NDArray[np.float64]) -> list[int]:
    """Rows whose number is far from what the model says, the farthest first: residuals of more than three times their
    usual size (1.4826 times the median of their sizes is a standard deviation where they are normal)."""
    size = np.abs(y - said)
    usual = 1.4826 * float(np.median(size))
    rows = np.flatnonzero(size > _OUTLIER * usual)
    return [int(i) for i in rows[np.argsort(-size[rows], kind="stable")]]
