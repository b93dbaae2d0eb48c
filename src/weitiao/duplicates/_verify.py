"""Candidate pairs are checked, cheapest test first, and what is near becomes one cluster.

>>> verifier = Verifier(texts, rows, written, sketches, 0.1)
>>> verifier.among(np.array([0, 1]))(np.array([0]), np.array([1]))
>>> verifier.finish()
>>> verifier.roots().tolist()
[0, 0, 2]
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from weitiao.duplicates._sketch import I32, I64, Sketches
from weitiao.duplicates._texts import Texts, is_copy

_AT_ONCE = 200_000  # pairs whose texts are compared at once
_WAITING = 1_000_000  # pairs that are collected first, because buckets repeat them
_TRIES = 200  # comparisons per text, beyond which only texts that were compared less often call for more
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

    def __init__(self, texts: Texts, rows: I32, written: I32, sketches: Sketches, edits: float) -> None:
        self._texts, self._rows, self._sketches, self._edits = texts, rows, sketches, edits
        self._written = written
        self._allowed = (edits * written + 1e-9).astype(np.int32)
        self._parent = np.arange(len(rows), dtype=np.int32)
        self._tried = np.zeros(len(rows), np.int32)
        self._waiting: list[NDArray[np.int64]] = []
        self._count = 0

    def among(self, numbers: I64) -> Callable[[I64, I64], None]:
        """Takes pairs of places in an array of text numbers; what cannot be near goes at once, the rest when there is
        enough of it. A text stands in dozens of pairs: what the cheap tests ask of it is looked up once, and lies in
        the order of the pairs."""
        lengths, allowed = self._sketches.length[numbers], self._allowed[numbers]
        words = np.ascontiguousarray(self._sketches.bits[numbers].T)

        def take(a: I64, b: I64) -> None:
            most = np.maximum(allowed[a], allowed[b])
            kept = np.flatnonzero(np.abs(lengths[a] - lengths[b]) <= most)
            a, b, most = a[kept], b[kept], 4 * most[kept]
            apart: NDArray[np.int64] = np.zeros(len(a), np.int64)
            for half in (words[:2], words[2:]):  # half of the bits tell most pairs apart
                apart = sum((np.bitwise_count(word[a] ^ word[b]) for word in half), apart)
                kept = np.flatnonzero(apart <= most)
                a, b, most, apart = a[kept], b[kept], most[kept], apart[kept]
            self._add(numbers[a], numbers[b])

        return take

    def _add(self, a: I64, b: I64) -> None:
        """Pairs of text numbers that have passed the cheap tests."""
        a, b = np.minimum(a, b), np.maximum(a, b)
        kept = np.flatnonzero((a != b) & (self._root(a) != self._root(b)))
        a, b = a[kept], b[kept]
        kept = np.flatnonzero(self._alike(a, b))
        self._waiting.append(a[kept] * len(self._parent) + b[kept])
        self._count += len(kept)
        if self._count >= _WAITING:
            self.finish()

    def finish(self) -> None:
        """Compare what waits."""
        codes = np.sort(np.concatenate([np.empty(0, np.int64), *self._waiting]))
        codes = codes[np.diff(codes, prepend=-1) > 0]
        self._waiting, self._count = [], 0
        for start in range(0, len(codes), _AT_ONCE):
            a, b = np.divmod(codes[start : start + _AT_ONCE], len(self._parent))
            self._compare(np.stack([a, b], axis=1)[self._affordable(a, b)])

    def roots(self) -> I64:
        """(n,) the number that all texts of a cluster share: their smallest."""
        return self._root(np.arange(len(self._parent))).astype(np.int64)

    # -- cheap tests -----------------------------------------------------------------------------------------------

    def _alike(self, a: I64, b: I64) -> NDArray[np.bool_]:
        """Do long texts share enough MinHash values? Shorter ones pass."""
        lengths = self._sketches.length
        out = np.ones(len(a), np.bool_)
        long = np.flatnonzero((lengths[a] >= _LONG) & (lengths[b] >= _LONG))
        same = self._sketches.low[a[long]] == self._sketches.low[b[long]]
        out[long] = same.sum(axis=1) >= _SHARED
        return out

    def _affordable(self, a: I64, b: I64) -> I64:
        """The pairs, most alike first, of which at least one text was compared with fewer than `_TRIES` others."""
        tried = self._tried
        if max(tried[a].max(initial=0), tried[b].max(initial=0)) + len(a) <= _TRIES:
            return np.arange(len(a))
        alike = (self._sketches.low[a] == self._sketches.low[b]).sum(axis=1)
        order = np.argsort(-alike, kind="stable")
        kept = order[(tried[a] + _rank(a, order) < _TRIES)[order] | (tried[b] + _rank(b, order) < _TRIES)[order]]
        np.add.at(tried, a[kept], 1)
        np.add.at(tried, b[kept], 1)
        return kept

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


def _rank(numbers: I64, order: I64) -> I64:
    """How often each entry's number stood before it when the entries are gone through in this order."""
    grouped = order[np.argsort(numbers[order], kind="stable")]
    values = numbers[grouped]
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    out = np.empty(len(numbers), np.int64)
    out[grouped] = np.arange(len(numbers)) - np.repeat(starts, np.diff(starts, append=len(numbers)))
    return out


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
