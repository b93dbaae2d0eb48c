"""The head's first weights: a linear model fitted on the untouched base's features, before anything else moves.

>>> begin(model, task, rows, device, most_tokens=8192, path=run / "tune" / "head.safetensors")

Linear probing, then fine-tuning (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution", arXiv:2202.10054): a random head sends random gradients into the base in the first steps and
spoils what it knows. With few labels that costs points (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Iterator
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
    from weitiao.models.build import Model

STRENGTH = 3e-2  # of the squared weights beside the mean loss (docs/log.md)
WORDS_STRENGTH = 1e-2  # the same for words, whose features are not of length 1 (docs/log.md)
MOST_ROWS = 8192  # more rows hardly move a linear model of some hundred features, and each costs a forward pass
MOST_TOKENS = 200_000  # of rows whose words are learnt: each word is kept
_ITERATIONS = 100


def begin(model: Model, task: Task, rows: Rows, device: torch.device, *, seed: int, most_tokens: int,
          path: Path) -> None:
    """Give `model` the fitted head and keep it at `path`; a resumed run reads it from there.

    Rows are drawn by `seed` where there are more than `MOST_ROWS` (or `MOST_TOKENS`). Raises ModelError
    `model.no_linear_head` where the head is not linear on `model.features`.
    """
    if not path.is_file():
        words = task.head().kind == "tokens"
        chosen = _chosen(rows, seed, MOST_TOKENS if words else None)
        features, batch = _features(model, task, rows, chosen, device, most_tokens, words=words)
        weight, bias = fit(features, task, batch, WORDS_STRENGTH if words else STRENGTH)
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
    shape = (1, len(features), -1) if head.kind == "tokens" else (len(features), -1)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        logits = (features @ weight.T + bias).reshape(shape)
        value = task.loss_sum(logits, batch) / task.count(batch) + strength * weight.square().sum()
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


def _chosen(rows: Rows, seed: int, most_tokens: int | None) -> list[int]:
    order = rng(seed, "probe").permutation(len(rows.encoded))[:MOST_ROWS]
    if most_tokens is not None:
        sizes = np.cumsum([sum(map(len, rows.encoded[i].windows)) for i in order])
        order = order[: max(1, int((sizes <= most_tokens).sum()))]
    return sorted(order.tolist())


def _features(model: Model, task: Task, rows: Rows, chosen: list[int], device: torch.device, most_tokens: int, *,
              words: bool) -> tuple[torch.Tensor, Batch]:
    """Per row (the mean over its windows) or per word its features, (n, hidden) on the CPU, and the batch of the
    targets, for words as if all stood in one row."""
    parts, targets = [], []
    for features, batch in _seen(model, task, rows, chosen, device, most_tokens):
        parts.append(features.flatten(0, 1)[batch["place"]].cpu() if words else
                     torch.from_numpy(np.stack(task.rows(features, batch))))
        targets.append(batch["targets"].cpu())
    together = torch.cat(parts)
    whose = {"place" if words else "owner": torch.arange(len(together))}
    return together, Batch(whose, targets=torch.cat(targets))


@torch.no_grad()
def _seen(model: Model, task: Task, rows: Rows, chosen: list[int], device: torch.device,
          most_tokens: int) -> Iterator[tuple[torch.Tensor, Batch]]:
    training = model.training
    model.eval()
    for micro in pack(chosen, rows.sizes, len(chosen), most_tokens):
        batch = rows.batch(micro, task, device)
        yield model.features(**{k: batch[k] for k in INPUTS if k in batch}).float(), batch
    model.train(training)
