"""jsonl, json, parquet and xlsx: values as they are, flaws named, other kinds of file refused."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from workbook import workbook

from weitiao import formats
from weitiao.core.errors import DataError
from weitiao.example import Row
from weitiao.formats import BadRow


def read(tmp_path: Path, data: str | bytes, name: str) -> tuple[list[Row | BadRow], dict[str, str]]:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    (file,) = formats.find([path])
    return list(file.rows()), file.source.facts


def codes(rows: list[Row | BadRow]) -> list[str]:
    return [r.code if isinstance(r, BadRow) else "" for r in rows]


FLAWS = [
    ('{"text": "a", "label": NaN}', "row.not_a_number", "label"),
    ('{"text": "a", "label": [1, {"x": -Infinity}]}', "row.not_a_number", "label"),
    ('{"text": "a", "label": 1e999}', "row.not_a_number", "label"),
    ('{"text": "a", "text": "b"}', "row.doubled_key", "text"),
    ('{"text": "a", "meta": {"k": 1, "k": 2}}', "row.doubled_key", "k"),
    (r'{"text": "a\ud83d b"}', "row.not_unicode", "text"),
    (r'{"meta": {"deep": ["\uDC00"]}}', "row.not_unicode", "meta"),
    ('["text", "label"]', "row.not_object", ""),
    ('"text"', "row.not_object", ""),
    ('{"text": ' + "[" * 100 + "]" * 100 + "}", "row.too_deep", ""),
]


@pytest.mark.parametrize(("line", "code", "field"), FLAWS)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_flaws_in_json(tmp_path: Path, line: str, code: str, field: str, name: str) -> None:
    good = '{"text": "\\ud83d\\ude00 好"}'
    data = f"{good}\n{line}\n{good}\n" if name == "a.jsonl" else f"[{good},\n{line},\n{good}\n]"
    rows, _ = read(tmp_path, data, name)
    assert codes(rows) == ["", code, ""]
    bad = rows[1]
    assert isinstance(bad, BadRow) and bad.field == field and bad.line == 2 and bad.raw and bad.reason
    assert isinstance(rows[0], Row) and rows[0].values["text"] == "😀 好" and rows[2].line == 3


@pytest.mark.parametrize("line", ['{"text": "a"', "{'text': 'a'}", '{"text": "a"} {"text": "b"}', "text,label",
                                  '{"text": "a",}', "[" * 100_000, '{"n": ' + "1" * 5000 + "}"])
def test_lines_that_are_no_json(tmp_path: Path, line: str) -> None:
    rows, _ = read(tmp_path, f'{{"text": "a"}}\n{line}\n\n{{"text": "b"}}', "a.jsonl")
    assert [bool(c) for c in codes(rows)] == [False, True, False] and rows[2].line == 4


def test_an_array_called_jsonl(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.not_this_format") as e:
        read(tmp_path, '[\n  {"text": "a"}\n]', "a.jsonl")
    assert ".json" in e.value.fix


def test_keys_may_differ(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, '{"text": "a", "label": 1}\n{"text": "b", "labels": ["x"]}', "a.jsonl")
    assert [dict(r.values) for r in rows if isinstance(r, Row)] == [
        {"text": "a", "label": 1}, {"text": "b", "labels": ["x"]}]


@pytest.mark.parametrize(("data", "facts"), [
    ('[{"text": "a"}, {"text": "b"}]', {}),
    ('{"data": [{"text": "a"}, {"text": "b"}]}', {"key": "data"}),
    ('{"info": {"a": [1]}, "train": [{"text": "a"},{"text": "b"}], "test": [{"text": "c"}]}',
     {"key": "train", "ignored": "test"}),
    ('{"text": "a"}\n{"text": "b"}\n', {}),
    ('{\n "text": "a"\n}\n{"text": "b"}'.replace("\n ", "").replace('"\n}', '"}'), {}),
])
def test_shapes_of_json(tmp_path: Path, data: str, facts: dict[str, str]) -> None:
    rows, found = read(tmp_path, data, "a.json")
    assert [r.values["text"] for r in rows if isinstance(r, Row)] == ["a", "b"]
    assert {k: v for k, v in found.items() if k != "encoding"} == facts


@pytest.mark.parametrize(("data", "line"), [
    ('{"text": ["a", "b"], "label": [1, 0]}', 1), ("hello", 1), ('[{"text": "a"},\n{"text": "b"', 2),
    ('[{"text": "a"}\n {"text": "b"}]', 2), ('[{"text": "a"}]\n[]', 2), ('{"data": [{"text": "a"}],\n x}', 2),
    ("[" * 100_000, 1), ('{"a": 1', 1), ("{1: 2}", 1),
])
def test_json_that_is_none(tmp_path: Path, data: str, line: int) -> None:
    with pytest.raises(DataError, match=r"data\.not_this_format") as e:
        read(tmp_path, data, "a.json")
    assert e.value.where.endswith(f"a.json:{line}") and e.value.fix and "{{" not in str(e.value)


def test_large_json_is_read_in_pieces(tmp_path: Path) -> None:
    """Elements longer and shorter than the window; all on one line, and one a line."""
    texts = ["很好吃 " * n for n in (1, 50_000, 3, 200_000, 2)] * 3
    for separator in (",", ",\n"):
        data = "[" + separator.join(json.dumps({"text": x, "n": i}) for i, x in enumerate(texts)) + "]"
        rows, _ = read(tmp_path, data, "a.json")
        assert [r.values["text"] for r in rows if isinstance(r, Row)] == texts
        assert rows[-1].line == (1 if separator == "," else 15)


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"text": ["a", None, "c"], "label": [1.5, float("nan"), 2.0], "day": [date(2024, 3, 5)] * 3,
             "n": [Decimal("1.50")] * 3, "tags": [["x"], [], None], "raw": [b"ok", b"\xff", b"ok"]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    rows = list(formats.read_rows([tmp_path / "t.parquet"]))
    assert codes(rows) == ["", "row.not_text", ""]
    assert isinstance(rows[0], Row) and dict(rows[0].values) == {
        "text": "a", "label": 1.5, "day": "2024-03-05", "n": 1.5, "tags": ["x"], "raw": "ok"}
    assert [r.line for r in rows] == [1, 2, 3]
    pq.write_table(pa.table({"text": [None], "label": [float("nan")]}), tmp_path / "t.parquet")
    (row,) = formats.read_rows([tmp_path / "t.parquet"])
    assert isinstance(row, Row) and dict(row.values) == {"text": None, "label": None}


def test_not_parquet(tmp_path: Path) -> None:
    for data in ("text,label\n", b"PAR1" + b"x" * 50):
        with pytest.raises(DataError, match=r"data\.not_this_format"):
            read(tmp_path, data, "a.parquet")


CELLS: list[list[Any]] = [[None, None, None], ["text", "label", None], ["好", 1, None], [None, None, None],
                          ["good, yes", 2.5, None], [12, True, None]]


def test_workbook(tmp_path: Path) -> None:
    rows, facts = read(tmp_path, workbook({"空": [], "数据": CELLS, "more": [["text"], ["x"]]}), "a.xlsx")
    assert [(r.line, dict(r.values)) for r in rows if isinstance(r, Row)] == [
        (3, {"text": "好", "label": "1"}), (5, {"text": "good, yes", "label": "2.5"}), (6, {"text": "12", "label": "true"})]
    assert facts == {"sheet": "数据", "ignored": "more"}


def test_workbook_without_header(tmp_path: Path) -> None:
    rows, facts = read(tmp_path, workbook({"s": [["好吃", 1], ["难吃", 0], ["一般", 1]]}), "a.xlsx")
    assert facts == {"header": "none"} and isinstance(rows[0], Row) and dict(rows[0].values) == {"text": "好吃", "label": "1"}


def test_not_a_workbook(tmp_path: Path) -> None:
    for data in ("text,label\n1,2\n", b"PK\x03\x04 but no workbook"):
        with pytest.raises(DataError, match=r"data\.not_this_format"):
            read(tmp_path, data, "a.xlsx")
    with pytest.raises(DataError, match=r"data\.empty_file"):
        read(tmp_path, workbook({"a": [], "b": []}), "a.xlsx")


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from weitiao.core.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtra, match="xlsx"):
        read(tmp_path, workbook({"s": [["text"], ["a"]]}), "a.xlsx")
