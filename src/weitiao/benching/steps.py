"""Some updates of a recipe, timed, counted and profiled: the share of the machine's rate, and where the time went.

>>> measured(recipe, home, task, made, 5, {"fp32": 37.4e9})["share"]
0.61

The same updates are made three times. Once as in a run: that is the time. Once with every matrix product and attention
counted by its shapes: those are the operations, of which 2 · m · n · k make a product. And once under torch's profiler,
which slows everything down: from it come the parts of the time, never the time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

from weitiao.benching import shares
from weitiao.models.build import Model
from weitiao.recipe import Recipe
from weitiao.tasks import Batch, Task
from weitiao.tuning.loop import Engine, Rows, accumulate, updates
from weitiao.tuning.setup import Job, prepare
from weitiao.tuning.speed import Stopwatch
from weitiao.tuning.stage import Ready

_WARM = 2  # updates before those that count
# The attention of CPUs, which torch's counter does not know. It gives shapes in place of tensors: (B, H, T, width) of
# the query, of the key, of the value, and before them in the backward pass that of the gradient.
_OWN = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:
        lambda query, key, value, *_, **__: _attention(query, key, value),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward:
        lambda _, query, key, value, *__, **___: 5 * _attention(query, key, value) // 2,  # five such products for two
}


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> int:
    """Operations of q kᵀ and of the probabilities times v."""
    return 2 * query[0] * query[1] * query[2] * key[2] * (query[3] + value[3])


def settled(recipe: Recipe, task: Task, device: str, count: int) -> Recipe:
    """The recipe for so many updates and no more, with a drawn head: a fitted one only takes time."""
    fills = task.head().kind == "corpus"  # there, a head that is needed must be fitted
    tune = {"steps": _WARM + count, "time": "", "head_start": "auto" if fills else "random", "average": 0.0}
    return recipe.updated({"tune": {**tune, **({"device": device} if device else {})}})


def measured(recipe: Recipe, home: Path, task: Task, made: Ready, count: int,
             rates: dict[str, float]) -> dict[str, Any]:
    """What so many updates did and took.

    updates, rows, tokens (padding counted), padding (its share), seconds, cpu_seconds, operations,
    operations_per_second, limit (the rate of such products on this machine; None where it is not known), share,
    where (part to share of the time; see `shares.PARTS`), precision, device, model, method
    """
    with ExitStack() as stack:
        plan, session = prepare(Job(recipe, home, made.model, task, made.rows["train"], made.rows["validation"]), stack)
        engine = session.engine
        list(updates(engine, 0, _WARM))
        steps = range(_WARM, _WARM + count)
        watch = Stopwatch()
        done = list(updates(engine, steps.start, steps.stop))
        took = watch.read()
        operations = counted(engine, steps)
        where = profiled(engine, made.model, steps)
    rows, tokens = sum(u.rows for u in done), sum(u.tokens for u in done)
    filled = sum(length * windows for length, windows in
                 (engine.rows.sizes[i] for step in steps for one in engine.batches(step) for i in one))
    limit = rates.get(plan.precision)
    return {"model": made.base.name, "method": recipe.method["name"], "precision": plan.precision,
            "device": plan.device, "updates": count, "rows": rows, "tokens": tokens,
            "padding": max(0.0, 1 - filled / tokens), "seconds": took.wall, "cpu_seconds": took.cpu,
            "operations": operations, "operations_per_second": operations / took.wall, "limit": limit,
            "share": operations / took.wall / limit if limit else None, "where": where}


def counted(engine: Engine, steps: range) -> int:
    """Operations of the matrix products and the attention of these updates, forwards and backwards."""
    with FlopCounterMode(display=False, custom_mapping=_OWN) as counter:
        for step in steps:
            accumulate(engine, step, engine.batches(step))
            engine.weights.clear()
    return int(counter.get_total_flops())


def profiled(engine: Engine, model: Model, steps: range) -> dict[str, float]:
    """The share of each part in the time of these updates, made once more; nothing is taken back."""
    on_gpu = engine.device.type == "cuda"
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # below that the profiler writes to the user's screen
    rows = engine.rows
    engine.rows = _Watched(rows.encoded, rows.sources, rows.targets, rows.pad_id, rows.pad_side)
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with shares.dropout_named(model), profile(activities=kinds) as seen:
        list(updates(engine, steps.start, steps.stop))
    engine.rows = rows
    return shares.of(seen.events(), on_gpu=on_gpu)


class _Watched(Rows):
    """Rows that say when they become tensors."""

    def batch(self, rows: Any, task: Task, device: torch.device) -> Batch:
        with record_function(shares.DATA):
            return super().batch(rows, task, device)


