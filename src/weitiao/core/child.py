"""A process that this one starts, what it says, and what became of it.

>>> child = Child([sys.executable, "-m", "weitiao.together"], {**os.environ, "RANK": "1"})
>>> child.fate()                      # "" while it lives and where all went well
'SIGKILL'
>>> child.end()
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from weitiao.core.i18n import t

_LAST = 300  # characters of a dead child's words that are shown
_MOMENT = 5.0  # seconds that a child has to end by itself, and again after it was asked to


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
        words = " ".join(self._said.read().decode(errors="replace").split())[-_LAST:]
        how = signal.Signals(-code).name if code < 0 else t("exit code {c}", "退出码 {c}", c=code)
        return f"{how}: {words}" if words else how

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
