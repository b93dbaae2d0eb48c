"""From keys to pairs of texts that share one, bucket by bucket, with work and memory that grow with the rows only.

>>> entries = Entries(folder, 2)
>>> entries.add(keys, texts)
>>> candidates(entries, sketches, lambda numbers: lambda a, b: print(numbers[a], numbers[b]))
[0] [1]

A bucket is what shares a key. In the order of length each text is paired with the next `WINDOW` of its bucket, which in
a bucket of up to `WINDOW` + 1 texts is every pair. A larger one is also divided by further MinHash values, and the
parts are gone through in the same way: a bucket of a hundred thousand texts (a template) costs no more than so many
texts in small ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weitiao.duplicates._sketch import I32, I64, U64, Sketches, mix

WINDOW = 32
_AT_ONCE = 2_000_000  # entries of one partition, about
_PER_TEXT = 33  # entries of one text, about
_DIVIDED_BY = (0, 16, 32, 48)  # MinHash values
_LONGEST = np.uint64(0xFFF)

Among = Callable[[I64], Callable[[I64, I64], None]]  # of text numbers: what takes pairs of places among them


class Entries:
    """Keys with the number of their text, in one file for each range of keys."""

    def __init__(self, folder: Path, texts: int) -> None:
        self.bits = max(0, (texts * _PER_TEXT // _AT_ONCE).bit_length())
        self._paths = [folder / f"entries-{i}" for i in range(1 << self.bits)]

    def add(self, keys: U64, numbers: I32) -> None:
        """More of them."""
        both = np.stack([keys, numbers.astype(np.uint64)], axis=1)
        if not self.bits:
            return self._append(0, both)
        parts = keys >> np.uint64(64 - self.bits)
        order = np.argsort(parts, kind="stable")
        borders = np.searchsorted(parts[order], np.arange(len(self._paths) + 1, dtype=np.uint64))
        for i, (start, end) in enumerate(pairwise(borders)):
            if start < end:
                self._append(i, both[order[start:end]])
        return None

    def _append(self, part: int, both: U64) -> None:
        with self._paths[part].open("ab") as out:
            out.write(both.tobytes())

    def __iter__(self) -> Iterator[tuple[U64, I64]]:
        """Keys and text numbers of each file, which is gone afterwards."""
        for path in self._paths:
            if path.exists():
                both = np.fromfile(path, np.uint64).reshape(-1, 2)
                path.unlink()
                yield both[:, 0], both[:, 1].astype(np.int64)


def candidates(entries: Entries, sketches: Sketches, among: Among) -> int:
    """Give pairs of texts that share keys to `among`; how many buckets were too large for all their pairs."""
    limited = 0
    for keys, numbers in entries:
        large = _paired(keys << np.uint64(entries.bits), numbers, sketches, among)
        limited += len(np.unique(keys[large]))
        for h in _DIVIDED_BY:
            if large.any():
                values = sketches.low[numbers[large], h].astype(np.uint64)
                divided = mix(keys[large] + (values + np.uint64(1 + 256 * h)) * np.uint64(0x9E3779B97F4A7C15))
                _paired(divided, numbers[large], sketches, among)
    return limited


def _paired(keys: U64, numbers: I64, sketches: Sketches, among: Among) -> NDArray[np.bool_]:
    """Pair the neighbours of each bucket; which entries are in buckets that have more pairs than that."""
    lengths = np.minimum(sketches.length[numbers].astype(np.uint64), _LONGEST)
    # 36 bits of the key, then the length, then some bits of the number, which the order of the rows does not change.
    tie = numbers.astype(np.uint64) & np.uint64(0xFFFF)
    order = np.argsort((keys >> np.uint64(28) << np.uint64(28)) | (lengths << np.uint64(16)) | tie)
    buckets = keys[order] >> np.uint64(28)
    edges = np.flatnonzero(np.concatenate([[True], buckets[1:] != buckets[:-1], [True]]))
    sizes = np.repeat(np.diff(edges), np.diff(edges))
    shared = np.flatnonzero(sizes > 1)  # most keys are one text's alone
    take, buckets = among(numbers[order[shared]]), buckets[shared]
    for a, b in _neighbours(buckets):
        take(a, b)
    large = np.zeros(len(keys), np.bool_)
    large[order] = sizes > WINDOW + 1
    return large


def _neighbours(buckets: U64) -> Iterator[tuple[I64, I64]]:
    """Places i and i + d of a sorted array that hold the same, for d up to `WINDOW`."""
    at = np.arange(len(buckets))
    for d in range(1, WINDOW + 1):
        at = at[at + d < len(buckets)]
        at = at[buckets[at + d] == buckets[at]]
        if not len(at):
            return
        yield at, at + d
