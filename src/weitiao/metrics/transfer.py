"""How well a model's frozen features suit labels, judged without tuning: LogME.

>>> logme(features, labels)      # (n, d) and (n,): larger is better
0.31

It takes seconds where tuning takes minutes. Its unit means nothing by itself: it compares models on the same rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_ROUNDS = 100
_ENOUGH = 1e-6  # of the ratio of the two precisions, relative: then the evidence moves no more
_LEAST = 1e-12


def columns(targets: NDArray[Any]) -> Array:
    """Targets as real columns (n, k): label numbers (integers, (n,)) one column a label that occurs, others as they
    are."""
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        found = np.unique(targets)
        return np.asarray(targets[:, None] == found, np.float64)
    return np.asarray(targets, np.float64).reshape(len(targets), -1)


def logme(features: Array, targets: NDArray[Any]) -> float:
    """The largest log evidence of a Bayesian linear model, per row, the mean over target columns (You et al. 2021,
    "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", arXiv:2102.11005).

        y ~ N(F w, 1/β),  w ~ N(0, 1/α):   max over α, β of  log p(y | F) / n

    by the fixed point α ← γ / m'm, β ← (n − γ) / ‖y − F m‖², m the posterior mean, γ = Σ σ² / (α/β + σ²) over the
    singular values σ of F.

    Args:
        features: (n, d).
        targets: label numbers (n,) as integers, or numbers (n,) or (n, k).
    """
    left, sizes, _ = np.linalg.svd(features, full_matrices=False)
    return float(np.mean([_evidence(left.T @ y, sizes**2, y, features.shape[1]) for y in columns(targets).T]))


def _evidence(z: Array, squares: Array, y: Array, width: int) -> float:
    """Of one column: `z` (k,) is y in the left singular vectors, `squares` the squared singular values."""
    n, total, ratio = len(y), float(y @ y), 1.0
    outside = max(total - float(z @ z), 0.0)  # of y², what no feature reaches
    for _ in range(_ROUNDS):
        gamma = float((squares / (ratio + squares)).sum())
        mean2 = max(float((squares * (z / (ratio + squares)) ** 2).sum()), _LEAST)
        rest2 = max(float(((ratio * z / (ratio + squares)) ** 2).sum()) + outside, _LEAST * max(total, 1.0))
        alpha, beta = gamma / mean2, (n - gamma) / rest2
        before, ratio = ratio, min(max(alpha / max(beta, _LEAST), _LEAST), 1 / _LEAST)
        if abs(ratio - before) <= _ENOUGH * before:
            break
    alpha, beta = max(alpha, _LEAST), max(beta, _LEAST)
    logdet = float(np.log(alpha + beta * squares).sum()) + (width - len(squares)) * math.log(alpha)
    return (width * math.log(alpha) + n * math.log(beta / (2 * math.pi)) - logdet - beta * rest2 - alpha * mean2
            ) / (2 * n)
