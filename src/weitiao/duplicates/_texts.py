"""Folded texts of many rows in a file of their own: added once, read back by row number.

>>> with Texts() as texts:
...     texts.add([("Good Morning!", "Guten Morgen")])
...     texts.strings(np.array([0]))
['goodmorning\\x1fgutenmorgen']
"""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from weitiao.core.text import fold

BETWEEN = "\x1f"  # between the fields of a row: a control character, so no folded text holds it
LONGEST = 20_000  # folded characters that near copies are judged by


class Texts:
    """Rows of one or more text fields. Memory holds 24 bytes a row; the texts are in a temporary folder."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="weitiao-")
        self.folder = Path(self._temporary.name)
        self._file: IO[bytes] = (self.folder / "texts").open("w+b")
        self._map: mmap.mmap | None = None
        self._offsets, self._digests = array("Q", [0]), array("Q")
        self._lengths, self._written = array("I"), array("I")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._unmap()
        self._file.close()
        self._temporary.cleanup()

    def _unmap(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        """The fields of each row, as written."""
        self._unmap()
        for fields in rows:
            text = BETWEEN.join(map(fold, fields))
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            self._digests.append(int.from_bytes(digest, "little"))
            text = text[:LONGEST]
            data = text.encode("utf-8", "surrogatepass")
            self._file.write(data)
            self._offsets.append(self._offsets[-1] + len(data))
            self._lengths.append(len(text))
            self._written.append(min(LONGEST, sum(map(len, fields))))

    @property
    def digests(self) -> NDArray[np.uint64]:
        """(n,) hashes of the whole folded rows."""
        return np.frombuffer(self._digests, np.uint64) if len(self) else np.empty(0, np.uint64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) characters of the folded rows, at most `LONGEST`."""
        return np.array(self._lengths, np.int64)

    @property
    def written(self) -> NDArray[np.int64]:
        """(n,) characters of the rows as written, at most `LONGEST`."""
        return np.array(self._written, np.int64)

    def strings(self, rows: NDArray[np.int64]) -> list[str]:
        """The folded rows of these numbers."""
        data, offsets = self._mapped(), self._offsets
        return [data[offsets[row] : offsets[row + 1]].decode("utf-8", "surrogatepass") for row in rows.tolist()]

    def _mapped(self) -> mmap.mmap | bytes:
        """All texts as one stretch of bytes, of which the system keeps in memory what is asked for."""
        if self._map is None and self._offsets[-1]:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map or b""

    def nearest(self, row: int, others: NDArray[np.int64], edits: float) -> int | None:
        """The one of `others` that is the nearest of the near copies of `row`, None where there is none."""
        mine, *theirs = self.strings(np.concatenate([[row], others]))
        best: tuple[int, int] | None = None
        for other, text in zip(others.tolist(), theirs, strict=True):
            written = max(self._written[row], self._written[other])
            found = distance(mine, text, written, edits)
            if found is not None and (best is None or found < best[0]):
                best = (found, other)
        return best[1] if best else None


def distance(a: str, b: str, written: int, edits: float) -> int | None:
    """Levenshtein's distance of two folded rows, None where they are no near copies: some field differs by more than
    `edits` per character, `written` being the characters of the longer row before it was folded."""
    from rapidfuzz.distance import Levenshtein

    allowed = int(edits * written + 1e-9)
    total: int = Levenshtein.distance(a, b, score_cutoff=allowed)
    if total > allowed or not each_field(a, b, written, edits):
        return None
    return total


def each_field(a: str, b: str, written: int, edits: float) -> bool:
    """Is every field of two rows near enough by itself? A question may not change only because its passage is long."""
    if BETWEEN not in a and BETWEEN not in b:
        return True
    from rapidfuzz.distance import Levenshtein

    mine, theirs = a.split(BETWEEN), b.split(BETWEEN)
    if len(mine) != len(theirs):
        return False
    rate = edits * written / max(1, len(a), len(b))
    for x, y in zip(mine, theirs, strict=True):
        allowed = int(rate * max(len(x), len(y)) + 1e-9)
        if Levenshtein.distance(x, y, score_cutoff=allowed) > allowed:
            return False
    return True
