"""Files that are there whole or not at all: written under a temporary name, flushed to disk, renamed.

>>> write_json(Path("scores.json"), {"accuracy": 0.9})
>>> with new_folder(Path("model")) as tmp:  # appears as `model` only when the block ends well
...     (tmp / "weights").write_bytes(b"...")
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from weitiao.core.errors import RunError
from weitiao.core.i18n import t

_SEAL = "sha256"
_NUMBER = re.compile(r"\(os error (\d+)\)")


def sync(path: Path) -> None:
    """fsync a file, or a folder: the names in it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(folder: Path) -> None:
    """fsync every file below `folder`, then the folders: after this a power cut loses none of it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def make_folder(folder: Path) -> None:
    """The folder and those above it, so that a power cut loses none of them."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever cannot be written inside becomes RunError `disk.write_failed`.

    Libraries in Rust (safetensors, tokenizers) have exceptions of their own, which quote the system's error number.
    """
    try:
        yield
    except OSError as e:
        raise write_failed(path, e) from e
    except Exception as e:
        if not (number := _NUMBER.search(str(e))):
            raise
        raise write_failed(path, OSError(int(number[1]), os.strerror(int(number[1])))) from e


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically. Raises RunError `disk.write_failed` and leaves the old file as it was."""
    path = Path(path)
    tmp: Path | None = None
    try:
        make_folder(path.parent)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        tmp = Path(name)
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        # mkstemp makes 0600; a result is as readable as any file the user makes.
        tmp.chmod(0o666 & ~_umask())
        tmp.replace(path)
        sync(path.parent)
    except OSError as e:
        if tmp is not None:
            with suppress(OSError):  # the first error is the one to tell; `sweep` finds what stays
                tmp.unlink(missing_ok=True)
        raise write_failed(path, e) from e


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically: UTF-8, indented, no NaN or Infinity (which are not JSON)."""
    write_text(path, _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """Read JSON that we wrote. Raises RunError `run.unreadable` when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise unreadable(path, e) from e


def unreadable(path: Path, e: Exception) -> RunError:
    """The one message for a file of ours that is missing, damaged or of another version."""
    return RunError(
        "run.unreadable",
        t("cannot be read: {e}", "无法读取：{e}", e=e),
        where=str(path),
        fix=t("the run is damaged or of another version: run it again",
              "运行目录已损坏或版本不符，请重新运行"),
    )


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with the SHA-256 of its own content, for what a run goes by and cannot make anew."""
    write_json(path, {**value, _SEAL: _digest(value)})


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote. Raises RunError `run.damaged` when a single bit differs, `run.unreadable`."""
    value = read_json(path)
    told = value.pop(_SEAL, None) if isinstance(value, dict) else None
    # Written anew it must be the same text: JSON has several ways to say one thing.
    if told != _digest(value) or Path(path).read_text(encoding="utf-8") != _json({**value, _SEAL: told}):
        raise damaged(path)
    return dict(value)


def damaged(path: Path) -> RunError:
    """The one message for a file that a run cannot do without and cannot make anew."""
    return RunError("run.damaged", t("this is not what was written", "内容与写入时不一致"), where=str(path),
                    fix=t("put it back from a copy, or start a new run with: weitiao tune",
                          "请用备份恢复该文件，或用 weitiao tune 重新开始"))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@contextmanager
def passing(folder: Path) -> Iterator[Path]:
    """A new folder for what is on its way, on the same disk as its parent; gone in the end, whatever happened."""
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary sibling folder that becomes `final` when the block ends well and vanishes when it does not.

    An existing `final` is replaced; between the two renames no state is lost: the old one is set aside first and
    removed last. Raises RunError `disk.write_failed` on a full or read-only disk.
    """
    final = Path(final)
    tmp: Path | None = None
    try:
        with writing(final):
            make_folder(final.parent)
            tmp = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.", suffix=".tmp"))
            tmp.chmod(0o777 & ~_umask())
            yield tmp
            sync_tree(tmp)
            _put(tmp, final)
    finally:
        if tmp is not None and tmp.exists():
            shutil.rmtree(tmp, ignore_errors=True)


def _put(tmp: Path, final: Path) -> None:
    """Rename, in place of what is there."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    try:
        tmp.rename(final)
    except OSError:
        if old.exists():
            old.rename(final)
        raise
    sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Gone at once: under its own name there is never a part of it. Raises RunError `disk.write_failed`."""
    with writing(folder):
        aside = folder.with_name(f".{folder.name}.gone.tmp")
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        shutil.rmtree(aside)


def sweep(folder: Path) -> None:
    """Clear up directly below `folder` after killed writers: a folder that was set aside and not replaced comes back,
    all else goes. Nobody else may be writing there."""
    with writing(folder):
        for path in folder.glob(".*"):
            final = folder / path.name[1:].removesuffix(".old")
            if path.suffix == ".old" and not final.exists():
                path.rename(final)
            elif path.suffix in (".tmp", ".old"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


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
