"""The base model as it was before tuning, asked by the task's own renderer and with its own settings."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from weitiao import models
from weitiao.bundle import by_length, tokens_of_a_pass
from weitiao.evaluate.baselines import Case


def met(case: Case) -> Case:
    """The case with its task met with the base's own tokenizer: the tuned one may write a prompt or know more words."""
    task, recipe = case.task, case.recipe
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    again = copy.copy(task)
    again.restore({k: [] if k == "golden" else v for k, v in task.state().items()})
    again.bind(base.kind, models.tokenizer(base.folder))
    return replace(case, task=again)


def answers(case: Case, encode: Callable[[Any, int], Sequence[Any]]) -> list[Any]:
    """An output for each row that `encode(task, max_length)` gives, in the same order; of a `met` case. Raises
    ModelError as finding and building the base does."""
    import torch

    from weitiao.models.build import build

    task, recipe = case.task, case.recipe
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    model = build(base, task.head(), pooling="auto", dropout=None, seed=recipe.seed).to(case.device)
    if case.bf16:
        model = model.bfloat16()
    rows = encode(task, int(recipe.model.max_length))
    found: list[Any] = [None] * len(rows)
    for index in by_length([(r.length, 1) for r in rows], tokens_of_a_pass(case.device, written=True)):
        batch = task.collate([rows[i] for i in index], task.speaker.tokenizer.pad_token_id, "right")
        with torch.inference_mode():
            for i, one in zip(index, task.outputs(model, batch), strict=True):
                found[i] = one
    return found
