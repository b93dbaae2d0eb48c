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
from weitiao.tuning import sharded
from weitiao.tuning.batches import Batches
from weitiao.tuning.dropout import Dropout
from weitiao.tuning.kept import Kept
from weitiao.tuning.optim import set_rate
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.weights import Weights

SHOWN = 8  # places named of rows that something is wrong with


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
class LeftOut:
    """An update that was not made: what of it was no finite number, the places of its rows, and the update whose
    weights are taken up again (the one before it, or that of an earlier checkpoint)."""

    left_out: str
    where: Sequence[str]
    back_to: int


@dataclass(frozen=True, slots=True)
class Update:
    """One optimiser update: its number from 1, mean loss, peak rate, gradient norm before clipping, rows, tokens with
    padding, and the rows a forward pass may hold (it is halved when memory runs out)."""

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float
    rows: int
    tokens: int
    micro_batch_size: int
    left_out: LeftOut | None = None


def updates(engine: Engine, start: int, steps: int) -> Iterator[Update]:
    """Updates `start` to `steps` − 1. Raises NonFinite before anything moved, TrainingError `train.no_memory`."""
    engine.model.train()
    for step in range(start, steps):
        loss, micro, tokens = _gradient(engine, step)
        for optimizer in engine.optimizers:
            engine.scaler.unscale_(optimizer)
        norm = _clipped(engine)
        if not (math.isfinite(norm) or engine.scaler.is_enabled()):  # a scaler skips such an update by itself
            raise NonFinite("gradient", step, [engine.rows.sources[i] for m in micro for i in m])
        rate = engine.rate(step)
        set_rate(engine.optimizers, rate)
        for optimizer in engine.optimizers:
            engine.scaler.step(optimizer)
        engine.scaler.update()
        engine.weights.clear()
        engine.weights.publish()
        yield Update(step + 1, loss, rate, norm, sum(map(len, micro)), tokens, engine.batches.micro_batch_size)


def _gradient(engine: Engine, step: int) -> tuple[float, list[list[int]], int]:
    """The whole update's gradient, with smaller micro-batches where memory runs out on any rank (the effective batch
    stays): mean loss, the micro-batches' rows, padded tokens."""
    while True:
        micro = engine.batches(step)
        try:
            loss, tokens = accumulate(engine, step, micro)
            return loss, micro, tokens
        except OutOfMemory as e:
            if not engine.batches.halve():
                raise _no_memory() from e
        # Outside the handler: inside, the exception's frames would still hold the tensors that did not fit.
        engine.weights.clear()
        torch.cuda.empty_cache()
        memory.release()


def accumulate(engine: Engine, step: int, micro: Sequence[Sequence[int]]) -> tuple[float, int]:
    """Add up the gradients of an update's micro-batches, over all ranks, in the masters: mean loss, padded tokens.

    What goes wrong on one rank, all are told of before they wait for its gradients. Raises OutOfMemory, NonFinite.
    """
    own = [(index, rows) for index, rows in enumerate(micro) if engine.ranks.own(index)]
    batches = [engine.rows.batch(rows, engine.task, engine.device) for _, rows in own]
    count = engine.ranks.total(sum(engine.task.count(batch) for batch in batches))
    tokens = sum(batch["input_ids"].numel() for batch in batches)
    taught = len(own)
    if sharded.idle(engine.model, len(micro), taught, engine.ranks):
        own.append((len(micro), micro[0]))
        batches.append(engine.rows.batch(micro[0], engine.task, engine.device))
    summed, wrong = 0.0, list[str]()
    full: RuntimeError | None = None
    try:
        for number, ((index, rows), batch) in enumerate(zip(own, batches, strict=True)):
            sharded.sync(engine.model, last=number == len(own) - 1)
            weight = sharded.factor(engine.model) if number < taught else 0.0
            value = _pass(engine, step, index, batch, weight, count)
            if not math.isfinite(value):
                wrong = [engine.rows.sources[i] for i in rows]
                if not sharded.parted(engine.model):
                    break
            summed += value * (number < taught)
    except RuntimeError as e:
        # Only a GPU's has a class of its own. Where the ranks wait for one another within a pass, none can go on.
        if sharded.parted(engine.model) or not (isinstance(e, torch.OutOfMemoryError) or "allocate memory" in str(e)):
            raise
        full = e.with_traceback(None)  # its frames would still hold the tensors that did not fit
    _all_well(engine, step, wrong, full)
    engine.ranks.add_up(engine.weights.masters.values())
    return engine.ranks.total(summed) / count, round(engine.ranks.total(tokens))


