"""The validation rows' outputs and loss during training, in the training precision and without gradients.

>>> outputs, loss = outputs_and_loss(model, task, rows, device, most_tokens=8192)
>>> task.quick(outputs, targets) | {"loss": loss}

The loss is the sum over all rows divided by their count, so neither order nor batch size enters into it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from weitiao.tasks import Task
from weitiao.tuning.batches import pack
from weitiao.tuning.loop import INPUTS, Rows


@torch.no_grad()
def outputs_and_loss(model: nn.Module, task: Task, rows: Rows, device: torch.device, *,
                     most_tokens: int) -> tuple[NDArray[np.float32], float]:
    """Per row its outputs, (n, outputs), in the order of `rows`, and the mean loss."""
    outputs: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(rows.encoded)
    losses, counts = [], []
    training = model.training
    model.eval()
    for numbers in pack(range(len(rows.encoded)), rows.sizes, len(rows.encoded), most_tokens):
        batch = rows.batch(numbers, task, device)
        logits = model(**{name: batch[name] for name in INPUTS if name in batch})
        losses.append(float(task.loss_sum(logits, batch)))
        counts.append(task.count(batch))
        for number, row in zip(numbers, task.logits(logits, batch).cpu().numpy(), strict=True):
            outputs[number] = row
    model.train(training)
    return np.stack(outputs), math.fsum(losses) / math.fsum(counts)
