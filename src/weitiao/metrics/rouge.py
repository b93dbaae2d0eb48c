"""How much of a reference a text says: ROUGE-1, ROUGE-2 and ROUGE-L, F1, by Chinese characters and other words.

>>> tokens("我在学Python 3，好！")
['我', '在', '学', 'python', '3', '好']
>>> per_row(["the cat sat"], [["the cat sat down"]])["rouge1"]
array([0.85714286])

Scripts without spaces between words (Chinese, Japanese, Thai, …) count by characters, all others by words: runs of
letters, marks and digits in lower case after NFKC; punctuation is dropped. So equal Chinese texts score 1, and English
scores as rouge-score does without its stemmer. Of several references the best one counts, for each of the three by
itself, as rouge-score's `score_multi` does. Two texts without any token have 0.

Sources: Lin 2004 (ROUGE); Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import regex

from weitiao.core.text import UNSPACED
from weitiao.metrics import Score, paired
from weitiao.metrics.intervals import mean_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Metric = Literal["rouge1", "rouge2", "rougeL"]
METRICS: tuple[Metric, ...] = ("rouge1", "rouge2", "rougeL")
SIGNATURE = "f1|refs:best|tok:characters+words|case:lower|norm:NFKC|stemmer:no|weitiao-rouge:1"
_TOKEN = regex.compile(rf"[{UNSPACED}]\p{{M}}*|[\p{{L}}\p{{M}}\p{{N}}--[{UNSPACED}]]+", regex.VERSION1)
_PUNCTUATION = regex.compile(r"[\p{P}\p{S}]\p{M}*")


def tokens(text: str) -> list[str]:
    """The units that are counted."""
    found = _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())
    return [x for x in found if not _PUNCTUATION.fullmatch(x)]


def per_row(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[Metric, Array]:
    """(n,) F1 of each metric for each row; `references` holds one or more texts a row."""
    table = np.zeros((len(predictions), 3))
    for i, (text, several) in enumerate(zip(predictions, references, strict=True)):
        said = tokens(text)
        table[i] = np.max([_three(said, tokens(reference)) for reference in several], axis=0)
    return {name: table[:, k] for k, name in enumerate(METRICS)}


def _three(said: list[str], reference: list[str]) -> tuple[float, float, float]:
    return (_f1((Counter(said) & Counter(reference)).total(), len(said), len(reference)),
            _f1((Counter(pairwise(said)) & Counter(pairwise(reference))).total(), len(said) - 1, len(reference) - 1),
            _f1(common_subsequence(said, reference), len(said), len(reference)))


def _f1(both: int, said: int, reference: int) -> float:
    """2 · both / (said + reference), which is 2PR / (P + R)."""
    return 2 * both / (said + reference) if both else 0.0


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit i of `row` is 0 where the length grows at a[i] (Hyyrö 2004): a step a token of b, each on one long integer.
    """
    places: dict[str, int] = {}
    for i, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << i
    whole = (1 << len(a)) - 1
    row = whole
    for token in b:
        hits = row & places.get(token, 0)
        row = ((row + hits) | (row - hits)) & whole
    return len(a) - row.bit_count()


def scores(predictions: Sequence[str], references: Sequence[Sequence[str]], *, seed: int,
           resamples: int) -> list[Score]:
    """Means over rows with their BCa intervals, in the order of METRICS."""
    return [mean_score(name, values, resamples=resamples, seed=seed, note=SIGNATURE)
            for name, values in per_row(predictions, references).items()]


def quick(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Means without intervals."""
    return {name: float(values.mean()) for name, values in per_row(predictions, references).items()}


def compare(first: Sequence[str], second: Sequence[str], references: Sequence[Sequence[str]], *,
            metric: Metric = "rougeL", seed: int, resamples: int) -> paired.Paired:
    """First minus second on the same resamples."""
    a, b = (per_row(x, references)[metric] for x in (first, second))
    return paired.mean(metric, a, b, seed=seed, resamples=resamples)
