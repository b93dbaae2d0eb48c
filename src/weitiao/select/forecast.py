"""What a run will cost, from the model's shape and a short measurement of this machine.

A forecast in the literal sense: 6 operations a parameter and token (forward 2, backward 4; Kaplan et al. 2020,
"Scaling Laws for Neural Language Models", section 2.1) at the share of the measured matrix rate that small encoders
reach. The run writes the real time beside it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from weitiao import footprint, methods
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
    seconds = trained * operations / (_REACHED * _matrix_rate())
    if recipe.tune.time:  # the steps are set so that it is kept
        seconds = min(seconds, budget_seconds(recipe.tune.time))
    passed = max(sizes.longest, min(int(recipe.tune.micro_batch_tokens), batch * sizes.longest))
    low = recipe.tune.precision != "fp32" and _fast_bf16()
    spot = Spot(passed, sizes.longest, 2 if low else 4, kind)
    memory = max(footprint.gigabytes(recipe, shape, spot), footprint.judging(shape, spot, frozen=frozen))
    return {
        "seconds": round(seconds, 1),
        "memory_gb": round(memory, 2),
        "disk_gb": round(footprint.disk(recipe, shape, kind) / 1e9, 2),
        "steps_per_epoch": math.ceil(sizes.rows / batch),
        "tokens_per_row": round(sizes.tokens, 1),
    }


def _fast_bf16() -> bool:
    """As far as can be said before it is measured (tuning/precision.py)."""
    import torch

    return torch.cuda.is_available() or torch.backends.cpu.get_cpu_capability() != "DEFAULT"


def _matrix_rate() -> float:
    """Operations a second of a bf16 (else fp32) matrix product on this machine, from some 50 ms."""
    import torch

    kind = torch.bfloat16 if torch.backends.cpu.get_cpu_capability() != "DEFAULT" else torch.float32
    a, b = torch.ones(512, 512, dtype=kind), torch.ones(512, 2048, dtype=kind)
    best = math.inf
    for _ in range(10):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 512 * 512 * 2048 / best
