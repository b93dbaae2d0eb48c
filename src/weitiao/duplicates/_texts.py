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
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from weitiao.core.numbers import Numbers
from weitiao.core.text import fold

BETWEEN = "\x1f"  # between the fields of a row: a control character, so no folded text holds it
_EPSILON = 1e-9  # a tenth of 30 is 3, in whatever way the machine rounds
LONGEST = 20_000  # folded characters that near copies are judged by


class Texts:
    """Rows of one or more text fields. All of it lies in a temporary folder; memory holds what is looked at."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="weitiao-")
        self.folder = Path(self._temporary.name)
        self._file: IO[bytes] = (self.folder / "texts").open("w+b")
        self._map: mmap.mmap | None = None
        self._end = 0  # of the last one: each begins where the one before it ends
        self._offsets, self._digests = (Numbers(self.folder / name, "Q") for name in ("offsets", "digests"))
        self._lengths, self._written = (Numbers(self.folder / name, "I") for name in ("lengths", "written"))
        self._offsets.extend([0])

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
        offsets, digests, lengths, written = [], [], [], []
        for fields in rows:
            text = BETWEEN.join(map(fold, fields))
            data = text.encode("utf-8", "surrogatepass")
            digests.append(int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little"))
            if len(text) > LONGEST:
                text = text[:LONGEST]
                data = text.encode("utf-8", "surrogatepass")
            self._file.write(data)
            self._end += len(data)
            offsets.append(self._end)
            lengths.append(len(text))
            # A drawing of a thousand signs around ten letters may not differ in a hundred of them.
            written.append(min(LONGEST, sum(map(len, fields)), 4 * len(text) // 3))
        for column, values in ((self._offsets, offsets), (self._digests, digests), (self._lengths, lengths),
                               (self._written, written)):
            column.extend(values)

    @property
    def digests(self) -> NDArray[np.uint64]:
        """(n,) hashes of the whole folded rows."""
        return self._digests.read()

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """(n,) characters of the folded rows, at most `LONGEST`."""
        return self._lengths.read()

    @property
    def written(self) -> NDArray[np.uint32]:
        """(n,) characters of the rows as written, at most four thirds of the folded ones, at most `LONGEST`."""
        return self._written.read()

    def strings(self, rows: NDArray[np.integer]) -> list[str]:
        """The folded rows of these numbers."""
        data, offsets = self._mapped(), self._offsets.read()
        borders = zip(offsets[rows].tolist(), offsets[rows + 1].tolist(), strict=True)
        return [data[start:end].decode("utf-8", "surrogatepass") for start, end in borders]

    def _mapped(self) -> mmap.mmap | bytes:
        """All texts as one stretch of bytes, of which the system keeps in memory what is asked for."""
        if self._map is None and self._end:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map or b""

    def nearest(self, row: int, others: NDArray[np.int64], edits: float) -> int | None:
        """The one of `others` that is the nearest of the near copies of `row`, None where there is none."""
        mine, *theirs = self.strings(np.concatenate([[row], others]))
        best: tuple[int, int] | None = None
        written = np.maximum(self.written[others], self.written[row]).tolist()
        for other, longer, text in zip(others.tolist(), written, theirs, strict=True):
            found = distance(mine, text, longer, edits)
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
