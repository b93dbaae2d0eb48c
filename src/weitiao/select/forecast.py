"""What a run will cost, from the model's shape and a short measurement of this machine.

A forecast in the literal sense: 6 operations a parameter and token (forward 2, backward 4; Kaplan et al. 2020,
"Scaling Laws for Neural Language Models", section 2.1) at the share of the measured matrix rate that small encoders
reach. The run writes the real time beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from weitiao import footprint, methods
from weitiao.core import rates
from weitiao.footprint import Spot
from weitiao.models import Base
from weitiao.recipe import Recipe, budget_seconds


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows are learnt (of documents: their blocks), their mean tokens (special ones included), and those of
    the longest pass's row."""

    rows: int
    tokens: float
    longest: int


_REACHED = 0.35  # share of the matrix rate that a step reaches on 20 to 120 tokens; docs/log.md has the measurements


def forecast(recipe: Recipe, base: Base, sizes: Sizes, kind: str, *, frozen: bool) -> dict[str, Any]:
    """Seconds of tuning such rows; memory and disk (10⁹ bytes) of the run.

    Args:
        kind: `HeadSpec.kind`.
        frozen: a baseline asks the untouched base, which is then held beside the tuned model.
    """
    body, shape = base.parameters - base.embedding_parameters, footprint.shape_of(base, kind)
    epochs, batch = float(recipe.tune.epochs), int(recipe.tune.batch_size)
    trained = sizes.rows * epochs if recipe.tune.steps == "auto" else int(recipe.tune.steps) * batch
    operations = methods.load(recipe.method["name"]).OPERATIONS * body * sizes.tokens
    low, rate = _precision(recipe, shape.width)
    seconds = trained * operations / (_REACHED * rate)
    if recipe.tune.time:  # the steps are set so that it is kept
        seconds = min(seconds, budget_seconds(recipe.tune.time))
    passed = max(sizes.longest, min(int(recipe.tune.micro_batch_tokens), batch * sizes.longest))
    spot = Spot(passed, sizes.longest, 2 if low else 4, kind)
    memory = max(footprint.gigabytes(recipe, shape, spot), footprint.judging(shape, spot, frozen=frozen))
    return {
        "seconds": round(seconds, 1),
        "memory_gb": round(memory, 2),
        "disk_gb": round(footprint.disk(recipe, shape, kind) / 1e9, 2),
        "steps_per_epoch": math.ceil(sizes.rows / batch),
        "tokens_per_row": round(sizes.tokens, 1),
    }


def _precision(recipe: Recipe, width: int) -> tuple[bool, float]:
    """Will it compute in 16 bits, and how many operations a second then? tuning/precision.py decides when it begins."""
    import torch

    found = rates.rates(width)
    if torch.cuda.is_available():
        return recipe.tune.precision != "fp32", found["fp32"]
    low = recipe.tune.precision == "bf16" or (recipe.tune.precision == "auto" and rates.gain(width) > rates.GAIN)
    return low, found["bf16" if low else "fp32"]
