"""The real command in this process."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from weitiao.cli import main


@dataclass(frozen=True)
class Answer:
    code: int
    stdout: str
    stderr: str


def weitiao(*args: str) -> Answer:
    """`weitiao("runs", "--json")`: exit code and what it printed, in English."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*args, "--lang", "en"])
    return Answer(code, out.getvalue(), err.getvalue())
