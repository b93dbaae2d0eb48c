"""Every format in the folder reads its own samples, says where rows stand, and refuses what is not its kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from weitiao import formats
from weitiao.core.errors import DataError
from weitiao.example import Row

FORMATS = formats.names()


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _write(tmp_path: Path, name: str, data: bytes) -> formats.Source:
    path = tmp_path / f"sample{formats.load(name).SUFFIXES[0]}"
    path.write_bytes(data)
    return formats.Source(path)


def test_samples_are_read_whole(name: str, tmp_path: Path) -> None:
    fmt = formats.load(name)
    assert fmt.SAMPLES
    for sample in fmt.SAMPLES:
        rows: list[Any] = list(fmt.read(_write(tmp_path, name, sample)))
        assert all(isinstance(r, Row) for r in rows), rows
        assert [r.values["text"] for r in rows] == ["好", "good, yes"]
        assert 1 <= rows[0].line < rows[1].line
        assert rows[0].file.endswith(fmt.SUFFIXES[0])


def test_rows_are_streamed(name: str, tmp_path: Path) -> None:
    fmt = formats.load(name)
    stream = iter(fmt.read(_write(tmp_path, name, fmt.SAMPLES[0])))
    assert isinstance(next(stream), Row)


def test_a_picture_is_refused(name: str, tmp_path: Path) -> None:
    source = _write(tmp_path, name, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8)
    with pytest.raises(DataError) as e:
        list(formats.load(name).read(source))
    assert e.value.code.startswith("data.") and e.value.fix


def test_endings_are_ours_alone() -> None:
    endings = Counter(s for n in FORMATS for s in formats.load(n).SUFFIXES)
    assert endings and max(endings.values()) == 1
    assert all(s.startswith(".") and s == s.lower() for s in endings)
