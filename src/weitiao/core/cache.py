"""Where weitiao keeps what can be fetched or made again: wheels, starters, token ids.

>>> root()     # WEITIAO_CACHE, else the operating system's place for caches
PosixPath('/home/li/.cache/weitiao')
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def root() -> Path:
    """The folder; it may not be there yet."""
    if chosen := os.environ.get("WEITIAO_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "weitiao/Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/weitiao"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weitiao"
