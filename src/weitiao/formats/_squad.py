"""Reading comprehension as SQuAD, CMRC 2018 and DRCD nest it, as one row a question.

    {"data": [{"title": "Normans", "paragraphs": [{"context": "...", "qas": [
        {"id": "1", "question": "...", "answers": [{"text": "France", "answer_start": 159}]}]}]}]}

becomes `{"id", "title", "question", "answers", "context"}`, with `is_impossible` where it is given. CMRC 2018's first
form (`context_text`, `query_text`, answers as plain texts, no paragraphs) is read as well. Such files are mostly one
line: a row's place is the number of its question in the file, from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from weitiao.core.i18n import t
from weitiao.example import Row
from weitiao.formats import BadRow, Source
from weitiao.formats._json import Flaw, bad_row

_NAMES = {"id": ("id", "query_id"), "question": ("question", "query_text"), "answers": ("answers",),
          "is_impossible": ("is_impossible",)}


def questions(source: Source, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """The rows as they are, but for nested articles: of these each question."""
    count = 0
    for row in rows:
        if isinstance(row, BadRow) or not _is_nested(row.values):
            yield row
            continue
        source.facts["places"] = "questions"
        for values in _article(row.values):
            count += 1
            yield (Row(values, source.shown, count) if isinstance(values, dict) else
                   bad_row(source, count, values, str(row.values.get("title", ""))))


def _is_nested(values: Mapping[str, Any]) -> bool:
    """An article with paragraphs, or a passage with its questions."""
    return any(isinstance(part := values.get(key), list) and part != [] and all(isinstance(x, dict) for x in part)
               for key in ("paragraphs", "qas"))


def _article(values: Mapping[str, Any]) -> Iterator[dict[str, Any] | Flaw]:
    for paragraph in values.get("paragraphs", [values]):
        context = paragraph.get("context", paragraph.get("context_text"))
        asked = paragraph.get("qas")
        if not isinstance(asked, list) or context is None:
            yield Flaw("row.not_squad", "paragraphs", t("a passage lacks its context or its list of questions (qas)",
                                                        "段落缺少 context 或问题列表 qas"))
            continue
        about = {"title": values["title"]} if "title" in values else {}
        for question in asked:
            yield ({**_fields(question), **about, "context": context} if isinstance(question, dict) else
                   Flaw("row.not_squad", "qas", t("a question must be an object {{...}}", "问题应为对象 {{...}}")))


def _fields(question: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a question, under SQuAD's names; what a file leaves out stays out."""
    return {ours: question[name] for ours, names in _NAMES.items() for name in names if name in question}