def _clipped(engine: Engine) -> float:
    """The gradient's norm over all masters before it is clipped."""
    norm = nn.utils.clip_grad_norm_(engine.weights.masters.values(), engine.clip or math.inf)
    return float(sharded.whole({"norm": norm}, keep=True)["norm"])


def _pass(engine: Engine, step: int, index: int, batch: Batch, weight: float, count: float) -> float:
    """One forward and backward pass: its summed loss. One that is no finite number is not passed back, but where other
    ranks wait for the layers."""
    engine.dropout.start(step, index)
    if batch.redrawn:
        batch.update({k: v.to(engine.device) for k, v in batch.redrawn(key(engine.seed, "redrawn", step)).items()})
    logits = engine.model(**{name: batch[name] for name in INPUTS if name in batch})
    loss = engine.task.loss_sum(logits, batch)
    value = float(loss.detach())
    if math.isfinite(value) or sharded.parted(engine.model):
        engine.scaler.scale(loss * weight / count).backward()  # type: ignore[no-untyped-call]
        engine.weights.collect()
        engine.spare.release()  # here and not after the update: one of long texts takes many seconds
    return value


def _all_well(engine: Engine, step: int, wrong: list[str], full: RuntimeError | None) -> None:
    """Raises on every rank what went wrong on one."""
    if engine.ranks.total(full is not None):
        raise OutOfMemory from full
    if engine.ranks.total(bool(wrong)):
        raise NonFinite("loss", step, [place for places in engine.ranks.gather(wrong) for place in places])


class OutOfMemory(Exception):
    """A pass did not fit, on this rank or another."""


class NonFinite(TrainingError):
    """A loss, gradient or weight is not a finite number: names the step and the rows. Nothing has moved since the
    update before; what was saved is whole.

    Args:
        what: "loss", "gradient" or "weights".
        step: the update, from 0.
        sources: places of its rows.
    """

    def __init__(self, what: str, step: int, sources: Sequence[str]) -> None:
        said = {"loss": t("the loss", "损失"), "gradient": t("the gradient", "梯度"), "weights": t("a weight", "权重")}
        super().__init__(
            "train.non_finite",
            t("{w} is not a finite number at step {s}", "第 {s} 步{w}不是有限数", w=said[what], s=step + 1),
            where=", ".join(sources[:SHOWN]) + (" …" if len(sources) > SHOWN else ""),
            expected=t("finite numbers", "有限数值"),
            fix=t("lower tune.learning_rate, or set tune.precision=fp32; look at the rows named above; "
                  "tune.non_finite=skip or roll_back goes on without such updates",
                  "请降低 tune.learning_rate，或设 tune.precision=fp32；并查看上面列出的行；"
                  "设 tune.non_finite=skip 或 roll_back 可跳过这类更新继续"))
        self.named, self.step, self.sources = what, step, sources


def _no_memory() -> TrainingError:
    return TrainingError(
        "train.no_memory", t("one row at a time does not fit into memory", "内存或显存放不下单独一行"),
        fix=t("set tune.checkpointing=true, a smaller model.max_length or a smaller model",
              "请设 tune.checkpointing=true，减小 model.max_length，或换更小的模型"))
