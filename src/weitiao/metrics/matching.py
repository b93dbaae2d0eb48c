"""Is a written answer right: the same words as a reference, or the same number as the reference's result.

>>> normalise("  The Answer：４２。 ") == normalise("the answer: 42")
True
>>> result("It is 3 * 1,200 = 3,600 dollars.\\n#### 3,600")
Fraction(3600, 1)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score
from weitiao.metrics.intervals import share_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGN = r"(?:(?<![\w.)%])[-+])?"  # `5-3` and `10%-3` subtract; ` -3` is a number
_NUMBER = re.compile(rf"{_SIGN}(?:[$€£¥]\s?)?{_SIGN}(?:(\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(\.\d+)?|(?<!\w)(\.\d+))")
_MARK = "####"
_OUTER = re.compile(r"^[^\w+$€£¥-]+|[^\w%]+$")


def normalise(text: str) -> str:
    """NFKC, case folded, white space as single spaces, no punctuation at the ends and no spaces before it."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    plain = re.sub(r"\s+(?=[^\w\s])", "", plain)
    kept = _OUTER.sub("", plain) or plain
    # Dropping a space can join a letter and its accent: again until nothing changes.
    return kept if kept == text else normalise(kept)


def result(text: str) -> Fraction | None:
    """The number after the last `####`, else the last number of the text; None where there is none.

    Thousands may be parted by commas, a currency sign may stand before the number, a sign before or after that; full
    width digits are digits. The value is exact: `0.50` and `.5` are one number.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-")
    head, mark, tail = plain.rpartition(_MARK)
    found = _numbers(tail) if mark else []
    if mark and found:
        return found[0]
    every = _numbers(head or plain)
    return every[-1] if every else None


def _numbers(text: str) -> list[Fraction]:
    out = []
    for match in _NUMBER.finditer(text):
        value = Fraction((match[1] or "0").replace(",", "") + (match[2] or match[3] or ""))
        out.append(-value if "-" in match[0] else value)
    return out


def exact(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """(n,) 1 where the normalised prediction is one of the normalised references; an empty one is wrong."""
    return np.array([int(bool(p.strip()) and normalise(p) in {normalise(r) for r in several})
                     for p, several in zip(predictions, references, strict=True)], np.int64)


def numeric(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """(n,) 1 where the prediction's result equals that of one of the references; without a number it is wrong."""
    out = []
    for prediction, several in zip(predictions, references, strict=True):
        said = result(prediction)
        out.append(int(said is not None and said in {result(r) for r in several}))
    return np.array(out, np.int64)


def exact_match(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Share of rows that `exact` calls right, with Wilson's interval."""
    hits = exact(predictions, references)
    return share_score("exact_match", int(hits.sum()), len(hits), "norm:NFKC,case,spaces,outer punctuation")


def numeric_match(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """Share of rows that `numeric` calls right, with Wilson's interval."""
    hits = numeric(predictions, references)
    return share_score("numeric_match", int(hits.sum()), len(hits), "the number after ####, else the last one")
