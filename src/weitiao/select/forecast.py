"""What a run will cost, from the model's shape and a short measurement of this machine.

A forecast in the literal sense: 6 operations a parameter and token (forward 2, backward 4; Kaplan et al. 2020,
"Scaling Laws for Neural Language Models", section 2.1) at the share of the measured matrix rate that small encoders
reach. The run writes the real time beside it.
"""

from __future__ import annotations

import math
import time
from typing import Any

from weitiao import methods
from weitiao.models import Base
from weitiao.recipe import Recipe, budget_seconds

_REACHED = 0.35  # share of the matrix rate that a step reaches on 20 to 120 tokens; docs/log.md has the measurements


def forecast(recipe: Recipe, base: Base, rows: int, tokens: float) -> dict[str, Any]:
    """Seconds, memory and disk (GB) of tuning `rows` rows of `tokens` tokens on average."""
    body = base.parameters - base.embedding_parameters
    epochs, batch = float(recipe.tune.epochs), int(recipe.tune.batch_size)
    steps_per_epoch = math.ceil(rows / batch)
    trained = rows * epochs if recipe.tune.steps == "auto" else int(recipe.tune.steps) * batch
    method = methods.load(recipe.method["name"])
    operations = method.OPERATIONS * body * tokens
    weights = base.parameters * 4 / 1e9
    moved = method.MOVED * body * 4 / 1e9
    activations = min(batch * tokens, int(recipe.tune.micro_batch_tokens)) * body / 1e9 * 8e-5
    seconds = trained * operations / (_REACHED * _matrix_rate())
    if recipe.tune.time:  # the steps are set so that it is kept
        seconds = min(seconds, budget_seconds(recipe.tune.time))
    return {
        "seconds": round(seconds, 1),
        "memory_gb": round(0.6 + 1.5 * weights + 3 * moved + activations, 2),
        "disk_gb": round(weights + 7 * moved, 2),
        "steps_per_epoch": steps_per_epoch,
        "tokens_per_row": round(tokens, 1),
    }


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
