"""Memory of this process: what it holds, what it held at most, and giving back what is free inside it.

>>> release()     # after some steps whose tensors were of many shapes
True
>>> restart_peak(); work(); peak()     # bytes that were held at most during the work
2526996000

The C library keeps what was freed in case it is wanted again. Where every batch has another shape the holes never fit:
60 updates of long texts on a CPU held 2.4 GB where 1.0 were in use (docs/log.md). glibc can give the holes back
(malloc_trim(3)); other systems' libraries do so by themselves or cannot be asked.
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

SECONDS = 4.0  # giving a gigabyte back and getting it anew costs half a second of a processor (docs/log.md)
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_higher: list[int] = []  # peaks before it was counted anew


def resident() -> int | None:
    """Bytes that the process holds in memory now; None where the system does not say (only Linux does)."""
    return _status("VmRSS:")


def peak() -> int | None:
    """Bytes that it held at most since it began, or since `restart_peak`; None where nothing says it.

    Linux: VmHWM of /proc/self/status (proc(5)); other Unix systems: ru_maxrss of getrusage(2).
    """
    if sys.platform.startswith("linux"):
        return _status("VmHWM:")
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # only there in bytes


def restart_peak() -> bool:
    """Let `peak` count from now on (proc(5), clear_refs); False where the system cannot."""
    _higher.append(highest() or 0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def highest() -> int | None:
    """Bytes that the process held at most since it began, however often the peak was counted anew."""
    now = peak()
    return None if now is None else max(now, *_higher, 0)


def _status(key: str) -> int | None:
    if not _STATUS.is_file():
        return None
    return next(int(line.split()[1]) * 1024 for line in _STATUS.read_text().splitlines() if line.startswith(key))


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
