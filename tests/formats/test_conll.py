"""CoNLL files as they lie about: several columns, tabs or spaces, odd blanks, and lines that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weitiao import formats
from weitiao.core.errors import DataError
from weitiao.core.text import join_words
from weitiao.formats import BadRow


def read(tmp_path: Path, text: str | bytes) -> list[Any]:
    path = tmp_path / "x.conll"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(formats.read_rows([path]))


def test_conll2003(tmp_path: Path) -> None:
    rows = read(tmp_path, "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\nPeter NNP B-NP B-PER\n")
    assert [(r.values["tokens"], r.values["tags"], r.line) for r in rows] == [
        (["EU", "rejects"], ["B-ORG", "O"], 3), (["Peter"], ["B-PER"], 7)]


def test_tabs_keep_spaces_and_full_width_spaces_are_words(tmp_path: Path) -> None:
    rows = read(tmp_path, "New York\tB-LOC\n\u3000\tO\n是\tO\n\n\u3000 O\n".encode())
    assert rows[0].values["tokens"] == ["New York", "\u3000", "是"]
    assert rows[1].values["tokens"] == ["\u3000 O"] and "tags" not in rows[1].values  # where tabs divide, a space does not
    assert read(tmp_path, "\u3000 O\n李 B-PER\n")[0].values["tokens"] == ["\u3000", "李"]


@pytest.mark.parametrize(("text", "line"), [
    ("a O\nb\n", 2), ("a\nb O\n", 2), ("a\tO\n\tO\n", 2), ("a\tO\nb\t\n", 2), ("a\tO\nb O\n", 2), ("a O\nit is O\n", 2)])
def test_a_line_that_cannot_be_meant_makes_its_sentence_bad(tmp_path: Path, text: str, line: int) -> None:
    rows = read(tmp_path, "x\tO\n\n" + text if "\t" in text else "x O\n\n" + text)
    assert isinstance(rows[1], BadRow) and rows[1].line == line + 2 and rows[1].code == "row.conll"
    assert text.split("\n")[0] in rows[1].raw


def test_words_without_tags_are_read_for_prediction(tmp_path: Path) -> None:
    assert read(tmp_path, "good\nmovie\n\nbad")[0].values == {"text": "good movie", "tokens": ["good", "movie"]}


def test_gb18030_and_windows_line_ends(tmp_path: Path) -> None:
    rows = read(tmp_path, "李 B-PER\r\n开 I-PER\r\n复 I-PER\r\n\r\n好 O\r\n".encode("gb18030"))
    assert [r.values["text"] for r in rows] == ["李开复", "好"]


@pytest.mark.parametrize("data", ["", "\n\n", "-DOCSTART- -X- O\n\n"])
def test_a_file_without_words_is_refused(tmp_path: Path, data: str) -> None:
    with pytest.raises(DataError, match=r"data\.empty_file"):
        read(tmp_path, data)


@pytest.mark.parametrize(("words", "text"), [
    ("Do you have 22nd of August available ?", "Do you have 22nd of August available?"),
    ("I ' d like it", "I'd like it"), ("It 's 6 : 15 p.m. , ( ok ) .", "It's 6:15 p.m., (ok)."),
    ("我 爱 iPhone 手机 。", "我爱iPhone手机。"), ("costs 25 . 5 % more", "costs 25.5% more"), ("A B C", "A B C"),
    ("用 i P a d", "用iPad"), ("a - b", "a - b"), ("say ' hello '", "say ' hello '"), ("", "")])
def test_words_are_joined_as_people_write(words: str, text: str) -> None:
    got, places = join_words(words.split())
    assert got == text
    assert [got[a:b] for a, b in places] == words.split()
