"""Pairs of one source and its target: lengths that do not go together, and a side in the wrong language.

>>> [f.code for f in findings(seen, ratio=5.0, look=0.001)]
['forms.length_ratio', 'forms.wrong_language']
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator

from weitiao.core import scripts
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, judge, percent, share
from weitiao.example import Example

_SURE = 0.8  # of the rows that show a language: from here on a side is in it
_SHORT = 20  # characters on both sides below which a ratio says nothing
_SAMPLED = 5000
_NEXT_TO = 20  # a letter in so many is next to nothing


def findings(seen: Seen, ratio: float, look: float) -> Iterator[Finding]:
    """Nothing where inputs are conversations or several texts."""
    sample = [pair for _, example in seen.sample(_SAMPLED) if (pair := _pair(example))]
    if not sample:
        return
    yield from _ratios(seen, ratio, look)
    languages = _main([a for a, _ in sample]), _main([b for _, b in sample])
    if all(languages) and languages[0] != languages[1]:
        yield from _languages(seen, languages, look)


def _pair(example: Example) -> tuple[str, str] | None:
    """Source and target (of several the first) where there is one source."""
    texts = list(example.inputs.values())
    if len(texts) != 1 or not isinstance(texts[0], str) or example.target is None:
        return None
    return texts[0], example.target if isinstance(example.target, str) else str(example.target[0])


# -- lengths -------------------------------------------------------------------------------------------------------

def _ratios(seen: Seen, ratio: float, look: float) -> Iterator[Finding]:
    """Outliers of log(target / source) around its median. Short pairs are left alone."""
    import numpy as np

    logs = array("f", (x for _, e in seen.all() if (pair := _pair(e)) and (x := _log_ratio(*pair)) is not None))
    if not logs:
        return
    values = np.frombuffer(logs, np.float32)
    middle = float(np.median(values))
    # Summaries differ in length more than translations do: never nearer than four times the usual distance (MAD).
    reach = max(math.log(ratio), 4 * 1.4826 * float(np.median(np.abs(values - middle))))
    spots = seen.spots("forms.length_ratio")
    for _, example in seen.all():
        pair = _pair(example)
        value = _log_ratio(*pair) if pair else None
        if pair and value is not None and abs(value - middle) > reach:
            spots.add(Spot(example.source, seen.column("target"), excerpt(pair[1]), t(
                "{a} characters to {b}: {s}", "{a} 个字符对 {b} 个：{s}", a=len(pair[0]), b=len(pair[1]),
                s=excerpt(pair[0]))))
    verdict = judge(spots.count / len(logs), look)
    yield Finding("forms.length_ratio", verdict, t(
        "{s} pairs have lengths that do not go together (usual: a target {u:.2g} times as long as its source)",
        "{s}对文本的长度不相称（通常目标是源文本的 {u:.2g} 倍）", s=share(spots.count, len(logs)),
        u=math.exp(middle)),
        spots.count, len(logs),
        t("an outlier is {x:.2g} times off the usual; look: more than {p} of the pairs",
          "偏离通常比例 {x:.2g} 倍即为异常；注意：超过 {p}", x=math.exp(reach), p=percent(look)),
        spots.shown, t("read them: often a side is cut off or belongs to another row",
                       "请查看：多为一侧被截断或错位") if verdict != "good" else "", {"usual": math.exp(middle)},
        {"drop": ["forms.length_ratio"]} if spots.count else {})


def _log_ratio(source: str, target: str) -> float | None:
    if max(len(source), len(target)) < _SHORT or not target.strip():
        return None
    return math.log(len(target) / len(source))


# -- languages -----------------------------------------------------------------------------------------------------

def _main(texts: list[str]) -> str:
    """The language of nearly all of them; a script where they do not show more."""
    found = Counter(scripts.language(text) for text in texts)
    known = Counter({name: n for name, n in found.items() if name and name != "Latin"})
    if known and known.most_common(1)[0][1] >= _SURE * known.total() and known.total() * 3 >= len(texts):
        return known.most_common(1)[0][0]
    return "Latin" if found["Latin"] >= _SURE * len(texts) else ""


def _languages(seen: Seen, languages: tuple[str, str], look: float) -> Iterator[Finding]:
    """Rows where a side is surely in the other side's language, or in its script where only scripts differ."""
    spots = seen.spots("forms.wrong_language")
    for _, example in seen.all():
        pair = _pair(example)
        if pair is None:
            continue
        for role, text, own, other in (("source", pair[0], *languages), ("target", pair[1], *languages[::-1])):
            if _is(text, own, other):
                spots.add(Spot(example.source, seen.column(role), excerpt(text), t(
                    "{o} where {w} is expected", "应为 {w}，实为 {o}", o=other, w=own)))
                break
    verdict = judge(spots.count / seen.total, look)
    yield Finding("forms.wrong_language", verdict, t(
        "{s} rows have a side in the other one's language ({a} → {b})", "{s}行有一侧用了另一侧的语言（{a} → {b}）",
        s=share(spots.count, seen.total), a=languages[0], b=languages[1]), spots.count, seen.total,
        t("look: more than {p}", "注意：超过 {p}", p=percent(look)), spots.shown,
        t("drop them: they are not translated, or the wrong way round", "请删去：未翻译或方向相反")
        if verdict != "good" else "", {"source": languages[0], "target": languages[1]},
        {"drop": ["forms.wrong_language"]} if spots.count else {})


def _is(text: str, own: str, other: str) -> bool:
    """Is the text in the other language? Where scripts differ: does it hold next to nothing in its own one?"""
    if scripts.script_of(own) == scripts.script_of(other):
        return scripts.language(text) == other
    letters = scripts.scripts(text)
    return letters[scripts.script_of(other)] > 0 and letters[scripts.script_of(own)] * _NEXT_TO < letters.total()
