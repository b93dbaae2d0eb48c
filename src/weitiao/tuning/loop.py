"""The loop: one generator that yields after each optimiser update. Everything else belongs to its caller.

>>> for update in updates(engine, start=0, steps=100):
...     print(update.step, update.loss)

The task's `loss_sum` is summed over the micro-batches and divided once, by the task's `count` of the whole update,
which is known before the first backward pass. So 16×1 and 4×4 rows give one and the same gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from weitiao.core import memory
from weitiao.core.errors import TrainingError
from weitiao.core.i18n import t
from weitiao.core.seeds import key
from weitiao.models.spec import INPUTS
from weitiao.tasks import Batch, Encoded, Task
from weitiao.tuning.batches import Batches
from weitiao.tuning.dropout import Dropout
from weitiao.tuning.kept import Kept
from weitiao.tuning.optim import set_rate
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.weights import Weights


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded rows, where each came from (`file:line`), its target as in its Example, and how the tokenizer pads."""

    encoded: Sequence[Encoded]
    sources: Sequence[str]
    targets: Sequence[Any]
    pad_id: int
    pad_side: str

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Per row (tokens of the longest window, number of windows)."""
        if isinstance(self.encoded, Kept):
            return self.encoded.sizes
        return [(row.length, len(row.windows)) for row in self.encoded]

    def batch(self, rows: Sequence[int], task: Task, device: torch.device) -> Batch:
        """The tensors of these rows on the device."""
        made = task.collate([self.encoded[i] for i in rows], self.pad_id, self.pad_side)
        moved = Batch({k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in made.items()})
        moved.redrawn = made.redrawn
        return moved


@dataclass(slots=True)
class Engine:
    """What the loop turns: made by the caller, never changed by the loop except for what training moves."""

    model: nn.Module
    task: Task
    rows: Rows
    batches: Batches
    weights: Weights
    optimizers: list[Optimizer]
    scaler: torch.amp.GradScaler
    rate: Callable[[int], float]
    dropout: Dropout
    device: torch.device
    clip: float
    seed: int
    spare: memory.Spare = field(default_factory=memory.Spare)
    ranks: Ranks = ALONE


@dataclass(frozen=True, slots=True)
class Update:
    """One optimiser update: its number from 1, mean loss, peak rate, gradient norm before clipping, rows, tokens with
    padding, and the rows a forward pass may hold (it is halved when the GPU's memory runs out)."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    rows: int
    tokens: int
    micro_batch_size: int


def updates(engine: Engine, start: int, steps: int) -> Iterator[Update]:
    """Updates `start` to `steps` − 1. Raises TrainingError `train.non_finite`, `train.no_memory`."""
    engine.model.train()
    for step in range(start, steps):
        loss, micro, tokens = _gradient(engine, step)
        for optimizer in engine.optimizers:
            engine.scaler.unscale_(optimizer)
        norm = float(nn.utils.clip_grad_norm_(engine.weights.masters.values(), engine.clip or math.inf))
        if not (math.isfinite(norm) or engine.scaler.is_enabled()):  # a scaler skips such an update by itself
            raise non_finite(t("the gradient", "梯度"), step, [engine.rows.sources[i] for m in micro for i in m])
        rate = engine.rate(step)
        set_rate(engine.optimizers, rate)
        for optimizer in engine.optimizers:
            engine.scaler.step(optimizer)
        engine.scaler.update()
        engine.weights.clear()
        engine.weights.publish()
        yield Update(step + 1, loss, rate, norm, sum(map(len, micro)), tokens, engine.batches.micro_batch_size)


def _gradient(engine: Engine, step: int) -> tuple[float, list[list[int]], int]:
    """The whole update's gradient, with smaller micro-batches where the GPU's memory runs out (the effective batch
    stays): mean loss, the micro-batches' rows, padded tokens."""
    while True:
        micro = engine.batches(step)
        try:
            loss, tokens = accumulate(engine, step, micro)
            return loss, micro, tokens
        except torch.OutOfMemoryError as e:
            # Other ranks do not know of it, and would go on with other passes.
            if engine.ranks.size > 1 or not engine.batches.halve():
                raise _no_memory() from e
        # Outside the handler: inside, the exception's frames would still hold the tensors that did not fit.
        engine.weights.clear()
        torch.cuda.empty_cache()


def accumulate(engine: Engine, step: int, micro: Sequence[Sequence[int]]) -> tuple[float, int]:
    """Add up the gradients of an update's micro-batches, over all ranks, in the masters: mean loss, padded tokens."""
    own = [(index, rows) for index, rows in enumerate(micro) if engine.ranks.own(index)]
    batches = [engine.rows.batch(rows, engine.task, engine.device) for _, rows in own]
    count = engine.ranks.total(sum(engine.task.count(batch) for batch in batches))
    summed = 0.0
    for (index, rows), batch in zip(own, batches, strict=True):
        engine.dropout.start(step, index)
        if batch.redrawn:
            batch.update({k: v.to(engine.device) for k, v in batch.redrawn(key(engine.seed, "redrawn", step)).items()})
        logits = engine.model(**{name: batch[name] for name in INPUTS if name in batch})
        loss = engine.task.loss_sum(logits, batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise non_finite(t("the loss", "损失"), step, [engine.rows.sources[i] for i in rows])
        engine.scaler.scale(loss / count).backward()  # type: ignore[no-untyped-call]
        engine.weights.collect()
        engine.spare.release()  # here and not after the update: one of long texts takes many seconds
        summed += value
    engine.ranks.add_up(engine.weights.masters.values())
    tokens = sum(batch["input_ids"].numel() for batch in batches)
    return engine.ranks.total(summed) / count, round(engine.ranks.total(tokens))


def non_finite(what: str, step: int, sources: Sequence[str]) -> TrainingError:
    """The error that names the step and the rows. What was saved before it is whole."""
    shown = ", ".join(sources[:8]) + (" …" if len(sources) > 8 else "")
    return TrainingError(
        "train.non_finite",
        t("{w} is not a finite number at step {s}", "第 {s} 步{w}不是有限数", w=what, s=step + 1), where=shown,
        expected=t("finite numbers", "有限数值"),
        fix=t("lower tune.learning_rate, or set tune.precision=fp32; look at the rows named above",
              "请降低 tune.learning_rate，或设 tune.precision=fp32；并查看上面列出的行"))


def _no_memory() -> TrainingError:
    return TrainingError(
        "train.no_memory", t("one row at a time does not fit into the GPU's memory", "显存放不下单独一行"),
        fix=t("set tune.checkpointing=true, a smaller model.max_length or a smaller model",
              "请设 tune.checkpointing=true，减小 model.max_length，或换更小的模型"))
