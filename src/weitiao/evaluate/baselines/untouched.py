"""The base model as it was before tuning, on the same rows.

Most encoders come without the head that fills masks. Then a new one is fitted while all else stays as it was, on some
150,000 tokens of training rows (`train_rows` says how many blocks that is): without it there would be no "before", and
what a drawn head says would make any tuning look good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weitiao import models
from weitiao.bundle import Bundle, Settings, by_length
from weitiao.evaluate.baselines import Baseline, Case
from weitiao.models.spec import INPUTS
from weitiao.tasks import Encoded

if TYPE_CHECKING:
    from weitiao.models.build import Model

TITLE = ("the untouched base", "未经训练的基座")
_FIT_TOKENS = 150_000
_BATCH_TOKENS = 2048
_RATE = 1e-3


def make(case: Case) -> Baseline:
    """Raises ModelError as finding and building the base does."""
    from weitiao.models.build import build

    task, recipe = case.task, case.recipe
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    model = build(base, task.head(), pooling="auto", dropout=None, seed=recipe.seed).to(case.device)
    settings = Settings(int(recipe.model.max_length), recipe.model.long_texts == "windows", recipe.clean.model_dump())
    words = models.tokenizer(base.folder)
    how, fitted = recipe.model.name, 0
    if model.head_parameters():
        blocks = _some(case, words, settings)
        fitted = _fit(model, case, words, blocks)
        how += f", its new head alone fitted on {fitted} blocks"
    outputs = Bundle(base.folder, model, words, recipe.task["name"], task, settings).outputs(case.test)
    return Baseline(outputs, how, fitted)


def _some(case: Case, words: Any, settings: Settings) -> list[Encoded]:
    """Training blocks, drawn at random, up to the budget of tokens."""
    from weitiao.core import seeds

    blocks: list[Encoded] = []
    tokens = 0
    for i in seeds.rng(case.recipe.seed, "untouched").permutation(len(case.train)):
        if tokens >= _FIT_TOKENS:
            break
        [row] = case.task.encode([case.train[i]], words, settings.max_length)
        blocks += row.apart()
        tokens += sum(map(len, row.windows))
    return blocks


def _fit(model: Model, case: Case, words: Any, blocks: Sequence[Encoded]) -> int:
    """One pass of AdamW over the blocks in which only the head moves; the number of blocks."""
    import torch

    from weitiao.core import seeds

    head = model.head_parameters()
    model.requires_grad_(False)
    for parameter in head:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(head, lr=_RATE)
    batches = list(by_length([(b.length, 1) for b in blocks], _BATCH_TOKENS))
    order = seeds.rng(case.recipe.seed, "untouched order").permutation(len(batches))
    for step, i in enumerate(order):
        batch = case.task.collate([blocks[j] for j in batches[i]], words.pad_token_id, words.padding_side)
        if batch.redrawn:
            batch.update(batch.redrawn(seeds.key(case.recipe.seed, "untouched", step)))
        if not case.task.count(batch):
            continue
        batch.update({k: v.to(case.device) for k, v in batch.items()})
        with torch.autocast(case.device.partition(":")[0], torch.bfloat16, enabled=case.bf16):
            logits = model(**{k: v for k, v in batch.items() if k in INPUTS})
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / len(batches))
        optimizer.zero_grad()
        (case.task.loss_sum(logits, batch) / case.task.count(batch)).backward()
        optimizer.step()
    return len(blocks)
