"""Linear models that tag words from given features, decoded as the tuned model is.

>>> model, strength = fit(rows, task, _linear.sparse, _linear.SPARSE_GRID, seed=1)
>>> answers(model, rows, task)          # `Tagged`, one a row
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core import seeds
from weitiao.evaluate.baselines._linear import Fitter, Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST = 20  # rows below which nothing is chosen
_JOIN = 4096  # words whose logits are computed at a time


@dataclass(frozen=True, slots=True)
class Row:
    """A text's words as features.

    Args:
        notes: as the task's `answers` wants them: text, words, and (word, …) of each that has features.
        features: (n, d) of these, sparse or dense.
        tags: (n,) their numbers, -1 where it is not known; empty for rows to be answered.
        target: the row's own.
    """

    notes: Any
    features: Any
    tags: NDArray[np.int64]
    target: Any = None


def fit(rows: Sequence[Row], task: Any, fitter: Fitter, grid: tuple[float, ...], seed: int) -> tuple[Model, float]:
    """The model of all rows, with the strength that finds spans best in a quarter of them."""
    strength = grid[len(grid) // 2]
    if len(rows) >= _LEAST:
        order = seeds.rng(seed, "baseline").permutation(len(rows))
        held, rest = ([rows[i] for i in part] for part in np.split(order, [len(order) // 4]))

        def judge(value: float) -> float:
            given = answers(_fitted(rest, task, fitter, value), held, task)
            return float(task.quick(given, [r.target for r in held])["span_f1"])

        strength = max(grid, key=judge)
    return _fitted(rows, task, fitter, strength), strength


def _fitted(rows: Sequence[Row], task: Any, fitter: Fitter, strength: float) -> Model:
    y = np.concatenate([r.tags for r in rows])
    x = stacked([r.features for r in rows])
    known = y >= 0
    return fitter(x[known], y[known], len(task.tags), "single_label_classification", strength)


def answers(model: Model, rows: Sequence[Row], task: Any) -> Any:
    """The likeliest legal tags by the model's logits."""
    from scipy.special import log_softmax

    logits = np.concatenate([model(stacked(part)) for part in _parts([r.features for r in rows])])
    ends = np.cumsum([r.features.shape[0] for r in rows])
    return task.answers(np.split(log_softmax(logits, axis=1), ends[:-1]), [r.notes for r in rows])


def stacked(parts: Sequence[Any]) -> Any:
    """Sparse or dense rows, one below the other."""
    from scipy import sparse

    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else sparse.vstack(parts, format="csr")


def _parts(features: Sequence[Any]) -> list[list[Any]]:
    out: list[list[Any]] = [[]]
    size = 0
    for one in features:
        if size > _JOIN:
            out.append([])
            size = 0
        out[-1].append(one)
        size += one.shape[0]
    return out
