"""How far two lists of answers are apart, whatever a task's answers look like.

>>> differences([{"label": "a", "p": 0.5}], [{"label": "a", "p": 0.25}])
(0.25, 0)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def differences(got: Sequence[Any], wanted: Sequence[Any]) -> tuple[float, int]:
    """The largest difference of two numbers at the same place, and how many rows differ in anything else.

    Numbers of rows that differ otherwise do not count: those of different answers mean different things.
    """
    largest, other = 0.0, 0
    for a, b in zip(got, wanted, strict=True):
        found = list(_numbers(a, b))
        if any(math.isnan(x) for x in found):
            other += 1
        else:
            largest = max([largest, *found])
    return largest, other


def _numbers(a: Any, b: Any) -> Iterator[float]:
    """Differences of all numbers; NaN where the two are no numbers and differ."""
    if isinstance(a, float) and isinstance(b, float):
        yield abs(a - b)
    elif isinstance(a, Mapping) and isinstance(b, Mapping) and a.keys() == b.keys():
        for key in a:
            yield from _numbers(a[key], b[key])
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        for x, y in zip(a, b, strict=True):
            yield from _numbers(x, y)
    elif a != b:
        yield math.nan
