"""What the first rows say about each column: its kind, how full it is, how many values it has.

>>> profile([Row({"text": "好吃", "stars": "5"}, "a.csv", 2), Row({"text": "难吃", "stars": "1"}, "a.csv", 3)])
TableProfile(rows=2, columns=(ColumnProfile(name='text', kind='text', ...), ColumnProfile(name='stars', ...)))
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from weitiao.example import Row
from weitiao.tasks import ColumnProfile, TableProfile

SAMPLED = 20_000
_SURE = 0.98
_SHOWN = 40  # characters of an example
_NAME = 60  # a value longer than this is no list of names
_SEPARATORS = ("|", ";", ",", "/")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Kind = Literal["text", "number", "list", "object", "empty"]


def profile(rows: Iterable[Row], leave_out: frozenset[str] = frozenset()) -> TableProfile:
    """The columns of up to 20,000 rows, in the order in which they first occur."""
    columns: dict[str, _Column] = {}
    count = 0
    for row in rows:
        count += 1
        for name, value in row.values.items():
            if name not in leave_out:
                columns.setdefault(name, _Column()).add(value)
        if count == SAMPLED:
            break
    return TableProfile(count, tuple(c.profile(name, count) for name, c in columns.items()))


class _Column:
    """What was seen of one column so far."""

    def __init__(self) -> None:
        self.kinds: Counter[Kind] = Counter()
        self.values: Counter[str] = Counter()
        self.characters = 0
        self.integral = True

    def add(self, value: Any) -> None:
        kind = kind_of(value)
        if kind == "empty":
            return
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        self.kinds[kind] += 1
        self.values[text] += 1
        self.characters += len(text)
        if kind == "number":
            self.integral = self.integral and float(text).is_integer()

    def profile(self, name: str, rows: int) -> ColumnProfile:
        filled = self.kinds.total()
        kind = self._kind(filled)
        return ColumnProfile(
            name=name, kind=kind, filled=filled / rows, distinct=len(self.values),
            mean_chars=self.characters / filled if filled else 0.0, integral=kind == "number" and self.integral,
            examples=tuple(v if len(v) <= _SHOWN else v[: _SHOWN - 1] + "…" for v in list(self.values)[:3]),
            separator=separator(self.values) if kind == "text" else "",
        )

    def _kind(self, filled: int) -> Kind:
        if not filled:
            return "empty"
        kind, count = self.kinds.most_common(1)[0]
        # Numbers among texts are texts; texts among lists are lists with something wrong in them.
        return "text" if kind == "number" and count < _SURE * filled else kind


def kind_of(value: Any) -> Kind:
    """The kind of one value; strings that are numbers or written lists count as such."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "empty"
    if isinstance(value, str):
        text = value.strip()
        if not text or text.casefold() == "nan":
            return "empty"
        if _NUMBER.fullmatch(text):
            return "number" if math.isfinite(float(text)) else "text"
        return "list" if text.startswith("[") and text.endswith("]") and _is_list(text) else "text"
    if isinstance(value, bool):
        return "text"
    if isinstance(value, (int, float)):
        return "number" if abs(value) < 1e300 else "text"
    return "list" if isinstance(value, (list, tuple)) else "object"


def _is_list(text: str) -> bool:
    """A list as JSON or Python prints it; a mask such as [NAME] or a remark in brackets is none."""
    inside = text[1:-1].strip()
    return not inside or inside[0] in "'\"" or all(_NUMBER.fullmatch(p.strip()) for p in inside.split(","))


def separator(values: Counter[str]) -> str:
    """What stands between the names where values look like lists of a few repeated names, else "".

    >>> separator(Counter({"快|好吃": 3, "快": 2, "好吃": 1, "慢|好吃": 1}))
    '|'

    The names must recombine: more different values than different names. "food/drink" and "home/garden" do not.
    """
    if not values or sum(len(v) * n for v, n in values.items()) > _NAME * values.total():
        return ""
    for mark in _SEPARATORS:
        joined = sum(n for v, n in values.items() if mark in v)
        if joined * 20 < values.total():
            continue
        names: Counter[str] = Counter()
        for value, n in values.items():
            for name in value.split(mark):
                names[name.strip()] += n
        names.pop("", None)
        dates = mark == "/" and all(_NUMBER.fullmatch(n) for n in names)
        if 2 <= len(names) < len(values) and names.total() >= 2 * len(names) and not dates:
            return mark
    return ""
