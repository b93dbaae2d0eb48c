"""Bytes to lines: encodings found or refused over the whole file, line ends, gzip, binary files."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from weitiao import formats
from weitiao.core.errors import DataError
from weitiao.example import Row

TABLE = "text,label\n这家店的菜很好吃,positive\n太慢了，不会再来,negative\n"


def rows(path: Path, **options: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The values of all rows, which must be good, and what the reader found out."""
    (file,) = formats.find([path], **options)
    got = list(file.rows())
    assert all(isinstance(r, Row) for r in got), got
    return [dict(r.values) for r in got if isinstance(r, Row)], file.source.facts


def written(tmp_path: Path, data: bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def refused(path: Path, **options: str) -> DataError:
    with pytest.raises(DataError) as e:
        list(formats.read_rows([path], **options))
    return e.value


EXPECTED = [{"text": "这家店的菜很好吃", "label": "positive"}, {"text": "太慢了，不会再来", "label": "negative"}]


@pytest.mark.parametrize(("codec", "found"), [
    ("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030"), ("gbk", "gb18030"), ("utf-16", "utf-16"),
    ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"), ("utf-32", "utf-32"),
])
@pytest.mark.parametrize("zipped", [False, True])
def test_encodings_are_found(tmp_path: Path, codec: str, found: str, zipped: bool) -> None:
    data = TABLE.encode(codec)
    path = written(tmp_path, gzip.compress(data) if zipped else data, "a.csv.gz" if zipped else "a.csv")
    got, facts = rows(path)
    assert got == EXPECTED
    assert facts["encoding"] == found


def test_utf16_big_endian_with_mark(tmp_path: Path) -> None:
    assert rows(written(tmp_path, b"\xfe\xff" + TABLE.encode("utf-16-be")))[0] == EXPECTED


def test_traditional_chinese_in_gbk(tmp_path: Path) -> None:
    table = "text,label\n這家飯館的飯菜真的很難吃，不會再來,negative\n老闆熱情，環境乾淨，還會再來,positive\n"
    got, facts = rows(written(tmp_path, table.encode("gbk")))
    assert got[1]["text"] == "老闆熱情，環境乾淨，還會再來" and facts["encoding"] == "gb18030"


def test_encoding_is_judged_by_the_whole_file(tmp_path: Path) -> None:
    """Three megabytes of ASCII, then GBK: a reader that looks at the beginning only would end in the middle."""
    ascii_rows = "a plain English sentence of some length,positive\n" * 60_000
    got, facts = rows(written(tmp_path, b"text,label\n" + ascii_rows.encode() + "很好,positive\n".encode("gbk")))
    assert facts["encoding"] == "gb18030" and got[-1]["text"] == "很好" and len(got) == 60_001


@pytest.mark.parametrize("codec", ["latin-1", "big5", "shift_jis", "cp1251"])
def test_other_encodings_are_refused_unless_named(tmp_path: Path, codec: str) -> None:
    text = {"latin-1": "l'été déjà passé à la forêt, señor Núñez", "big5": "這家餐廳的服務態度非常差，等了一個小時",
            "shift_jis": "この商品はとても良いです。ありがとう", "cp1251": "Очень хороший товар, спасибо"}[codec]
    path = written(tmp_path, f"text,label\n\"plain\",a\n\"{text}\",b\n".encode(codec))
    error = refused(path)
    assert error.code == "data.encoding"
    assert error.where.endswith("a.csv:3") and "byte" in error.what and "--encoding" in error.fix
    assert rows(path, encoding=codec)[0][1]["text"] == text


def test_a_damaged_utf8_file_is_not_taken_for_gbk(tmp_path: Path) -> None:
    """One bad byte among Chinese UTF-8 still decodes as GB18030, into nonsense."""
    good = ("这是一个很长的句子" * 20 + "\n").encode()
    data = b"text\n" + good * 3 + "好".encode() + b"\xb0\n" + good * 3
    error = refused(written(tmp_path, data))
    assert error.code == "data.encoding" and "UTF-8" in error.what
    assert str(data.index(b"\xb0\n")) in error.what and error.where.endswith(":5")


def test_wrong_named_encoding_says_where(tmp_path: Path) -> None:
    path = written(tmp_path, TABLE.encode("gbk"))
    error = refused(path, encoding="utf-8")
    assert error.code == "data.encoding" and error.where.endswith(":2") and "byte 11" in error.what
    assert refused(path, encoding="utf-9").code == "data.encoding"
    assert refused(path, encoding="base64").code == "data.encoding"
    assert refused(path, encoding="utf-16").code == "data.encoding"


def test_a_cut_utf16_file_is_refused(tmp_path: Path) -> None:
    assert refused(written(tmp_path, TABLE.encode("utf-16")[:-1])).code == "data.encoding"


def test_lines_end_at_newline_only(tmp_path: Path) -> None:
    text = "a\u2028b\u2029c\x85d\x0ce\x0bf\x1cg"
    got, _ = rows(written(tmp_path, f"text,label\r\n{text},x\r\n1 row,y\n".encode()))
    assert [r["text"] for r in got] == [text, "1 row"]
    got, _ = rows(written(tmp_path, f'{{"text": "{text.replace(chr(12), "").replace(chr(11), "").replace(chr(28), "")}"}}\n'
                          '{"text": "2"}'.encode(), "a.jsonl"))
    assert len(got) == 2 and "\u2028" in got[0]["text"]


def test_line_ends_of_old_macs(tmp_path: Path) -> None:
    assert rows(written(tmp_path, TABLE.replace("\n", "\r").encode()))[0] == EXPECTED


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl", "a.json", "a.parquet", "a.xlsx"])
@pytest.mark.parametrize("data", [b"", b"\n\n"], ids=["nothing", "line ends"])
def test_empty_files(tmp_path: Path, name: str, data: bytes) -> None:
    error = refused(written(tmp_path, data, name))
    assert error.code == ("data.not_this_format" if data and name.endswith(("parquet", "xlsx")) else "data.empty_file")
    assert error.fix


def test_empty_gzip(tmp_path: Path) -> None:
    assert refused(written(tmp_path, gzip.compress(b""), "a.csv.gz")).code == "data.empty_file"


def test_cut_gzip(tmp_path: Path) -> None:
    data = gzip.compress(bytes(range(256)) * 100 + TABLE.encode())
    error = refused(written(tmp_path, data[: len(data) // 2], "a.csv.gz"))
    assert error.code == "data.unreadable"


@pytest.mark.parametrize("data", [
    b"PK\x03\x04\x14\x00\x06\x00rest of a zip", b"\x89PNG\r\n\x1a\n....", pickle.dumps({"a": 1}), b"PAR1....PAR1",
    b"text,label\ngood\0,1\n", bytes(range(256)) * 40, b"%PDF-1.7 ...", "好\0好".encode("utf-16"),
], ids=["zip", "png", "pickle", "parquet", "zero bytes", "bytes", "pdf", "zero in utf-16"])
@pytest.mark.parametrize("encoding", ["auto", "latin-1"])
def test_binary_files(tmp_path: Path, data: bytes, encoding: str) -> None:
    error = refused(written(tmp_path, data), encoding=encoding)
    assert error.code == "data.binary" and error.fix


def test_memory_is_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty megabytes are read in less than ten; what is kept is the sample that the dialect is judged by."""
    monkeypatch.setattr("weitiao.formats._rows._SAMPLE_LINES", 500)
    path = written(tmp_path, b"text,label\n" + ("很好吃" * 150 + ",positive\n").encode() * 15_000)
    assert path.stat().st_size > 20e6
    tracemalloc.start()
    count = sum(1 for _ in formats.read_rows([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 15_000
    assert peak < 10e6
