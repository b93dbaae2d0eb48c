"""Processes that are started here, what they say, and what became of them.

>>> child = Child([sys.executable, "-m", "weitiao.together"], {**os.environ, "RANK": "1"})
>>> child.fate()                      # "" while it lives and where all went well
'SIGKILL'
>>> child.end()
>>> fate(1, "Traceback …\\nValueError: no")
'ValueError: no'
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

_MOMENT = 5.0  # seconds that a child has to end by itself, and again after it was asked to


def fate(code: int, said: str) -> str:
    """Why it ended with this exit code, from the last line that it wrote where there is one.

    `code` as subprocess gives it: below 0, the signal that killed it (SIGKILL is how Linux takes back memory).
    """
    last = said.strip().rpartition("\n")[2]
    how = signal.Signals(-code).name if code < 0 else "" if last else f"exit {code}"
    return ": ".join(filter(None, (how, last)))


class Child:
    """A process with an environment of its own; nothing of what it says reaches the screen."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._running = subprocess.Popen(command, stdout=self._said, stderr=subprocess.STDOUT,  # noqa: S603
                                         env=dict(environment))

    def fate(self) -> str:
        """How it died, with its last words; "" while it lives or where all went well."""
        code = self._running.poll()
        if not code:
            return ""
        self._said.seek(0)
        return fate(code, self._said.read().decode(errors="replace"))

    def end(self) -> None:
        """Wait a little for it, then stop it."""
        for stop in (self._running.terminate, self._running.kill):
            try:
                self._running.wait(timeout=_MOMENT)
                break
            except subprocess.TimeoutExpired:
                stop()
        self._running.wait()
        self._said.close()
