"""How likely the model finds the right texts: perplexity and bits per byte.

>>> scores(np.array([[6.931, 10, 40]]), seed=0, resamples=2000)[0].value   # 10 tokens of -ln p = ln 2 on average
1.9999...

A row is three sums over its supervised tokens: -ln p (nats), how many tokens, how many UTF-8 bytes of text they stand
for. Perplexity, exp(Σ nll / Σ tokens), compares models of one tokenizer only; bits per byte, Σ nll / (ln 2 · Σ bytes),
compares any (Gao et al. 2020, "The Pile", section 3.1). Smaller is better in both.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from weitiao.metrics import Score, paired
from weitiao.metrics.counts import ratio
from weitiao.metrics.intervals import bca, resample, scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

METRICS = ("perplexity", "bits_per_byte")


def values(sums: Array) -> Array:
    """(b, 3) sums of nll, tokens, bytes to (b, 2): METRICS; 0 where nothing is counted."""
    nll, tokens, size = np.asarray(sums, np.float64).T
    # Beyond e^700 a float64 ends: an untrained model on odd text must not end in an infinity that JSON cannot hold.
    perplexity = np.where(tokens > 0, np.exp(np.minimum(ratio(nll, tokens), 700.0)), 0.0)
    return np.column_stack([perplexity, ratio(nll, math.log(2) * size)])


def quick(rows: Array) -> dict[str, float]:
    """METRICS of rows (n, 3), without intervals."""
    return dict(zip(METRICS, map(float, values(rows.sum(0)[None, :])[0]), strict=True))


def scores(rows: Array, *, seed: int, resamples: int) -> list[Score]:
    """METRICS of rows (n, 3) with BCa intervals over rows."""
    drawn = resample(lambda counts: values(counts @ rows), np.ones(len(rows), np.int64), resamples=resamples, seed=seed)
    n_tokens, n_bytes = int(rows[:, 1].sum()), int(rows[:, 2].sum())
    notes = (f"exp(nll/token), {n_tokens} tokens", f"nll/(ln2·byte), {n_bytes} bytes")
    return [scored(name, float(value), interval, drawn.rows, note) for name, value, interval, note in
            zip(METRICS, values(rows.sum(0)[None, :])[0], bca(drawn), notes, strict=True)]


def compare(first: Array, second: Array, *, seed: int, resamples: int) -> paired.Paired:
    """Bits per byte of rows (n, 3) of two models, first minus second."""
    return paired.of_sums("bits_per_byte", lambda sums: values(sums)[:, 1], first, second, seed=seed,
                          resamples=resamples)
