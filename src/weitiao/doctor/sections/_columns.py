"""Columns that the task does not read: do they predict the label, do they name groups, do they tell a time?

>>> [(c.column, c.why) for c in predictors({"id": ids}, labels)]
[('id', 'order')]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from weitiao.prepare.dividing import moment

_GAIN = 0.5  # share of the errors of always saying the most frequent label that a column takes away
_DIFFERENT = 40  # numbers that have an order worth the name
_GROUP_NAMES = re.compile(r"user|author|speaker|session|customer|patient|account|doc|dialog|thread|group|file|source|"
                          r"page|用户|作者|会话|客户|患者|文档|来源|店|商家", re.IGNORECASE)
_DATED = re.compile(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}")


class Predictor(NamedTuple):
    """A column that says the label: its values do (`value`), their beginnings without the digits (`prefix`), or their
    order as numbers or times (`order`). `right` of `rows` are guessed by it, `most` by the most frequent label."""

    column: str
    why: Literal["value", "prefix", "order"]
    right: int
    most: int
    rows: int


def predictors(columns: Mapping[str, Sequence[str]], labels: Sequence[str]) -> list[Predictor]:
    """Columns that take away half of the errors and more of always guessing the most frequent label.

    Each row is guessed from the other rows only, so a column of different values predicts nothing.

    Args:
        columns: name to the value of each row.
        labels: of each row.
    """
    most = Counter(labels).most_common(1)[0][1] if labels else 0
    out = []
    for name, values in columns.items():
        ways: dict[Literal["value", "prefix", "order"], int] = {
            "value": _left_one_out(values, labels),
            "prefix": _left_one_out([re.sub(r"\d+", "", v) for v in values], labels),
            "order": _in_order(values, labels)}
        for why, right in ways.items():
            if right - most >= _GAIN * (len(labels) - most) > 0 and right - most >= 10:
                out.append(Predictor(name, why, right, most, len(labels)))
                break
    return out


def runs(labels: Iterable[str]) -> tuple[int, float, float]:
    """How many there are, the share of rows that have the label of the row before them, and the share that chance
    gives: Σ p²."""
    counts: Counter[str] = Counter()
    same, last = 0, ""
    for label in labels:
        same += bool(counts) and label == last
        counts[label] += 1
        last = label
    rows = counts.total()
    if rows < 2:
        return rows, 0.0, 0.0
    return rows, same / (rows - 1), sum((n / rows) ** 2 for n in counts.values())


def is_group(name: str, values: Sequence[str], texts: int) -> bool:
    """Could the values name a user, a document, a conversation? They repeat: two rows a value on average and more, over
    ten values and more, on nearly all rows; under another name than the usual ones they must be no small set.

    Args:
        texts: different texts among the rows.
    """
    filled = [v for v in values if v]
    different = len(set(filled))
    if len(filled) < 0.9 * len(values) or different < 10 or len(filled) < 2 * different or texts < 20:
        return False
    return bool(_GROUP_NAMES.search(name)) or different >= max(50, 0.05 * len(filled))


def is_time(values: Sequence[str]) -> bool:
    """Dates on nearly all rows, and more than one of them."""
    dated = sum(bool(_DATED.match(v.strip())) and moment(v) is not None for v in values)
    return dated >= 0.95 * len(values) > 0 and len(set(values)) > 1


def _left_one_out(keys: Sequence[str], labels: Sequence[str]) -> int:
    """Rows whose label is the most frequent one among the other rows with their key (ties are none)."""
    counts: dict[str, Counter[str]] = {}
    for key, label in zip(keys, labels, strict=True):
        counts.setdefault(key, Counter())[label] += 1
    right = 0
    for counter in counts.values():
        ranked = [*counter.most_common(2), ("", 0)]
        (_, first), (_, second) = ranked[0], ranked[1]
        right += first if first - 1 > second else 0
    return right


def _in_order(values: Sequence[str], labels: Sequence[str]) -> int:
    """Rows with the label of the row before them, when all are sorted by what are numbers, dates, or ends in a number;
    0 where they are not, or hardly differ."""
    numbers = [_number(v) for v in values]
    if not values or None in numbers or len(set(numbers)) < _DIFFERENT:
        return 0
    order = np.argsort(np.array(numbers, float), kind="stable").tolist()
    return sum(labels[a] == labels[b] for a, b in pairwise(order))


def _number(value: str) -> float | None:
    known = moment(value)
    if known is not None:
        return known
    end = re.search(r"(\d{1,15})\D*$", value)
    return float(end[1]) if end else None
