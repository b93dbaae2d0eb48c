"""Which rows say the same, word for word or nearly: for millions of rows, with memory that stays small.

>>> with Texts() as texts:
...     texts.add([("How do I reset my PIN?",), ("how do i reset my pin",), ("How do I resett my PIN?",), ("Hello!",)])
...     found = find(texts)
>>> found.first.tolist(), found.cluster.tolist()
([0, 0, 2, 3], [0, 0, 0, 3])

Two rows are equal when the folded forms (`core.text.fold`) of all their fields are. They are near copies when in each
field the Levenshtein distance of the folded forms is at most a tenth of the longer one's characters as written (of
which at most a quarter counts that folding drops; below ten characters that is none), unless all that differs is one
word put in another's place, or numbers. Candidates come from hashes (`_sketch`), every one is verified (`_verify`), and
near copies of near copies form one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weitiao.duplicates._pairs import Entries, candidates
from weitiao.duplicates._sketch import Sketches, sketch
from weitiao.duplicates._texts import Texts as Texts
from weitiao.duplicates._verify import Verifier

EDITS = 0.1
"""Edits per character up to which two texts count as near copies."""
_PIECE = 200_000  # characters that are sketched at once: their hashes stay in the processor's cache
_COMPARED = 100  # rows of its cluster that a row is compared with in `copies`


@dataclass(frozen=True, slots=True)
class Found:
    """What rows repeat.

    Args:
        first: (n,) for each row the first row with equal folded text (itself, where it is that one).
        cluster: (n,) for each row the first row of its cluster; equal rows are in one cluster.
        limited: hash buckets with so many different texts that not all their pairs were compared.
    """

    first: NDArray[np.int32]
    cluster: NDArray[np.int32]
    limited: int

    def members(self) -> list[NDArray[np.int64]]:
        """The rows of each cluster of two and more, the cluster with the first row first."""
        order = np.argsort(self.cluster, kind="stable")
        starts = np.flatnonzero(np.diff(self.cluster[order], prepend=-1))
        sizes = np.diff(starts, append=len(order))
        large = sizes > 1
        return [order[start : start + size] for start, size in zip(starts[large], sizes[large], strict=True)]


def find(texts: Texts, edits: float = EDITS) -> Found:
    """The exact and the near copies among all rows; the same clusters in whatever order the rows came.

    Args:
        texts: all rows were added.
        edits: Levenshtein edits per written character that a near copy may have; 0: only equal rows.
    """
    # Numbers of 32 bits throughout: of ten million rows each column of them is 40 MB.
    first, unique = _equal(texts)
    if not edits:
        return Found(first, first, 0)
    heads = np.flatnonzero(first == np.arange(len(first), dtype=np.int32)).astype(np.int32)
    written = np.zeros(len(heads), np.int32)
    np.maximum.at(written, unique, texts.written.view(np.int32))
    with Sketches(texts.folder, len(heads)) as sketches:
        entries = Entries(texts.folder, len(heads))
        _sketched(texts, heads, unique, sketches, entries)
        rows_of = np.empty(len(heads), np.int32)
        rows_of[unique[heads]] = heads
        verifier = Verifier(texts, rows_of, written, sketches, edits)
        limited = candidates(entries, sketches, verifier.among)
        verifier.finish()
    # The smallest row of each cluster of unique texts.
    root = verifier.roots()[unique]
    smallest = np.full(len(heads), len(first), np.int32)
    np.minimum.at(smallest, root, np.arange(len(first), dtype=np.int32))
    return Found(first, smallest[root], limited)


def copies(texts: Texts, found: Found, asked: NDArray[np.bool_], there: NDArray[np.bool_],
           edits: float = EDITS) -> dict[int, int]:
    """For each row of `asked` that has an equal row or a near copy among the rows of `there`: the nearest such row.

    Being in one cluster is not enough: a cluster may chain. Each row is compared with 100 of its cluster at most.
    """
    out: dict[int, int] = {}
    for members in found.members():
        theirs = members[there[members]]
        ours = members[asked[members]]
        if len(theirs) and len(ours):
            equal = {int(found.first[row]): int(row) for row in theirs[::-1]}
            for row in ours.tolist():
                near = equal.get(int(found.first[row]))
                near = texts.nearest(row, theirs[:_COMPARED], edits) if near is None else near
                if near is not None:
                    out[row] = near
    return out


def firsts(values: NDArray[Any]) -> NDArray[np.int32]:
    """(n,) for each value the first place where it stands."""
    order, new, number = _sorted(values)
    out = np.empty(len(values), np.int32)
    out[order] = order[new][number]
    return out


def _equal(texts: Texts) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Per row the first equal row, and the number of its text among the different ones in the order of their digests:
    numbers that do not depend on the order of the rows."""
    order, new, number = _sorted(texts.digests)
    first, unique = np.empty((2, len(order)), np.int32)
    first[order], unique[order] = order[new][number], number
    return first, unique


def _sorted(values: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]]:
    """The places in the order of their values, where in it a new value begins, and the value's number, counted there.
    What `np.unique` does, with half of its memory."""
    order = np.argsort(values, kind="stable").astype(np.int32)
    ranked = values[order]
    new = np.ones(len(values), np.bool_)
    np.not_equal(ranked[1:], ranked[:-1], out=new[1:])
    return order, new, np.cumsum(new, dtype=np.int32) - np.int32(1)


def _sketched(texts: Texts, heads: NDArray[np.int32], unique: NDArray[np.int32], sketches: Sketches,
              entries: Entries) -> None:
    """Hash every different text once, in the order in which they lie on the disk."""
    all_lengths = texts.lengths
    ends = np.cumsum(all_lengths[heads], dtype=np.int64)
    pieces = np.flatnonzero(np.diff(ends // _PIECE)) + 1
    for rows in np.split(heads, pieces):
        numbers = unique[rows]
        lengths = all_lengths[rows].astype(np.int64)
        keys, owners, bits, low = sketch(texts.strings(rows), lengths)
        sketches.put(numbers, lengths, bits, low)
        entries.add(keys, numbers[owners])
