"""The likeliest legal sequence of BIO tags, and how likely each of its entities is: exact, by dynamic programming.

>>> path = best(np.log([[[0.5, 0.1, 0.4]]]))       # O, B-X, I-X: I-X may not begin
>>> path
array([[0]])

Tags are numbered O = 0, B-k = 1 + 2k, I-k = 2 + 2k. All sequences in which I-k follows B-k or I-k only are legal; each
weighs as the product of its words' probabilities (a linear-chain model whose only transition weights are 0 and 1).
The path is Viterbi's (1967); the probability of an entity is the weight of all legal sequences that have just this
span with this label over that of all legal sequences (forward-backward, Rabiner 1989, section III).

Shapes: (rows, words, tags) throughout. Rows are padded at the end with words that can only be O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NEVER = -1e30


def padded(rows: Sequence[Array], tags: int) -> Array:
    """Rows (n, tags) of different lengths as one array."""
    out = np.full((len(rows), max([1, *map(len, rows)]), tags), NEVER)
    out[:, :, 0] = 0.0
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def best(logs: Array) -> NDArray[np.int64]:
    """The likeliest legal path, (rows, words), from log-probabilities; of equal ones the first by tag number."""
    rows, words, tags = logs.shape
    back = np.zeros((rows, words, tags), np.int64)
    now = logs[:, 0].copy()
    now[:, 2::2] += NEVER
    each = np.arange(rows)
    labels = np.arange(1, tags, 2)
    for i in range(1, words):
        top = now.argmax(1)
        inside = np.where(now[:, 1::2] >= now[:, 2::2], labels, labels + 1)
        back[:, i, 0] = top
        back[:, i, 1::2] = top[:, None]
        back[:, i, 2::2] = inside
        now = np.take_along_axis(now, back[:, i], 1) + logs[:, i]
    path = np.zeros((rows, words), np.int64)
    path[:, -1] = now.argmax(1)
    for i in range(words - 1, 0, -1):
        path[:, i - 1] = back[each, i, path[:, i]]
    return path


class Chances:
    """Probabilities of entities. `of(row, begin, end, k)`: that words begin to end (exclusive) are one entity k."""

    def __init__(self, logs: Array) -> None:
        self.logs = logs
        rows, words, _ = logs.shape
        self._before = np.zeros((rows, words + 1))  # weight of all legal beginnings of so many words
        self._after = np.zeros((rows, words + 1, logs.shape[2]))  # of all legal ends behind that word with that tag
        forward = logs[:, 0].copy()
        forward[:, 2::2] += NEVER
        self._before[:, 1] = _sum(forward)
        for i in range(1, words):
            inside = np.logaddexp(forward[:, 1::2], forward[:, 2::2])
            forward = logs[:, i] + self._before[:, i, None]
            forward[:, 2::2] = logs[:, i, 2::2] + inside
            self._before[:, i + 1] = _sum(forward)
        for i in range(words - 1, 0, -1):
            weight = logs[:, i] + self._after[:, i + 1]
            fresh = _sum(weight[:, [0, *range(1, weight.shape[1], 2)]])[:, None]
            self._after[:, i, 0] = fresh[:, 0]
            going = np.logaddexp(fresh, weight[:, 2::2])
            self._after[:, i, 1::2], self._after[:, i, 2::2] = going, going

    def of(self, row: int, begin: int, end: int, k: int) -> float:
        """See the class."""
        logs = self.logs[row]
        total = self._before[row, begin] + logs[begin, 1 + 2 * k] + logs[begin + 1 : end, 2 + 2 * k].sum()
        if end < len(logs):  # the next word is no I-k: what may follow O may follow the entity's end
            total += self._after[row, end, 0]
        return float(np.exp(min(0.0, total - self._before[row, -1])))


def _sum(weights: Array) -> Array:
    """log Σ exp over the last axis."""
    top = weights.max(-1)
    out: Array = top + np.log(np.exp(weights - top[..., None]).sum(-1))
    return out
