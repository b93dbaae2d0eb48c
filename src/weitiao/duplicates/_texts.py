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
_EPSILON = 1e-9  # a tenth of 30 is 3, in whatever way the machine rounds
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
            # A drawing of a thousand signs around ten letters may not differ in a hundred of them.
            self._written.append(min(LONGEST, sum(map(len, fields)), 4 * len(text) // 3))

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
        """(n,) characters of the rows as written, at most four thirds of the folded ones, at most `LONGEST`."""
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
    """Levenshtein's distance of two folded rows, None where they are no near copies.

    Args:
        written: characters of the longer row before it was folded.
        edits: allowed per written character.
    """
    from rapidfuzz.distance import Levenshtein

    allowed = int(edits * written + _EPSILON)
    total: int = Levenshtein.distance(a, b, score_cutoff=allowed)
    return total if total <= allowed and is_copy(a, b, written, edits) else None


def is_copy(a: str, b: str, written: int, edits: float) -> bool:
    """Is every field of two rows a near copy by itself? A question may not change only because its passage is long."""
    if BETWEEN not in a and BETWEEN not in b:
        return not _exchanged(a, b)
    from rapidfuzz.distance import Levenshtein

    mine, theirs = a.split(BETWEEN), b.split(BETWEEN)
    if len(mine) != len(theirs):
        return False
    rate = edits * written / max(1, len(a), len(b))
    for x, y in zip(mine, theirs, strict=True):
        allowed = int(rate * max(len(x), len(y)) + _EPSILON)
        if Levenshtein.distance(x, y, score_cutoff=allowed) > allowed or _exchanged(x, y):
            return False
    return True


def _exchanged(a: str, b: str) -> bool:
    """Does only one word stand in another's place ("What does CPR stand for?", "What does NASA stand for?"), or do only
    numbers differ ("an alarm for 6", "an alarm for 7")? Such rows say different things.

    A word: three quarters of at least three edits, of up to four edits all, are side by side (at most one character
    between them), and take as well as give two characters or more. Slips of the pen are spread.
    """
    from rapidfuzz.distance import Levenshtein

    ops = list(Levenshtein.editops(a, b))
    slip = len(ops) == 1 and ops[0].tag != "replace"  # one digit too few or too many
    if ops and not slip and all((op.tag == "insert" or a[op.src_pos].isdigit())
                                and (op.tag == "delete" or b[op.dest_pos].isdigit()) for op in ops):
        return True
    places = [(op.src_pos, op.dest_pos) for op in ops]
    if len(places) < 3:
        return False
    needed = len(places) if len(places) <= 4 else -(-3 * len(places) // 4)
    start = 0
    for i, (here, there) in enumerate(places):
        if i and (here - places[i - 1][0] > 2 or there - places[i - 1][1] > 2):
            start = i
        if i - start + 1 >= needed:
            return min(here - places[start][0], there - places[start][1]) >= 1
    return False
