"""The calls by which a process changes files, counted; at a chosen one it dies or the system refuses.

>>> with watched(folder) as seen: save()
>>> seen[:3]
['mkdir .15.x.tmp', 'chmod .15.x.tmp', 'write state.safetensors']
>>> with watched(folder, at=3, act=Refuse(errno.ENOSPC)): save()      # half of the file is there, then the disk is full

A write is torn: half of the bytes are there when it fails. Files of tensors are written by a library in Rust, whose
single call counts as one write.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import safetensors.torch
import target

import weitiao.tuning.checkpoint

_NAMES = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "truncate", "chmod")
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
Act = Callable[[], None]


def die() -> None:
    """As SIGKILL would: nothing is cleared up."""
    os._exit(9)


@dataclass(frozen=True)
class Refuse:
    """The system says no, with that error number."""

    number: int

    def __call__(self) -> None:
        raise OSError(self.number, os.strerror(self.number))


@contextmanager
def watched(below: Path, at: int | None = None, act: Act = die, lasts: bool = False) -> Iterator[list[str]]:
    """Name the calls on files below a folder; do `act` in place of the one numbered `at`, or of all from it on."""
    seen: list[str] = []

    def comes(name: str, what: object) -> bool:
        """Note a call; is it the one?"""
        seen.append(f"{name} {Path(str(what)).name}")
        return at is not None and (len(seen) - 1 == at or (lasts and len(seen) > at))

    def outside(what: object) -> bool:
        path = Path(os.fsdecode(what)) if isinstance(what, (str, bytes, os.PathLike)) else None
        return path is not None and path.is_absolute() and below not in path.parents

    def call(name: str, real: Any) -> Any:
        def instead(what: Any, *args: Any, **how: Any) -> Any:
            reads = name == "open" and not (args and args[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if not outside(what) and not reads and comes(name, what):
                act()
            return real(what, *args, **how)

        return instead

    def opened(real: Any) -> Any:
        def instead(what: Any, mode: str = "r", *args: Any, **how: Any) -> Any:
            file = real(what, mode, *args, **how)
            if outside(what) or not set(mode) & set("wax+"):
                return file
            return _Torn(file, lambda: comes("write", what), act)

        return instead

    def tensors(values: Any, path: Any, *args: Any, **how: Any) -> None:
        if outside(path) or not comes("write", path):
            return save_file(values, path, *args, **how)
        data = safetensors.torch.save(values, *args, **how)
        with real_open(path, "wb") as f:
            f.write(data[: len(data) // 2])
        return act()

    save_file, real_open = safetensors.torch.save_file, io.open
    with ExitStack() as stack:
        for name in _NAMES:
            stack.enter_context(patch.object(os, name, call(name, getattr(os, name))))
        for module in (builtins, io):
            stack.enter_context(patch.object(module, "open", opened(real_open)))
        stack.enter_context(patch.object(weitiao.tuning.checkpoint, "save_file", tensors))
        yield seen


class _Torn:
    """A file of which one write is made in half."""

    def __init__(self, file: Any, comes: Callable[[], bool], act: Act) -> None:
        self._file, self._comes, self._act = file, comes, act

    def write(self, data: Any) -> int:
        if not self._comes():
            return int(self._file.write(data))
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._act()
        return 0

    def __enter__(self) -> _Torn:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def in_a_fork(do: Callable[[], int]) -> int:
    """The exit code of a forked child that does this."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = do()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def work_watched(run: Path, told: Path, at: int | None = None, act: Act = die, lasts: bool = False) -> None:
    """`target.work` in this process, its calls written to `told`."""
    with watched(run, at, act, lasts) as seen, ExitStack() as stack:
        stack.callback(lambda: told.write_text("\n".join(seen)))
        target.work(run, {})
