"""The first weights of a head that fills masks, where the base came without one: fitted while all else stands still.

>>> begin(model, task, rows, device, seed=1, bf16=True, path=run / "tune" / "head.safetensors")

Two reasons. A drawn head sends random gradients into the base in the first steps, as a drawn classifier does (see
`probe`). And only with a fitted head is there a "before" that the tuned model can be compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import save

from weitiao.core import files
from weitiao.core.seeds import key, rng
from weitiao.models.spec import INPUTS
from weitiao.tasks import Task
from weitiao.tuning.batches import pack
from weitiao.tuning.loop import Rows

if TYPE_CHECKING:
    from weitiao.models.build import Model

MOST_TOKENS = 120_000  # of training rows, drawn by the seed: some 18,000 masks
RATE = 1e-3
_PASS_TOKENS = 2048


def begin(model: Model, task: Task, rows: Rows, device: torch.device, *, seed: int, bf16: bool, path: Path) -> None:
    """Give `model` the fitted head and keep it at `path` (with the number of rows it was fitted on); a resumed run
    reads it from there."""
    names = {id(p): n for n, p in model.named_parameters()}
    head = {names[id(p)]: p for p in model.head_parameters()}
    if not path.is_file():
        chosen = _chosen(rows, seed)
        with _standing_still(model, list(head.values())):
            _fit(model, task, rows, chosen, device, seed=seed, bf16=bf16)
        files.write_bytes(path, save({n: p.detach().cpu().contiguous() for n, p in head.items()},
                                     {"rows": str(len(chosen))}))
    with safe_open(path, "pt") as saved, torch.no_grad():
        for name, parameter in head.items():
            parameter.copy_(saved.get_tensor(name))


def _chosen(rows: Rows, seed: int) -> list[int]:
    chosen: list[int] = []
    tokens = 0
    for i in rng(seed, "fill").permutation(len(rows.encoded)).tolist():
        if tokens >= MOST_TOKENS:
            break
        chosen.append(i)
        tokens += rows.encoded[i].length
    return chosen


@contextmanager
def _standing_still(model: Model, head: list[torch.nn.Parameter]) -> Iterator[None]:
    """Only the head moves, and there is no dropout."""
    flags = {p: p.requires_grad for p in model.parameters()}
    training = model.training
    model.eval().requires_grad_(False)
    for parameter in head:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        model.train(training)
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)


def _fit(model: Model, task: Task, rows: Rows, chosen: list[int], device: torch.device, *, seed: int,
         bf16: bool) -> None:
    """One pass of AdamW, the rate falling to 0."""
    optimizer = torch.optim.AdamW(model.head_parameters(), lr=RATE)
    passes = list(pack(chosen, rows.sizes, len(chosen), _PASS_TOKENS))
    order = rng(seed, "fill order").permutation(len(passes)).tolist()
    for step, i in enumerate(order):
        batch = rows.batch(passes[i], task, device)
        if batch.redrawn:
            batch.update({k: v.to(device) for k, v in batch.redrawn(key(seed, "fill", step)).items()})
        count = task.count(batch)
        if not count:  # nothing but tokens that the vocabulary does not know
            continue
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / len(passes))
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = model(**{k: batch[k] for k in INPUTS if k in batch})
        (task.loss_sum(logits, batch) / count).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    optimizer.zero_grad()  # what is left would become part of the first update
