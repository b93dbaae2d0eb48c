"""Signs in the texts that give the label away: a word, a piece of punctuation, a space at the end, a label's own name.

>>> [(m.label, m.sign, m.kind) for m in marks(texts, labels, 0.3)]
[('positive', '[POS]', 'sign')]

A sign is a word between spaces, a pair of Chinese characters, a run of signs that are neither letter nor digit, or the
first and the last one to three characters. It gives a label away when 95 % or more of the rows that have it are of this
label, when the lower end of that share's interval (Wilson's, its level divided by the number of signs tried:
Bonferroni) is at least half-way between the label's share of all rows and 1, and when that is no accident of language:
see `Mark.kind`.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import ndtri

from weitiao.core.text import fold

_PURE = 0.95
_SIGNS = re.compile(r"[^\w\s]+|[\[(<{【《][^\s\])>}】》]{1,20}[\])>}】》]")
_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")
_ENDS = (1, 2, 3)
_WORD_COVERS = 0.6  # of its label's rows: no single word of a language does that in a broad class …
_BROAD = 0.1  # … one with this share of all rows


class Mark(NamedTuple):
    """One sign that gives a label away.

    Args:
        sign: the characters, "…x" at the end, "x…" at the beginning of the text.
        kind: `sign` (holds something that is neither letter nor digit; as a beginning or end: nothing else), or `word`
            (letters: counted only where it covers 60 % of a label that has a tenth of all rows).
        with_label, rows: rows that have it: of the label, in all.
        of: rows of the label.
    """

    label: str
    sign: str
    kind: str
    with_label: int
    rows: int
    of: int


def marks(texts: Sequence[str], labels: Sequence[str], cover: float) -> list[Mark]:
    """The signs that give a label away, the one that covers most first; at most one a label and set of rows.

    Args:
        texts, labels: of each row.
        cover: share of the label's rows that must have a sign for it to count.
    """
    of = Counter(labels)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, label in zip(texts, labels, strict=True):
        for sign in signs(text):
            counts[sign][label] += 1
    least = max(5, cover * min(of.values(), default=0))
    tried = [(sign, c) for sign, c in counts.items() if c.total() >= least]
    z = -float(ndtri(0.025 / max(1, len(tried))))
    found = []
    for sign, counted in tried:
        label, n = counted.most_common(1)[0]
        mark = Mark(label, sign, _kind(sign), n, counted.total(), of[label])
        prior = of[label] / len(texts)
        sure = n >= _PURE * mark.rows and _lower(n, mark.rows, z) >= (1 + prior) / 2
        if sure and prior < _PURE and _counts(mark, cover, len(texts)):
            found.append(mark)
    return _best(found)


def signs(text: str) -> set[str]:
    """All signs of one text."""
    out = {*text.split(), *(m[0] for m in _SIGNS.finditer(text))}
    for run in _HAN.finditer(text):
        out.update(run[0][i : i + 2] for i in range(len(run[0]) - 1))
    for n in _ENDS:
        if len(text) > n:
            out.update((f"{text[:n]}…", f"…{text[-n:]}"))
    return out


def named(texts: Sequence[str], labels: Sequence[str]) -> list[tuple[str, int, int, int]]:
    """Labels whose own name (two characters or more, folded) stands in most of their texts and hardly elsewhere: the
    name, its rows that hold it, its rows, other rows that hold it."""
    names = {label: fold(label.replace("_", " ")) for label in set(labels)}
    names = {label: name for label, name in names.items() if len(name) >= 2}
    inside, outside, of = Counter[str](), Counter[str](), Counter(labels)
    for text, label in zip(texts, labels, strict=True):
        folded = fold(text)
        for other, name in names.items():
            if name in folded:
                (inside if other == label else outside)[other] += 1
    rows = len(texts)
    return [(label, n, of[label], outside[label]) for label, n in inside.most_common()
            if n >= 5 and n >= 0.5 * of[label] and outside[label] / max(1, rows - of[label]) <= 0.1 * n / of[label]]


def _kind(sign: str) -> str:
    bare = sign.removesuffix("…") if sign.endswith("…") else sign.removeprefix("…")
    if not any(c.isalnum() for c in bare):
        return "sign"
    # Where an end is cut out of a word and a mark ("知道《…"), the word says as much as the mark.
    return "word" if bare != sign or not re.search(r"[^\w'’.,;:!?-]|_", bare) else "sign"


def _counts(mark: Mark, cover: float, rows: int) -> bool:
    if mark.kind == "sign":
        return mark.with_label >= cover * mark.of
    return mark.with_label >= max(_WORD_COVERS, cover) * mark.of and mark.of >= _BROAD * rows


def _lower(hits: int, rows: int, z: float) -> float:
    """The lower end of Wilson's score interval."""
    p = hits / rows
    centre = p + z * z / (2 * rows)
    spread = z * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows))
    return (centre - spread) / (1 + z * z / rows)


def _best(found: list[Mark]) -> list[Mark]:
    """Of the signs of one label that stand in equally many rows the longest: `[POS]` rather than `[P…`."""
    best: dict[tuple[str, int], Mark] = {}
    for mark in sorted(found, key=lambda m: (-m.with_label, -len(m.sign), m.sign)):
        best.setdefault((mark.label, mark.with_label), mark)
    return sorted(best.values(), key=lambda m: -m.with_label)
