"""What became of a process that was started here.

>>> fate(-9, "")
'SIGKILL'
>>> fate(1, "Traceback …\\nValueError: no")
'ValueError: no'
"""

from __future__ import annotations

import signal


def fate(code: int, said: str) -> str:
    """Why it ended with this exit code, from the last line that it wrote where there is one.

    `code` as subprocess gives it: below 0, the signal that killed it (SIGKILL is how Linux takes back memory).
    """
    last = said.strip().rpartition("\n")[2]
    how = signal.Signals(-code).name if code < 0 else "" if last else f"exit {code}"
    return ": ".join(filter(None, (how, last)))
