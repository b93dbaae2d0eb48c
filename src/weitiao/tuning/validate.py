"""What the model says of the validation rows, and the loss: in the training precision, without gradients.

>>> said, loss = rows_and_loss(model, task, rows, device, most_tokens=8192)
>>> task.quick(said, targets) | {"loss": loss}

The loss is the sum over all rows divided by their count, so neither order nor batch size enters into it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from weitiao.core import memory
from weitiao.core.stopping import NEVER, Stop
from weitiao.models.spec import INPUTS
from weitiao.tasks import Outputs, Task
from weitiao.tuning.batches import pack
from weitiao.tuning.loop import Rows
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.sharded import idle, parted


class Abandoned(Exception):
    """A stop was asked for between two passes."""


@torch.no_grad()
def rows_and_loss(model: nn.Module, task: Task, rows: Rows, device: torch.device, *, most_tokens: int,
                  ranks: Ranks = ALONE, stop: Stop = NEVER) -> tuple[Outputs, float]:
    """What the model says of each row (`Task.rows`), in the order of `rows`, and the mean loss: the same on every rank,
    each of which makes some of the passes. Raises Abandoned on all where one was asked to `stop`."""
    found: list[tuple[list[int], list[Any], float, float]] = []
    training, spare = model.training, memory.Spare()
    model.eval()
    passes = list(pack(range(len(rows.encoded)), rows.sizes, len(rows.encoded), most_tokens))
    own = [one for i, one in enumerate(passes) if ranks.own(i)]
    for numbers in own:
        if stop.asked and not parted(model):
            break
        batch = rows.batch(numbers, task, device)
        logits = model(**{name: batch[name] for name in INPUTS if name in batch})
        found.append((numbers, list(task.rows(logits, batch)), float(task.loss_sum(logits, batch)), task.count(batch)))
        spare.release()
    for _ in range(idle(model, len(passes), len(own), ranks)):
        batch = rows.batch(passes[0], task, device)
        model(**{name: batch[name] for name in INPUTS if name in batch})
    model.train(training)
    if ranks.total(stop.asked):
        raise Abandoned
    parts = [part for own in ranks.gather(found) for part in own]
    said: list[Any] = [None] * len(rows.encoded)
    for numbers, told, _, _ in parts:
        for number, row in zip(numbers, told, strict=True):
            said[number] = row
    return said, math.fsum(loss for *_, loss, _ in parts) / math.fsum(count for *_, count in parts)
