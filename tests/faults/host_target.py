"""`weitiao …` on a host of test_hosts.py: a process that enters a network namespace, if any, and takes a name of its own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

# Imported before the fork: a child starts in no time.
import weitiao.doctor.quick
import weitiao.evaluate
import weitiao.models.build
import weitiao.prepare
import weitiao.report
import weitiao.select
import weitiao.together  # noqa: F401
from weitiao.cli import main

_NETWORK, _MOUNTS, _NAME = 0x40000000, 0x00020000, 0x04000000  # CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS
_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE


def run(network: str, name: str, environment: Mapping[str, str], words: Sequence[str], said: Path, hidden: str) -> None:
    """The command's stdout goes to the file `said`; the folder `hidden`, if any, is an empty one to this host alone."""
    if network:
        enter(network, name, hidden)
    os.environ.update(environment)
    torch.set_num_threads(1)
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    code = main(list(words))
    os._exit(code)


def enter(network: str, name: str, hidden: str) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", network).open() as f:
        check(libc.setns(f.fileno(), _NETWORK))
    check(libc.unshare(_MOUNTS | _NAME))
    check(libc.sethostname(name.encode(), len(name)))
    if hidden:
        check(libc.mount(None, b"/", None, _PRIVATE, None))
        check(libc.mount(b"none", hidden.encode(), b"tmpfs", 0, None))


def check(returned: int) -> None:
    if returned:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
