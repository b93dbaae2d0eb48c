"""How well texts are foreseen: bits per byte and perplexity of rows of which the cost is known.

>>> quick([Cost(nats=6.9, tokens=3, bytes=10)])["bits_per_byte"]
0.995...

Bits per byte, Σ nats / (ln 2 · Σ bytes), compares models of different vocabularies; perplexity, exp(Σ nats / Σ tokens),
does not. Both are ratios of sums over rows, so the bootstrap draws rows and sums again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from weitiao.metrics import Score, paired
from weitiao.metrics.intervals import bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NAMES = ("bits_per_byte", "perplexity")
_MOST = 700.0  # exp of more than that is no finite number


class Cost(NamedTuple):
    """−log of the probability of all that a model was asked for in one row (nats), and how much that is."""

    nats: float
    tokens: int
    bytes: int


def table(costs: Sequence[Cost]) -> Array:
    """(n, 3): nats, tokens, bytes."""
    return np.array(costs, np.float64).reshape(len(costs), 3)


def both(sums: Array) -> Array:
    """Sums (b, 3) to NAMES (b, 2)."""
    nats, tokens, size = sums.T
    return np.column_stack([nats / math.log(2) / np.maximum(size, 1),
                            np.exp(np.minimum(nats / np.maximum(tokens, 1), _MOST))])


def quick(costs: Sequence[Cost]) -> dict[str, float]:
    """NAMES without intervals."""
    return dict(zip(NAMES, map(float, both(table(costs).sum(0)[None])[0]), strict=True))


def scores(costs: Sequence[Cost], *, seed: int, resamples: int, note: str) -> list[Score]:
    """NAMES with BCa intervals over rows. `note` says what was asked for, for the signature."""
    rows = table(costs)
    found = bootstrap(list(NAMES), lambda counts: both(counts @ rows), np.ones(len(rows), np.int64),
                      resamples=resamples, seed=seed)
    return [Score(s.name, s.value, s.low, s.high, s.n, f"{note}; {s.signature}") for s in found.values()]


def compare(first: Sequence[Cost], second: Sequence[Cost], *, seed: int, resamples: int) -> paired.Paired:
    """Bits per byte of two systems on the same resampled rows; p as in `metrics.paired`."""
    return paired.of_sums(NAMES[0], lambda sums: both(sums)[:, 0], table(first), table(second), resamples=resamples,
                          seed=seed)
