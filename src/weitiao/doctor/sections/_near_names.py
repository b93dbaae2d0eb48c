"""Label names that may be one name written in two ways.

>>> [p[:2] for p in pairs({"体育": 900, "體育": 3, "Sports": 50, "sports": 40, "finance": 700, "finanse": 2}, 0.02)]
[('体育', '體育'), ('Sports', 'sports'), ('finance', 'finanse')]
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from weitiao.core import odd
from weitiao.core.clean import clean
from weitiao.core.i18n import t

_SIGNS = re.compile(r"(?<!\d)[\W_]+|[\W_]+(?!\d)")
_NUMBER = re.compile(r"[-+−]?\d[\d.,:/%-]*")
_LONG = 4  # letters of a name below which one letter apart says nothing (of Chinese: 3)
_MANY = 2000  # names from which not every two are compared


class Pair(NamedTuple):
    """Two names, the more frequent one first, and what they differ by."""

    common: str
    rare: str
    why: str


def pairs(counts: Mapping[str, int], typo: float) -> Iterator[Pair]:
    """Every name that seems to be a more frequent one, once.

    Args:
        counts: name to rows.
        typo: two names one letter apart (inserted, dropped, replaced, two swapped) are a pair where the rarer is on at
            most this share of the other's rows, or on a single one.
    """
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    taken: set[str] = set()
    for why, fold in _folds():
        first: dict[str, str] = {}
        for name in ranked:
            common = first.setdefault(fold(name), name)
            if common != name and name not in taken:
                taken.add(name)
                yield Pair(common, name, why)
    if len(ranked) <= _MANY:
        yield from _typos(ranked, counts, typo, taken)


def _folds() -> Iterator[tuple[str, Callable[[str], str]]]:
    """From the slightest difference to the largest, each on top of those before."""
    yield t("characters that nobody sees", "不可见字符"), _visible
    yield t("full or half width", "全半角"), lambda x: unicodedata.normalize("NFKC", _visible(x))
    yield t("case", "大小写"), _cased
    yield t("spaces and signs", "空格与符号"), _bare
    if find_spec("opencc"):  # what an extra adds; without it the other differences are still looked for
        yield t("the other Chinese form", "简繁不同"), lambda x: clean(_bare(x), {"chinese": "simplified"})


@cache
def _visible(name: str) -> str:
    return odd.mend(name, ["control", "zero_width"]).strip()


def _cased(name: str) -> str:
    return unicodedata.normalize("NFKC", _visible(name)).casefold()


def _bare(name: str) -> str:
    folded = _cased(name)
    # `2.0` and `20`, `-1` and `1` are not one.
    return folded if _NUMBER.fullmatch(folded) else _SIGNS.sub("", folded) or folded


def _typos(ranked: list[str], counts: Mapping[str, int], typo: float, taken: set[str]) -> Iterator[Pair]:
    for i, rare in enumerate(ranked):
        if rare in taken or not _long(rare):
            continue
        common = next((x for x in ranked[:i] if counts[rare] <= max(1, typo * counts[x]) < counts[x]
                       and one_apart(_cased(x), _cased(rare))), None)
        if common is not None:
            yield Pair(common, rare, t("one letter", "只差一个字"))


def _long(name: str) -> bool:
    return len(name) >= (_LONG if name.isascii() else _LONG - 1)


def one_apart(first: str, second: str) -> bool:
    """Is one letter inserted, dropped or replaced, or are two neighbours swapped? Not where the letter is a digit:
    `class1` and `class2` are two names.

    >>> one_apart("finance", "finanse"), one_apart("sport", "sprot"), one_apart("class1", "class2")
    (True, True, False)
    """
    if first == second or abs(len(first) - len(second)) > 1:
        return False
    shorter = min(len(first), len(second))
    start = next((i for i in range(shorter) if first[i] != second[i]), shorter)
    a, b = first[start:], second[start:]
    if any(c.isdigit() for c in a[:1] + b[:1]):
        return False
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:] and len(a) > 1)
