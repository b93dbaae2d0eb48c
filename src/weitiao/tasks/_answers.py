"""Answers in a passage as people write them down, read as texts with the places where they stand.

>>> read_answers({"text": ["France"], "answer_start": [159]}, None, context, "answers")
{'text': ['France'], 'answer_start': [159], 'moved': 0}

A place counts characters (Unicode code points) from 0. Rules, in this order: white space around an answer is not part
of it; an answer that stands at its offset stays; one that stands elsewhere goes to the nearest occurrence (of two
equally near the first) and counts as moved; one without offset goes to its first occurrence; one that does not stand in
the passage gets the place -1. A row needs one answer with a place; the others are kept, since judging can use them.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.tasks._shared import is_missing


def none() -> dict[str, Any]:
    """The target of a question without an answer."""
    return {"text": [], "answer_start": [], "moved": 0}


def read_answers(value: Any, start: Any, context: str, field: str) -> dict[str, Any]:
    """The target of a row: `text` and `answer_start` (lists of equal length), and how many answers were `moved`.

    Args:
        value: a text; a list of texts; `{"text": [...], "answer_start": [...]}`; a list of `{"text", "answer_start"}`;
            or one of these written as JSON or as Python prints it. An empty list means that there is no answer.
        start: the offset of a plain text, or None.
        context: the passage.
        field: the column, for errors.

    Raises RowError `row.no_answer`, `row.bad_answer`, `row.bad_offset`, `row.answer_not_in_passage`.
    """
    found = [_locate(text, offset, context) for text, offset in _pairs(_parsed(value), start, field)]
    if not found:
        return none()
    if all(place < 0 for _, place, _ in found):
        raise RowError("row.answer_not_in_passage", field,
                       t("the answer does not stand in the passage: {x}", "段落中没有这个答案：{x}",
                         x=_short(found[0][0])))
    return {"text": [text for text, _, _ in found], "answer_start": [place for _, place, _ in found],
            "moved": sum(moved for _, _, moved in found)}


def says_none(value: Any, field: str) -> bool | None:
    """What `is_impossible` says: true, false, or nothing. Raises RowError `row.bad_answer`."""
    if is_missing(value):
        return None
    said = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False,
            "no": False}.get(str(value).strip().casefold())
    if said is None:
        raise RowError("row.bad_answer", field, t("true or false is needed, got {x}", "应为 true 或 false，得到 {x}",
                                                  x=_short(value)))
    return said


def _locate(text: str, offset: int | None, context: str) -> tuple[str, int, bool]:
    """The answer without white space around it, its place (-1: none), and whether it was moved there."""
    bare = text.strip()
    if offset is not None:
        offset += len(text) - len(text.lstrip())
        if offset >= 0 and context.startswith(bare, offset):
            return bare, offset, False
    places = list(_occurrences(bare, context))
    if not places:
        return bare, -1, False
    if offset is None:
        return bare, places[0], False
    return bare, min(places, key=lambda p: abs(p - offset)), True


def _occurrences(text: str, context: str) -> Iterator[int]:
    place = context.find(text)
    while place >= 0:
        yield place
        place = context.find(text, place + 1)


# -- forms ---------------------------------------------------------------------------------------------------------

def _parsed(value: Any) -> Any:
    """A list or an object that was written as text (csv files); everything else as it is."""
    if not isinstance(value, str) or not value.strip().startswith(("{", "[]", "[{", '["', "['")):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            got = parse(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(got, (dict, list)):
            return got
    return value


def _pairs(value: Any, start: Any, field: str) -> list[tuple[str, int | None]]:
    """Text and offset of each answer."""
    if isinstance(value, Mapping):
        if "text" not in value:
            raise _bad(field, value)
        texts, offsets = _listed(value["text"]), _listed(value.get("answer_start", ()))
        if offsets and len(offsets) != len(texts):
            raise RowError("row.bad_offset", field, t("{n} texts and {m} offsets", "{n} 个答案，{m} 个位置",
                                                      n=len(texts), m=len(offsets)))
        given: Sequence[tuple[Any, Any]] = list(zip(texts, offsets or [None] * len(texts), strict=True))
    elif isinstance(value, (list, tuple)):
        given = [(x.get("text"), x.get("answer_start")) if isinstance(x, Mapping) else (x, None) for x in value]
    else:
        given = [(value, start)]
    return [(_text(text, field), _offset(offset, field)) for text, offset in given]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _text(value: Any, field: str) -> str:
    if is_missing(value):
        raise RowError("row.no_answer", field,
                       t("the answer is empty; a question without an answer says [] or is_impossible = true",
                         "答案为空；若问题没有答案，请写 [] 或 is_impossible = true"))
    if isinstance(value, (Mapping, list, tuple, bool)):
        raise _bad(field, value)
    return str(value)


def _offset(value: Any, field: str) -> int | None:
    """The offset as a number; None where none is given."""
    if is_missing(value):
        return None
    try:
        number = float(value)
        if not isinstance(value, bool) and number.is_integer():
            return int(number)
    except (TypeError, ValueError):
        pass
    raise RowError("row.bad_offset", field, t("an offset is a whole number of characters, got {x}",
                                              "答案位置应为整数（字符数），得到 {x}", x=_short(value)))


def _bad(field: str, value: Any) -> RowError:
    return RowError("row.bad_answer", field,
                    t("neither a text nor text with answer_start: {x}", "既不是文本，也不是 text 加 answer_start：{x}",
                      x=_short(value)))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
