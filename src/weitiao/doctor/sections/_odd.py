"""Rows with characters that are there by accident, kind by kind.

>>> odd = Odd(seen, look=0.001, stop=0.05)
>>> odd.add(example)
>>> [f.code for f in odd.findings()]
['shape.html']
"""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.core import odd
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, Spots, excerpt, judge, percent, share
from weitiao.example import Example

_MANGLED = ("lost", "mojibake")
"""Kinds that say that a whole file was read or converted wrongly."""


class Odd:
    """Counts rows; a row counts once for each kind.

    Args:
        look: share of the rows from which a kind that does harm is worth a look.
        stop: share of rows with mangled text from which nothing should be tuned on it.
    """

    def __init__(self, seen: Seen, look: float, stop: float) -> None:
        self._seen, self._look, self._stop = seen, look, stop
        self._spots: dict[str, Spots] = {}

    def add(self, example: Example) -> None:
        had: set[str] = set()
        for role, text in self._seen.texts(example):
            for kind, place in odd.found(text).items():
                if kind not in had:
                    had.add(kind)
                    spots = self._spots.setdefault(kind, self._seen.spots(f"shape.{kind}"))
                    spots.add(Spot(example.source, self._seen.column(role), excerpt(text, place),
                                   _seen_as(text, place)))

    def findings(self) -> Iterator[Finding]:
        for kind, facts in odd.KINDS.items():
            if kind in self._spots:
                yield self._finding(kind, facts, self._spots[kind])

    def _finding(self, kind: str, facts: odd.Kind, spots: Spots) -> Finding:
        total, mangled = self._seen.total, kind in _MANGLED
        verdict = judge(spots.count / total, self._look, self._stop if mangled else 1.0) if facts.harm else "good"
        threshold = t("look: more than {p} of the rows", "注意：超过 {p} 的行",
                      p=percent(self._look)) if facts.harm else ""
        if mangled:
            threshold += t("; stop: more than {p}", "；停止：超过 {p}", p=percent(self._stop))
        # Where answers are places in a text, mending would move the text away from under them.
        do = t("mend texts and places together", "请一并修正文本与标注位置") if self._seen.places else t(
            "mend the rows: see plan.toml", "可修复：见 plan.toml")
        if kind == "lost":
            do = t("export the data again in UTF-8: what was lost cannot be repaired from this file",
                   "请以 UTF-8 重新导出：从本文件已无法还原")
        return Finding(f"shape.{kind}", verdict,
                       t("{s} rows hold {k}", "{s}行含有{k}", s=share(spots.count, total), k=t(*facts.name)),
                       spots.count, total, threshold, spots.shown, do if verdict != "good" else "",
                       fix={} if self._seen.places else {"repair": [kind]})


def _seen_as(text: str, place: int) -> str:
    """The characters by their numbers: most of them cannot be seen."""
    return " ".join(f"U+{ord(c):04X}" for c in text[place : place + 3])
