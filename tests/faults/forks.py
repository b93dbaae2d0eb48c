"""Processes that have their imports behind them: each is a fork of one server.

>>> FORKS.Process(target=target.work, args=(run, {})).start()
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path

# Before Python 3.13 the server does not get sys.path, and says nothing of what it could not import (cpython#117378).
_HERE = Path(__file__).resolve().parent
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_HERE), str(_HERE.parent), os.environ.get("PYTHONPATH")]))
FORKS = multiprocessing.get_context("forkserver")
TARGETS = ["target", "rank_target", "sharded_target", "host_target"]
FORKS.set_forkserver_preload(TARGETS)  # there is one server for all: the last list set is that of all tests


def ready() -> None:
    """Ends well in a process that has nothing left to import."""
    sys.exit(any(name not in sys.modules for name in TARGETS))


def wait_for(path: Path) -> None:
    """Until another process has made it."""
    until = time.monotonic() + 400
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.05)
