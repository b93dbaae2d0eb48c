"""How texts are worded, whatever they mean: how varied (distinct-1, distinct-2) and how long beside the references.

>>> [s.name for s in scores(["a a b"], [["a b"]], seed=0, resamples=2000)]
['distinct1', 'distinct2', 'length_ratio']

Tokens are those of ROUGE: Chinese characters and other words. A system that says the same to everything has a low
distinct-n. Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score
from weitiao.metrics.counts import ratio
from weitiao.metrics.intervals import Interval, bca, resample, scored
from weitiao.metrics.rouge import tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOKENS = "tok:characters+words"


def distinct(predictions: Sequence[str], order: int) -> float:
    """Different runs of `order` (1 or 2) tokens over all of them, in all predictions together; 0 without any."""
    runs = [run for text in predictions for run in _runs(tokens(text), order)]
    return len(set(runs)) / len(runs) if runs else 0.0


def _runs(said: list[str], order: int) -> list[tuple[str, ...]]:
    return list(pairwise(said)) if order == 2 else [(x,) for x in said]


def lengths(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """(n, 2): tokens of the prediction and of the reference that is nearest in length, the shorter of two."""
    out = np.zeros((len(predictions), 2))
    for i, (text, several) in enumerate(zip(predictions, references, strict=True)):
        said = len(tokens(text))
        out[i] = said, min((len(tokens(r)) for r in several), key=lambda n: (abs(n - said), n))
    return out


def scores(predictions: Sequence[str], references: Sequence[Sequence[str]], *, seed: int,
           resamples: int) -> list[Score]:
    """distinct-1, distinct-2 (a resample repeats rows, so the bootstrap cannot bound them) and the length ratio with
    its BCa interval."""
    none = Interval(None, None, "no interval: a resample repeats rows")
    out = [scored(f"distinct{k}", distinct(predictions, k), none, len(predictions), _TOKENS) for k in (1, 2)]
    sizes = lengths(predictions, references)
    drawn = resample(lambda counts: ratio((counts @ sizes)[:, :1], (counts @ sizes)[:, 1:]),
                     np.ones(len(sizes), np.int64), resamples=resamples, seed=seed)
    return [*out, scored("length_ratio", float(drawn.value[0]), bca(drawn)[0], drawn.rows, _TOKENS)]
