"""Candidate pairs are checked, cheapest test first, and what is near becomes one cluster.

>>> verifier = Verifier(texts, rows, written, sketches, 0.1)
>>> verifier.add(np.array([0]), np.array([1]))
>>> verifier.finish()
>>> verifier.roots().tolist()
[0, 0, 2]
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from weitiao.duplicates._sketch import I64, Sketches
from weitiao.duplicates._texts import Texts, is_copy

_AT_ONCE = 50_000  # pairs whose texts are compared at once
_LONG = 150  # characters from which MinHash values tell more than 256 bits of bigrams do
_SHARED = 11  # of 64 values (low bytes) that near copies share at least: 22 ± 4 are expected at a tenth of edits


class Verifier:
    """Takes candidate pairs of texts and joins those that are near copies.

    Args:
        texts, rows: text number i is row `rows[i]`.
        written: (n,) characters as written of each text.
        sketches: lengths, bits and MinHash values of each text.
        edits: allowed per written character.
    """

    def __init__(self, texts: Texts, rows: I64, written: I64, sketches: Sketches, edits: float) -> None:
        self._texts, self._rows, self._sketches, self._edits = texts, rows, sketches, edits
        self._written = written
        self._allowed = (edits * written + 1e-9).astype(np.int32)
        self._parent = np.arange(len(rows), dtype=np.int32)
        self._waiting: list[NDArray[np.int64]] = []
        self._count = 0

    def add(self, a: I64, b: I64) -> None:
        """Pairs of text numbers; what cannot be near goes at once, the rest when there is enough of it."""
        a, b = np.minimum(a, b), np.maximum(a, b)
        lengths = self._sketches.length
        allowed = np.maximum(self._allowed[a], self._allowed[b])
        kept = np.flatnonzero((a != b) & (np.abs(lengths[a] - lengths[b]) <= allowed))
        a, b, allowed = a[kept], b[kept], allowed[kept]
        kept = np.flatnonzero(self._bits_apart(a, b) <= 4 * allowed)
        a, b = a[kept], b[kept]
        kept = np.flatnonzero(self._root(a) != self._root(b))
        a, b = a[kept], b[kept]
        kept = np.flatnonzero(self._alike(a, b))
        self._waiting.append(np.stack([a[kept], b[kept]], axis=1))
        self._count += len(kept)
        if self._count >= _AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Compare what waits."""
        pairs = np.unique(np.concatenate([np.empty((0, 2), np.int64), *self._waiting]), axis=0)
        self._waiting, self._count = [], 0
        for start in range(0, len(pairs), _AT_ONCE):
            self._compare(pairs[start : start + _AT_ONCE])

    def roots(self) -> I64:
        """(n,) the number that all texts of a cluster share: their smallest."""
        return self._root(np.arange(len(self._parent))).astype(np.int64)

    # -- cheap tests -----------------------------------------------------------------------------------------------

    def _bits_apart(self, a: I64, b: I64) -> NDArray[np.int64]:
        bits = self._sketches.bits
        apart = np.zeros(len(a), np.int64)
        for word in range(bits.shape[1]):
            apart += np.bitwise_count(bits[a, word] ^ bits[b, word])
        return apart

    def _alike(self, a: I64, b: I64) -> NDArray[np.bool_]:
        """Do long texts share enough MinHash values? Shorter ones pass."""
        lengths = self._sketches.length
        out = np.ones(len(a), np.bool_)
        long = np.flatnonzero((lengths[a] >= _LONG) & (lengths[b] >= _LONG))
        same = self._sketches.low[a[long]] == self._sketches.low[b[long]]
        out[long] = same.sum(axis=1) >= _SHARED
        return out

    # -- comparing -------------------------------------------------------------------------------------------------

    def _compare(self, pairs: I64) -> None:
        pairs = pairs[self._root(pairs[:, 0]) != self._root(pairs[:, 1])]
        if not len(pairs):
            return
        allowed = np.maximum(self._allowed[pairs[:, 0]], self._allowed[pairs[:, 1]])
        order = np.argsort(allowed, kind="stable")
        pairs, allowed = pairs[order], allowed[order]
        numbers, places = np.unique(pairs, return_inverse=True)
        texts = self._texts.strings(self._rows[numbers])
        places = places.reshape(-1, 2)
        apart = _distances([texts[i] for i in places[:, 0]], [texts[i] for i in places[:, 1]], allowed)
        for i in np.flatnonzero(apart <= allowed).tolist():
            a, b = pairs[i].tolist()
            written = int(max(self._written[a], self._written[b]))
            if is_copy(texts[places[i, 0]], texts[places[i, 1]], written, self._edits):
                self._join(a, b)

    # -- clusters --------------------------------------------------------------------------------------------------

    def _root(self, numbers: I64) -> NDArray[np.int32]:
        roots = self._parent[numbers]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                return roots
            roots = above

    def _join(self, a: int, b: int) -> None:
        """The smaller root becomes the larger one's parent; paths are halved on the way."""
        parent = self._parent
        ends = []
        for x in (a, b):
            while (above := int(parent[x])) != x:
                parent[x] = parent[above]
                x = above
            ends.append(x)
        parent[max(ends)] = min(ends)


def _distances(a: list[str], b: list[str], allowed: NDArray[np.int32]) -> NDArray[np.int32]:
    """Levenshtein's distance of each pair, or something above what is allowed; `allowed` is sorted."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    out = np.empty(len(a), np.int32)
    borders = np.flatnonzero(np.concatenate([[True], allowed[1:] != allowed[:-1], [True]]))
    for start, end in pairwise(borders):
        out[start:end] = cpdist(a[start:end], b[start:end], scorer=Levenshtein.distance,
                                score_cutoff=int(allowed[start]), dtype=np.int32)
    return out
