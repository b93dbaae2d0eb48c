"""The head's first weights: a linear model fitted on the untouched base's features, before anything else moves.

>>> begin(model, task, rows, device, most_tokens=8192, path=run / "tune" / "head.safetensors")

Linear probing, then fine-tuning (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution", arXiv:2202.10054): a random head sends random gradients into the base in the first steps and
spoils what it knows. With few labels that costs points (docs/log.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

from weitiao.core import files
from weitiao.core.errors import TrainingError
from weitiao.core.i18n import t
from weitiao.core.seeds import rng
from weitiao.models.spec import INPUTS
from weitiao.tasks import Batch, Task
from weitiao.tuning.batches import pack
from weitiao.tuning.loop import Rows

if TYPE_CHECKING:
    from weitiao.models.sequence import TextModel

STRENGTH = 3e-2  # of the squared weights beside the mean loss (docs/log.md)
MOST_ROWS = 8192  # more rows hardly move a linear model of some hundred features, and each costs a forward pass
_ITERATIONS = 100


def begin(model: TextModel, task: Task, rows: Rows, device: torch.device, *, seed: int, most_tokens: int,
          path: Path) -> None:
    """Give `model` the fitted head and keep it at `path`; a resumed run reads it from there.

    Needs a head that is linear on `model.features`. Rows are drawn by `seed` where there are more than `MOST_ROWS`.
    """
    if not path.is_file():
        chosen = sorted(rng(seed, "probe").permutation(len(rows.encoded))[:MOST_ROWS].tolist())
        features, batch = _features(model, task, rows, chosen, device, most_tokens)
        weight, bias = fit(features, task, batch, STRENGTH)
        files.write_bytes(path, save({"weight": weight, "bias": bias}))
    head = load_file(path)
    model.set_head(head["weight"], head["bias"])


def fit(features: torch.Tensor, task: Task, batch: Batch, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear head with the least (task's loss / count) + strength · ‖weight‖², by L-BFGS.

    `features` (n, hidden) float32; `batch` holds the rows' targets. Gives weight (outputs, hidden), bias (outputs,).
    """
    head = task.head()
    if head.problem_type == "multi_label_classification":
        strength /= head.outputs  # that loss is a mean over the labels
    weight, bias = nn.Parameter(torch.zeros(head.outputs, features.shape[1])), nn.Parameter(torch.zeros(head.outputs))
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        value = task.loss_sum(features @ weight.T + bias, batch) / task.count(batch) + strength * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    if not (torch.isfinite(weight).all() and torch.isfinite(bias).all()):
        raise TrainingError("train.probe_failed", t("no linear head could be fitted on the base's features",
                                                    "无法在基座特征上拟合线性分类头"), where="tune.head_start",
                            expected=t("finite features and targets", "有限的特征与目标值"),
                            fix=t("set tune.head_start=random, or tune.precision=fp32",
                                  "请设 tune.head_start=random，或 tune.precision=fp32"))
    return weight.detach(), bias.detach()


@torch.no_grad()
def _features(model: TextModel, task: Task, rows: Rows, chosen: list[int], device: torch.device,
              most_tokens: int) -> tuple[torch.Tensor, Batch]:
    """Per row its features (the mean over its windows), (n, hidden) on the CPU, and the batch of the targets."""
    training = model.training
    model.eval()
    parts, targets = [], []
    for micro in pack(chosen, rows.sizes, len(chosen), most_tokens):
        batch = rows.batch(micro, task, device)
        features = model.features(**{k: batch[k] for k in INPUTS if k in batch}).float()
        parts.append(torch.from_numpy(np.stack(task.rows(features, batch))))
        targets.append(batch["targets"].cpu())
    model.train(training)
    together = torch.cat(parts)
    return together, Batch(owner=torch.arange(len(together)), targets=torch.cat(targets))
