"""Answers found in a passage against the right ones: exact match and F1, the SQuAD way and the CMRC 2018 way.

>>> exact(["the Normans"], "Normans!", "squad"), f1(["in 1066"], "1066 AD", "squad")
(1.0, 0.5)
>>> f1(["黄伯汉"], "黄伯汉先生", "cmrc2018")
0.75

Both are the best over a row's right answers. The SQuAD way (Rajpurkar et al. 2016, section 6.1; evaluate-v2.0.py):
lower case, without punctuation, articles and extra white space; F1 of the words as bags. The CMRC way (Cui et al. 2019,
section 4.1; cmrc2018_evaluate.py): each Chinese character is a token, what stands between them is cut into words and
numbers, the marks in `_MARKS` do not count; F1 of the longest common run of tokens. The official script cuts English
with NLTK's `word_tokenize`; here a regular expression does, which differs in contractions (`don't`).

No answer is "" on either side. Whoever says nothing where there is an answer is wrong, even where the right answer is
nothing but an article or a mark.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from weitiao.core.text import dominant_language
from weitiao.metrics import Score
from weitiao.metrics.intervals import mean_score, share_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Way = Literal["squad", "cmrc2018"]
Right = Sequence[Sequence[str]]  # per row its right answers; empty where there is none

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_MARKS = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"
_NO_MARKS = str.maketrans("", "", _MARKS)
_MIXED = re.compile(r"[\u4e00-\u9fa5]|\d+(?:[.,]\d+)*|[^\W\u4e00-\u9fa5]+|[^\w\s]")


def way(right: Right) -> Way:
    """How answers like these are judged: the CMRC way where they are mostly Chinese."""
    return "cmrc2018" if dominant_language(a for answers in right for a in answers) == "zh" else "squad"


def tokens(answer: str, way: Way) -> list[str]:
    """What F1 counts."""
    if way == "cmrc2018":
        return _MIXED.findall(answer.lower().translate(_NO_MARKS))
    return _ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split()


def exact(right: Sequence[str], given: str, way: Way) -> float:
    """1 where `given` is one of the right answers, else 0."""
    if not right or not given:
        return float(not right and not given)
    own = _plain(given, way)
    return float(any(own == _plain(a, way) for a in right))


def _plain(answer: str, way: Way) -> str:
    """The form in which two answers are the same; where nothing would be left of it, the answer itself."""
    kept = answer.lower().strip().translate(_NO_MARKS) if way == "cmrc2018" else " ".join(tokens(answer, way))
    return kept or answer.strip().lower()


def f1(right: Sequence[str], given: str, way: Way) -> float:
    """The best F1 of `given` against each right answer; without right answers 1 where nothing was given."""
    if not right or not given:
        return float(not right and not given)
    own = tokens(given, way)
    return max(_overlap(tokens(a, way), own, way) or exact([a], given, way) for a in right)


def _overlap(right: list[str], given: list[str], way: Way) -> float:
    common = _longest_run(right, given) if way == "cmrc2018" else (Counter(right) & Counter(given)).total()
    return 2 * common / (len(right) + len(given)) if common else 0.0


def _longest_run(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest run of tokens that stands in both, without gaps."""
    best, row = 0, [0] * (len(b) + 1)
    for token in a:
        row = [0, *(row[j] + 1 if token == other else 0 for j, other in enumerate(b))]
        best = max(best, *row)
    return best


def each(right: Right, given: Sequence[str]) -> tuple[Array, Array]:
    """F1 and exact match of every row, (n,) each."""
    how = way(right)
    pairs = list(zip(right, given, strict=True))
    return (np.array([f1(r, g, how) for r, g in pairs], np.float64),
            np.array([exact(r, g, how) for r, g in pairs], np.float64))


def scores(right: Right, given: Sequence[str], *, seed: int, resamples: int) -> list[Score]:
    """F1 (BCa) and exact match (Wilson) of all rows; where some have no answer, also of either kind alone."""
    how = way(right)
    per_row, same = each(right, given)
    found = _two("", per_row, same, how, seed, resamples)
    answered = np.array([bool(r) for r in right])
    if not answered.all():
        if answered.any():
            found += _two("_answerable", per_row[answered], same[answered], how, seed, resamples)
        found.append(share_score("accuracy_unanswerable", int(same[~answered].sum()), int((~answered).sum()), how))
    return found


def _two(suffix: str, per_row: Array, same: Array, how: Way, seed: int, resamples: int) -> list[Score]:
    return [mean_score(f"f1{suffix}", per_row, resamples=resamples, seed=seed, note=how),
            share_score(f"exact_match{suffix}", int(same.sum()), len(same), how)]


def best_threshold(doubt: Any, answered: Any, silent: Any) -> float:
    """The largest doubt at which the answer is given, so that the mean score is best; of equals the one nearest 0.

    Args:
        doubt: (n,) how much likelier no answer is than the best one found.
        answered: (n,) the row's score where the answer is given.
        silent: (n,) its score where it is held back.
    """
    order = np.argsort(doubt, kind="stable")
    sure, gain = np.asarray(doubt, np.float64)[order], (np.asarray(answered) - np.asarray(silent))[order]
    total = np.concatenate([[0.0], np.cumsum(gain)])
    cuts = np.concatenate([[sure[0] - 1], (sure[:-1] + sure[1:]) / 2, [sure[-1] + 1]])
    # Between equal doubts there is no place for a threshold.
    usable = np.concatenate([[True], sure[1:] > sure[:-1], [True]])
    best = total[usable].max()
    ties = cuts[usable][total[usable] >= best - 1e-9]
    return float(ties[np.abs(ties).argmin()])
