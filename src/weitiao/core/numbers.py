"""A long column of numbers in a file: added as they come, read back as an array that the system keeps in memory only as
far as it is looked at.

>>> numbers = Numbers(Path("lengths"), "I")
>>> numbers.extend([3, 1, 4])
>>> numbers.read().tolist()
[3, 1, 4]
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_WAITING = 1 << 16  # numbers that are written at once


class Numbers:
    """Unsigned numbers of 32 ("I") or 64 bits ("Q"), in a new file that is there until its folder goes."""

    def __init__(self, path: Path, code: Literal["I", "Q"]) -> None:
        self._path, self._waiting = path, array(code)
        self._mapped: NDArray[Any] | None = None
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._waiting)

    def extend(self, values: Iterable[int]) -> None:
        """More of them."""
        self._waiting.extend(values)
        self._mapped = None
        if len(self._waiting) >= _WAITING:
            self._spill()

    def read(self) -> NDArray[Any]:
        """(n,) all of them; not to be written to, and not longer used than the file is there."""
        if self._mapped is None:
            self._spill()
            kind = np.dtype(f"u{self._waiting.itemsize}")
            # As a plain array: every access to a memmap costs some Python. No bytes cannot be mapped.
            self._mapped = np.asarray(np.memmap(self._path, kind, "r")) if self._written else np.empty(0, kind)
        return self._mapped

    def _spill(self) -> None:
        with self._path.open("ab") as file:
            self._waiting.tofile(file)
        self._written += len(self._waiting)
        del self._waiting[:]
