"""Nested reading comprehension: one row a question, each with a place of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weitiao import formats
from weitiao.example import Row
from weitiao.formats import BadRow


def read(tmp_path: Path, value: Any, name: str = "a.json", **how: Any) -> tuple[list[Row | BadRow], dict[str, str]]:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, **how), encoding="utf-8")
    (file,) = formats.find([path])
    return list(file.rows()), file.source.facts


def article(title: str, *paragraphs: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"title": title, "paragraphs": [{"context": c, "qas": q} for c, q in paragraphs]}


ONE = {"id": "q1", "question": "Where?", "answers": [{"text": "here", "answer_start": 3}]}
NONE = {"id": "q2", "question": "Why?", "answers": [], "is_impossible": True,
        "plausible_answers": [{"text": "so", "answer_start": 0}]}
SQUAD = {"version": "v2.0", "data": [article("A", ("It's here.", [ONE, NONE]), ("Other.", [ONE])), article("B", ("x", [ONE]))]}


@pytest.mark.parametrize("indent", [None, 1])
def test_squad_on_one_line_and_on_many(tmp_path: Path, indent: int | None) -> None:
    rows, facts = read(tmp_path, SQUAD, indent=indent)
    assert [r.line for r in rows] == [1, 2, 3, 4] and facts["places"] == "questions"
    first, second = (r.values for r in rows[:2] if isinstance(r, Row))
    assert first == {"id": "q1", "question": "Where?", "answers": ONE["answers"], "title": "A", "context": "It's here."}
    assert second["is_impossible"] is True and "plausible_answers" not in second
    assert [r.values["context"] for r in rows if isinstance(r, Row)] == ["It's here.", "It's here.", "Other.", "x"]


def test_the_first_form_of_cmrc(tmp_path: Path) -> None:
    value = [{"context_id": "T0", "context_text": "范廷颂是越南主教。", "title": "范廷颂",
              "qas": [{"query_text": "范廷颂是什么？", "query_id": "T0_Q0", "answers": ["主教", "越南主教"]}]}]
    rows, _ = read(tmp_path, value)
    assert isinstance(rows[0], Row) and dict(rows[0].values) == {
        "id": "T0_Q0", "question": "范廷颂是什么？", "answers": ["主教", "越南主教"], "title": "范廷颂", "context": "范廷颂是越南主教。"}


def test_an_article_a_line(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(a) for a in SQUAD["data"])
    for name in ("a.jsonl", "a.json"):
        rows, _ = read(tmp_path, lines, name)
        assert [r.line for r in rows] == [1, 2, 3, 4]


def test_what_is_no_passage_is_named(tmp_path: Path) -> None:
    broken = {"data": [{"title": "A", "paragraphs": [{"context": "x"}, {"context": "x", "qas": [ONE, "?"]},
                                                     {"qas": [ONE]}]}]}
    rows, _ = read(tmp_path, broken)
    assert [r.code if isinstance(r, BadRow) else "" for r in rows] == ["row.not_squad", "", "row.not_squad", "row.not_squad"]
    assert [r.line for r in rows] == [1, 2, 3, 4]
    assert rows[0].raw == "A"  # type: ignore[union-attr]


def test_other_tables_stay_as_they_are(tmp_path: Path) -> None:
    value = [{"paragraphs": ["a", "b"], "label": 1}, {"text": "x", "qas": "none"}]
    rows, facts = read(tmp_path, value, indent=0)
    assert [dict(r.values) for r in rows if isinstance(r, Row)] == value and "places" not in facts
