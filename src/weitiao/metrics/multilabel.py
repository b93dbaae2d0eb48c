"""How good are answers of any number of labels a row: F1, subset accuracy, Hamming loss, LRAP, ROC-AUC, PR-AUC.

>>> quick(np.array([[0.9, 0.2], [0.6, 0.7]]), np.array([[1, 0], [0, 1]]), 0.5)["f1_micro"]
0.8

Everywhere `p` is (n, labels) with each label's own probability, `y` (n, labels) holds 0 and 1; a label is given from
the probability `threshold` on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score, ranking
from weitiao.metrics.counts import AVERAGES, averages, f1, per_label
from weitiao.metrics.intervals import bootstrap, mean_score, share_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Labels = NDArray[np.int64]


def best_threshold(p: Array, y: Labels) -> float:
    """The one threshold for all labels with the highest micro-F1, halfway to the next probability, within
    0.05 and 0.95; 0.5 where nothing is true."""
    order = np.argsort(-p, axis=None, kind="stable")
    chance, truth = p.ravel()[order], y.ravel()[order]
    if not truth.any():
        return 0.5
    scores = 2 * np.cumsum(truth) / (np.arange(1, len(truth) + 1) + truth.sum())
    after = np.append(chance[1:], 0.0)
    scores[chance == after] = -1  # equal probabilities cannot be told apart by a threshold
    best = int(scores.argmax())
    return float(np.clip((chance[best] + after[best]) / 2, 0.05, 0.95))


def lraps(p: Array, y: Labels) -> Array:
    """Label ranking average precision of each row: how many of the labels ranked at least as high as a true one are
    true, averaged over the true ones; 1 where none or all are true (as scikit-learn)."""
    from scipy.stats import rankdata

    among_all = rankdata(-p, method="max", axis=1)
    among_true = rankdata(np.where(y == 1, -p, np.inf), method="max", axis=1)
    true = y.sum(1)
    each = (among_true / among_all * y).sum(1) / np.maximum(true, 1)
    return np.where((true == 0) | (true == y.shape[1]), 1.0, each)


def log_losses(p: Array, y: Labels) -> Array:
    """Binary cross-entropy of each row, averaged over labels."""
    safe = np.clip(p, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    return np.asarray(-(y * np.log(safe) + (1 - y) * np.log1p(-safe)).mean(1), np.float64)


def quick(p: Array, y: Labels, threshold: float) -> dict[str, float]:
    """Micro-F1, macro-F1 and LRAP without intervals."""
    given = (p >= threshold).astype(np.int64)
    mean = averages(y.sum(0), given.sum(0), (y & given).sum(0))
    return {"f1_micro": float(mean["f1_micro"]), "f1_macro": float(mean["f1_macro"]),
            "lrap": float(lraps(p, y).mean()) if len(p) else 0.0}


def scores(p: Array, y: Labels, labels: tuple[str, ...], *, threshold: float, seed: int, resamples: int) -> list[Score]:
    """All metrics, micro-F1 first."""
    given = (p >= threshold).astype(np.int64)
    counted = _counted(y, given, labels, seed=seed, resamples=resamples)
    out = [counted.pop(k) for k in ("f1_micro", *(a for a in AVERAGES if a != "f1_micro"))]
    out.append(share_score("subset_accuracy", int((y == given).all(1).sum()), len(y)))
    out.append(counted.pop("hamming_loss"))
    out.append(mean_score("lrap", lraps(p, y), resamples=resamples, seed=seed))
    out += ranking.scores(p, y == 1)
    out.append(mean_score("log_loss", log_losses(p, y), resamples=resamples, seed=seed))
    return out + per_label(labels, y.sum(0), given.sum(0), (y & given).sum(0)) + list(counted.values())


def _counted(y: Labels, given: Labels, labels: tuple[str, ...], *, seed: int, resamples: int) -> dict[str, Score]:
    """What follows from given and true labels: rows with the same of both are one cell."""
    patterns, cells = np.unique(np.concatenate([y, given], axis=1), axis=0, return_counts=True)
    true_of, given_of = np.hsplit(patterns.astype(np.float64), 2)

    def statistic(counts: Array) -> Array:
        true, said, both = counts @ true_of, counts @ given_of, counts @ (true_of * given_of)
        mean = averages(true, said, both)
        wrong = (true + said - 2 * both).sum(-1) / (counts.sum(-1) * len(labels))
        return np.column_stack([*(mean[a] for a in AVERAGES), wrong, f1(true, said, both)])

    names = [*AVERAGES, "hamming_loss", *(f"f1[{name}]" for name in labels)]
    return bootstrap(names, statistic, cells, resamples=resamples, seed=seed)
