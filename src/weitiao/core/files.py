"""Files that are there whole or not at all: written under a temporary name, flushed to disk, renamed.

>>> write_json(Path("scores.json"), {"accuracy": 0.9})
>>> with new_folder(Path("model")) as tmp:  # appears as `model` only when the block ends well
...     (tmp / "weights").write_bytes(b"...")
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weitiao.core.errors import RunError
from weitiao.core.i18n import t


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(folder: Path) -> None:
    """fsync every file below `folder`, then the folders: after this a power cut loses none of it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        _sync(path)
    _sync(folder)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically. Raises RunError `disk.write_failed` and leaves the old file as it was."""
    path = Path(path)
    tmp: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        tmp = Path(name)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        # mkstemp makes 0600; a result is as readable as any file the user makes.
        tmp.chmod(0o666 & ~_umask())
        tmp.replace(path)
        _sync(path.parent)
    except OSError as e:
        if tmp is not None:
            tmp.unlink(missing_ok=True)
        raise write_failed(path, e) from e


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically: UTF-8, indented, no NaN or Infinity (which are not JSON)."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON that we wrote. Raises RunError `run.unreadable` when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise RunError(
            "run.unreadable",
            t("cannot be read: {e}", "无法读取：{e}", e=e),
            where=str(path),
            fix=t("the run is damaged or of another version: run it again",
                  "运行目录已损坏或版本不符，请重新运行"),
        ) from e


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary sibling folder that becomes `final` when the block ends well and vanishes when it does not.

    An existing `final` is replaced; between the two renames no state is lost: the old one is set aside first and
    removed last. Raises RunError `disk.write_failed` on a full or read-only disk.
    """
    final = Path(final)
    tmp: Path | None = None
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        tmp = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.", suffix=".tmp"))
        tmp.chmod(0o777 & ~_umask())
        yield tmp
        sync_tree(tmp)
        old = final.with_name(f".{final.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        tmp.rename(final)
        _sync(final.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        raise write_failed(final, e) from e
    finally:
        if tmp is not None and tmp.exists():
            shutil.rmtree(tmp, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def hashes(folder: Path, pattern: str) -> dict[str, str]:
    """`sha256` of the files in a folder whose names match, by name."""
    return {path.name: sha256(path) for path in sorted(folder.glob(pattern))}


def write_failed(path: Path, e: OSError) -> RunError:
    """The one message for a disk that is full, read-only or not ours."""
    return RunError(
        "disk.write_failed",
        t("cannot be written: {e}", "无法写入：{e}", e=e.strerror or e),
        where=str(path),
        fix=t("free some space or choose another folder with --out; what was there before is unchanged",
              "请清理磁盘或用 --out 换一个目录；原有文件没有改动"),
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
