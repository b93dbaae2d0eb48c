"""Files and folders: endings, order, names that are nearly right."""

from __future__ import annotations

from pathlib import Path

import pytest

from weitiao import formats
from weitiao.core.errors import DataError, RecipeError
from weitiao.example import Row


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"text": "a"}\n' if "json" in name else "text\na\n")


def test_a_folder_gives_its_known_files_sorted(tmp_path: Path) -> None:
    put(tmp_path, "b.csv", "a.jsonl", "README.md", ".hidden.csv", "sub/c.csv", "c.tsv")
    found = formats.find([tmp_path])
    assert [(Path(f.source.shown).name, f.format) for f in found] == [("a.jsonl", "jsonl"), ("b.csv", "csv"), ("c.tsv", "tsv")]


def test_files_come_once_and_in_order(tmp_path: Path) -> None:
    put(tmp_path, "b.csv", "a.csv")
    found = formats.find([tmp_path / "b.csv", tmp_path, tmp_path / "b.csv"])
    assert [f.source.path.name for f in found] == ["b.csv", "a.csv"]


def test_names_stay_as_given_below_a_root(tmp_path: Path) -> None:
    put(tmp_path, "data/a.csv")
    (row,) = formats.find(["data"], root=tmp_path)[0].rows()
    assert isinstance(row, Row) and row.source == str(Path("data/a.csv")) + ":2"


def test_endings(tmp_path: Path) -> None:
    put(tmp_path, "a.CSV", "b.data")
    assert formats.find([tmp_path / "a.CSV"])[0].format == "csv"
    assert formats.find([tmp_path / "b.data"], format="csv")[0].format == "csv"
    with pytest.raises(DataError, match=r"data\.unknown_format") as e:
        formats.find([tmp_path / "b.data"])
    assert "csv" in e.value.fix
    with pytest.raises(RecipeError, match="csv"):
        list(formats.read_rows([tmp_path / "b.data"], format="cvs"))


def test_missing_files_and_empty_folders(tmp_path: Path) -> None:
    put(tmp_path, "reviews.csv")
    with pytest.raises(DataError, match=r"data\.missing_file") as e:
        formats.find([tmp_path / "review.csv"])
    assert "reviews.csv" in e.value.fix
    with pytest.raises(DataError, match=r"data\.missing_file"):
        formats.find([tmp_path / "no" / "such.csv"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"data\.no_files"):
        formats.find([tmp_path / "empty"])
