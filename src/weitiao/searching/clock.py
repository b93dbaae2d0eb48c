"""The budget of a search as one clock on disk, which several workers share and pauses do not advance.

>>> with Clock(folder, budget=3600, began=time.monotonic()) as clock:
...     clock.tick(); clock.spent
12.4

The clock stands still while nobody works: a search that was killed after ten minutes has fifty of its hour left. Who
works holds a lock of the operating system on a file in `workers/`, which dies with its process.

Times are those of time.monotonic(), which all processes of a machine share and nobody can set: the clock on the wall
may jump. Where the machine was started anew, only lengths of time are taken over.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from weitiao.core import files

_TICK = 1.0  # seconds between two notes of being alive; a kill costs the budget no more than that


class Clock:
    """Wall time worked on the search in `folder`.

    Args:
        folder: the search's.
        budget: seconds in all.
        began: when this worker began (`time.monotonic()`): what was imported since counts, too.
    """

    def __init__(self, folder: Path, budget: float, began: float) -> None:
        self.budget, self._path, self._workers = budget, folder / "clock.json", folder / "workers"
        self._guard = FileLock(folder / ".clock.lock")
        self._mine = FileLock(self._workers / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.lock")
        self._began, self._start, self._last = began, began, 0.0

    def __enter__(self) -> Clock:
        self._workers.mkdir(exist_ok=True)
        with self._guard:
            alone = not self._others()
            self._mine.acquire()
            if not self._path.is_file():
                self._write(0.0, self._began, time.monotonic())
            elif alone:  # the time since the last worker was alive is nobody's
                old = files.read_json(self._path)
                self._write(old["before"] + max(0.0, old["seen"] - old["since"]), self._began, time.monotonic())
            found = files.read_json(self._path)
        self._start = found["since"] - found["before"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.tick(now=True)
        self._mine.release()
        Path(self._mine.lock_file).unlink(missing_ok=True)

    @property
    def spent(self) -> float:
        """Seconds of the budget that are gone."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds of the budget that are not."""
        return self.budget - self.spent

    def tick(self, *, now: bool = False) -> None:
        """Note that someone works; costs nothing when it was done a moment ago."""
        if not now and time.monotonic() - self._last < _TICK:
            return
        self._last = time.monotonic()
        with self._guard:
            old = files.read_json(self._path)
            self._write(old["before"], old["since"], time.monotonic())

    def _write(self, before: float, since: float, seen: float) -> None:
        files.write_json(self._path, {"before": round(before, 3), "since": round(since, 3), "seen": round(seen, 3)})

    def _others(self) -> bool:
        """Is a worker alive? Files of dead ones are removed."""
        alive = False
        for path in self._workers.glob("*.lock"):
            lock = FileLock(path, timeout=0)
            try:
                lock.acquire()
            except Timeout:
                alive = True
                continue
            lock.release()
            path.unlink(missing_ok=True)
        return alive
