"""How good are answers of one label a row: accuracy, precision, recall, F1, MCC, top-k, ROC-AUC, PR-AUC, log loss, ECE.

>>> quick(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]))["accuracy"]
0.5

Everywhere `p` is (n, labels) with rows that sum to 1, `y` (n,) the numbers of the true labels. The given label is the
likeliest, the first of equals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score, ranking
from weitiao.metrics.counts import AVERAGES, averages, f1, per_label, ratio
from weitiao.metrics.intervals import Interval, bootstrap, mean_score, scored, share_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.int64]

_BINS = 15


def confusion(y: Labels, given: Labels, labels: int) -> Labels:
    """(labels, labels): rows by true label, columns by given label."""
    return np.bincount(y * labels + given, minlength=labels * labels).reshape(labels, labels)


def mcc(true: Array, given: Array, both: Array) -> Array:
    """Matthews' correlation for any number of labels (Gorodkin 2004), (b,); 0 where all are true or given alike."""
    n = true.sum(-1)
    top = both.sum(-1) * n - (true * given).sum(-1)
    return ratio(top, np.sqrt(np.maximum((n**2 - (true**2).sum(-1)) * (n**2 - (given**2).sum(-1)), 0)))


def log_losses(p: Array, y: Labels) -> Array:
    """-ln p of the truth for each row; p is kept off 0 by the machine's epsilon, as scikit-learn does."""
    return -np.log(np.maximum(p[np.arange(len(y)), y], np.finfo(np.float64).eps))


def ece(p: Array, y: Labels) -> float:
    """Expected calibration error: |confidence - accuracy| over 15 equal bins of the likeliest label's probability,
    weighted by rows (Guo et al. 2017)."""
    sure, right = p.max(1), p.argmax(1) == y
    place = np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(place, weights=sure - right, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(y))


def in_top(p: Array, y: Labels, k: int) -> NDArray[np.bool_]:
    """Is the truth among the k likeliest? Of equal probabilities the first labels count, as in the given label."""
    mine = p[np.arange(len(y)), y][:, None]
    before = np.arange(p.shape[1])[None, :] < y[:, None]
    ahead: Labels = (p > mine).sum(1) + ((p == mine) & before).sum(1)
    return ahead < k


def quick(p: Array, y: Labels) -> dict[str, float]:
    """Accuracy and macro-F1 without intervals."""
    true, given, both = _margins(confusion(y, p.argmax(1), p.shape[1]).astype(np.float64))
    return {"accuracy": float(both.sum() / max(len(y), 1)), "f1_macro": float(averages(true, given, both)["f1_macro"])}


def scores(p: Array, y: Labels, labels: tuple[str, ...], *, top_k: int, seed: int, resamples: int) -> list[Score]:
    """All metrics, accuracy first."""
    given, n = p.argmax(1), len(y)
    counted = _counted(y, given, labels, seed=seed, resamples=resamples)
    right = int((given == y).sum())
    for name in ("f1_micro", "precision_micro", "recall_micro", "recall_weighted"):
        counted[name] = share_score(name, right, n, "equals accuracy")
    out = [share_score("accuracy", right, n), *(counted.pop(k) for k in AVERAGES), counted.pop("mcc")]
    if len(labels) > top_k:
        out.append(share_score(f"top{top_k}_accuracy", int(in_top(p, y, top_k).sum()), n))
    out += ranking.scores(*_one_against_rest(p, y))
    out.append(mean_score("log_loss", log_losses(p, y), resamples=resamples, seed=seed))
    out.append(scored("ece", ece(p, y), Interval(None, None, "no interval: biased upwards on few rows"), n,
                      f"{_BINS} equal bins"))
    table = confusion(y, given, len(labels))
    return out + per_label(labels, table.sum(1), table.sum(0), np.diagonal(table)) + list(counted.values())


def _margins(table: Array) -> tuple[Array, Array, Array]:
    return table.sum(1), table.sum(0), np.diagonal(table)


def _counted(y: Labels, given: Labels, labels: tuple[str, ...], *, seed: int, resamples: int) -> dict[str, Score]:
    """What follows from the confusion matrix: its filled cells are what is resampled."""
    k = len(labels)
    codes, cells = np.unique(y * k + given, return_counts=True)
    row, column = np.eye(k)[codes // k], np.eye(k)[codes % k]

    def statistic(counts: Array) -> Array:
        true, said, both = counts @ row, counts @ column, counts @ (row * column)
        mean = averages(true, said, both)
        return np.column_stack([*(mean[a] for a in AVERAGES), mcc(true, said, both), f1(true, said, both)])

    names = [*AVERAGES, "mcc", *(f"f1[{name}]" for name in labels)]
    return bootstrap(names, statistic, cells, resamples=resamples, seed=seed)


def _one_against_rest(p: Array, y: Labels) -> tuple[Array, NDArray[np.bool_]]:
    """Scores and truths (n, k) for ranking metrics: of two labels the second one, else each against the rest."""
    truth = y[:, None] == np.arange(p.shape[1])[None, :]
    return (p[:, 1:], truth[:, 1:]) if p.shape[1] == 2 else (p, truth)
