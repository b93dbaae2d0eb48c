"""Strict JSON: no NaN or Infinity, no doubled keys, no half surrogate pairs, no more than 64 levels.

>>> check_line('{"text": "好", "text": "坏"}')
Traceback (most recent call last):
weitiao.formats._json.Flaw: ('row.doubled_key', 'text', ...)

Python's own reader takes all of these; each would later break a tokenizer, lose a value, or end in NaN losses.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from weitiao.core.i18n import t
from weitiao.example import Row
from weitiao.formats import BadRow, Source
from weitiao.formats._shared import lines, not_this_format, shortened

_MAX_DEPTH = 64
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]")


class Flaw(ValueError):
    """A value that parses but must not be used: code, field, reason."""

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(code, field, reason)
        self.code, self.field, self.reason = code, field, reason


def _no_constant(name: str) -> NoReturn:
    raise Flaw("row.not_a_number", "", t("{n} is no JSON value", "{n} 不是合法的 JSON 值", n=name))


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Flaw("row.not_a_number", "", t("{n} is too large a number", "数值 {n} 过大", n=text[:40]))
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [k for k, _ in pairs]
        doubled = next(k for i, k in enumerate(keys) if k in keys[:i])
        raise Flaw("row.doubled_key", doubled, t("the key {k!r} stands twice", "键 {k!r} 重复出现", k=doubled))
    return out


STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
LENIENT = json.JSONDecoder()


def too_deep() -> Flaw:
    return Flaw("row.too_deep", "", t("more than {n} levels of nesting", "嵌套超过 {n} 层", n=_MAX_DEPTH))


def check(value: Any, text: str) -> dict[str, Any]:
    """The row, if `value`, which was parsed from `text`, is an object and sound. Raises Flaw."""
    if not isinstance(value, dict):
        raise Flaw("row.not_object", "", t("an object {{...}} is needed, got {k}", "应为对象 {{...}}，得到 {k}",
                                           k=type(value).__name__))
    if text.count("[") + text.count("{") > _MAX_DEPTH and _depth(value) > _MAX_DEPTH:
        raise too_deep()
    if _MAY_BE_HALF.search(text):
        for key, part in value.items():
            if any(isinstance(x, str) and _HALF_PAIR.search(x) for x in (key, *_leaves(part))):
                raise Flaw("row.not_unicode", _HALF_PAIR.sub("\ufffd", key),
                           t("half of a surrogate pair: no valid Unicode text",
                             "含有孤立的代理字符，不是合法的 Unicode 文本"))
    return value


def located(flaw: Flaw, value: Any) -> Flaw:
    """The flaw with the key in whose value a number is not finite; `value` was parsed leniently."""
    if flaw.code == "row.not_a_number" and isinstance(value, dict):
        for key, part in value.items():
            if any(isinstance(x, float) and not math.isfinite(x) for x in _leaves(part)):
                return Flaw(flaw.code, str(key), flaw.reason)
    return flaw


def _depth(value: Any) -> int:
    """Levels of nesting, without recursion."""
    depth, level = 0, [value]
    while level := [x for x in level if isinstance(x, (dict, list))]:
        depth += 1
        level = [y for x in level for y in (x.values() if isinstance(x, dict) else x)]
    return depth


def _leaves(value: Any) -> Iterator[Any]:
    """All keys and values that hold no others."""
    stack = [value]
    while stack:
        x = stack.pop()
        if isinstance(x, dict):
            stack.extend((*x, *x.values()))
        elif isinstance(x, list):
            stack.extend(x)
        else:
            yield x


def check_line(text: str) -> dict[str, Any]:
    """One line of JSON Lines as a row. Raises Flaw."""
    try:
        return check(STRICT.decode(text), text)
    except RecursionError:
        raise too_deep() from None
    except json.JSONDecodeError as e:
        raise Flaw("row.not_json", "", t("no valid JSON: {m} at character {c}", "不是合法的 JSON：第 {c} 个字符处 {m}",
                                         m=e.msg, c=e.pos + 1)) from None
    except Flaw as flaw:
        raise located(flaw, LENIENT.decode(text) if flaw.code == "row.not_a_number" else None) from None
    except ValueError as e:  # a whole number of more than 4,300 digits
        raise Flaw("row.not_a_number", "", str(e)) from None


def bad_row(source: Source, line: int, flaw: Flaw, text: str) -> BadRow:
    return BadRow(source.shown, line, flaw.field, flaw.code, flaw.reason, shortened(text))


def read_json_lines(source: Source) -> Iterator[Row | BadRow]:
    """One object a line; lines of white space only are skipped.

    Raises DataError `data.not_this_format` where the file begins like one JSON value of several lines.
    """
    began = False
    for number, line in enumerate(lines(source), 1):
        text = line.strip(" \t\r\n")
        if not text:
            continue
        if not began and text in ("[", "{", "[{"):
            raise not_this_format(source, t("one JSON value over several lines, not one object a line",
                                            "这是一个跨多行的 JSON 值，而不是每行一个对象"), "JSON Lines",
                                  t("call it .json, or add --format json",
                                    "请改扩展名为 .json，或加 --format json"), number)
        began = True
        try:
            row: Row | BadRow = Row(check_line(text), source.shown, number)
        except Flaw as flaw:
            row = bad_row(source, number, flaw, text)
        yield row
