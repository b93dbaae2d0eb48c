"""Give memory that is free inside the process back to the operating system.

>>> release()     # after some steps whose tensors were of many shapes
True

The C library keeps what was freed in case it is wanted again. Where every batch has another shape the holes never fit:
60 updates of long texts on a CPU held 2.4 GB where 1.0 were in use (docs/log.md). glibc can give the holes back
(malloc_trim(3)); other systems' libraries do so by themselves or cannot be asked.
"""

from __future__ import annotations

import ctypes
import sys
import time

SECONDS = 4.0  # taking pages back costs about as long as 1 % of that

def release() -> bool:
    """True where there was something to ask and something came back."""
    if not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    return bool(trim(0)) if trim is not None else False


class Spare:
    """`release`, at most every few seconds, for loops that do not know how long they take for a round."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def release(self) -> bool:
        """True where it was time and something came back."""
        if time.monotonic() - self._last < SECONDS:
            return False
        given = release()
        self._last = time.monotonic()
        return given
