"""How long texts are, in characters: quantiles over all rows, and texts without a letter or a digit.

>>> sizes = Sizes(seen, look=0.001)
>>> sizes.add("train", example)
>>> next(sizes.findings()).said
'text: 4 to 33 characters, half of them up to 19, 95 % up to 25'
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, judge, percent, share
from weitiao.example import Example

_SAYS = re.compile(r"[^\W_]")


class Sizes:
    """Counts the lengths: memory does not grow with the rows.

    Args:
        look: share of rows without a letter or a digit in some text that is worth a look.
    """

    def __init__(self, seen: Seen, look: float) -> None:
        self._seen, self._look = seen, look
        self._lengths: dict[str, dict[str, Counter[int]]] = {}
        self._wordless = seen.spots("shape.wordless")

    def add(self, part: str, example: Example) -> None:
        silent = ""
        for role, text in self._seen.texts(example):
            self._lengths.setdefault(role, {}).setdefault(part, Counter())[len(text)] += 1
            if not _SAYS.search(text):
                silent = silent or role
        if silent:
            text = next(text for role, text in self._seen.texts(example) if role == silent and not _SAYS.search(text))
            self._wordless.add(Spot(example.source, self._seen.column(silent), excerpt(text)))

    def findings(self) -> Iterator[Finding]:
        for role, parts in self._lengths.items():
            facts = {part: quantiles(lengths) for part, lengths in parts.items()}
            together = sum(parts.values(), Counter[int]())
            whole, n = quantiles(together), together.total()
            column = self._seen.column(role)
            yield Finding(f"shape.length.{role}", "good", t(
                "{c}: {a:,} to {z:,} characters, half of them up to {m:,}, 95 % up to {p:,}",
                "{c}：{a:,} 至 {z:,} 个字符，半数不超过 {m:,}，95 % 不超过 {p:,}", c=column, a=whole["min"],
                z=whole["max"], m=whole["median"], p=whole["p95"]), n, n, facts={"column": column, **facts})
        if self._wordless.count:
            count, total = self._wordless.count, self._seen.total
            verdict = judge(count / total, self._look)
            yield Finding("shape.wordless", verdict,
                          t("{s} rows have a text without a letter or a digit", "{s}行的文本既无文字也无数字",
                            s=share(count, total)), count, total,
                          t("look: more than {p}", "注意：超过 {p}", p=percent(self._look)), self._wordless.shown,
                          t("drop them unless signs alone mean something here", "若符号本身没有意义，可删去")
                          if verdict != "good" else "", fix={"drop": ["shape.wordless"]} if verdict != "good" else {})


def quantiles(lengths: Counter[int]) -> dict[str, Any]:
    """min, median, p95, max and mean of lengths, each with how often it occurs."""
    values = sorted(lengths)
    below = list(accumulate(lengths[x] for x in values))
    middle, high = (values[bisect_left(below, math.ceil(part * below[-1]))] for part in (0.5, 0.95))
    mean = sum(x * n for x, n in lengths.items()) / below[-1]
    return {"min": values[0], "median": middle, "p95": high, "max": values[-1], "mean": round(mean, 1)}
