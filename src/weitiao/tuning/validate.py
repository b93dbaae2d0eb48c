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
from weitiao.models.spec import INPUTS
from weitiao.tasks import Outputs, Task
from weitiao.tuning.batches import pack
from weitiao.tuning.loop import Rows


@torch.no_grad()
def rows_and_loss(model: nn.Module, task: Task, rows: Rows, device: torch.device, *,
                  most_tokens: int) -> tuple[Outputs, float]:
    """What the model says of each row (`Task.rows`), in the order of `rows`, and the mean loss."""
    said: list[Any] = [None] * len(rows.encoded)
    losses, counts = [], []
    training, spare = model.training, memory.Spare()
    model.eval()
    for numbers in pack(range(len(rows.encoded)), rows.sizes, len(rows.encoded), most_tokens):
        batch = rows.batch(numbers, task, device)
        logits = model(**{name: batch[name] for name in INPUTS if name in batch})
        losses.append(float(task.loss_sum(logits, batch)))
        counts.append(task.count(batch))
        for number, row in zip(numbers, task.rows(logits, batch), strict=True):
            said[number] = row
        spare.release()
    model.train(training)
    return said, math.fsum(losses) / math.fsum(counts)
