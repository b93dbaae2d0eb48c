"""Metrics: pure functions of predictions and truths. A number leaves here only as a `Score`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LOWER_IS_BETTER = frozenset({"loss", "log_loss", "mae", "mse", "rmse", "hamming_loss", "ece", "perplexity",
                             "bits_per_byte"})


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value with what is needed to trust it.

    Args:
        name: e.g. "accuracy", "f1_macro", "spearman".
        value: the number (fractions for shares: 0.89, never 89).
        low, high: its 95 % interval, or None where none is defined (then `signature` says why).
        n: rows it was computed on.
        signature: how: interval method, averaging, seed, versions, e.g. "wilson95" or "bca95,B=2000,seed=0".
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    signature: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
