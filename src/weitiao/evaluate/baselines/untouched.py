"""The base model as it was before tuning, on the same rows.

Most encoders come without the head that fills masks. Then it is the base with the head that tuning began with, which
was fitted on training rows while all else stood still (`train_rows` says on how many): a drawn one would say nothing,
and make any tuning look good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weitiao import models
from weitiao.bundle import Bundle, Settings
from weitiao.evaluate.baselines import Baseline, Case, _frozen_language

if TYPE_CHECKING:
    from weitiao.models.build import Model

TITLE = ("the untouched base", "未经训练的基座")


def make(case: Case) -> Baseline:
    """Raises ModelError as finding and building the base does."""
    from weitiao.models.build import build

    case = _frozen_language.met(case)
    task, recipe = case.task, case.recipe
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    model = build(base, task.head(), pooling="auto", dropout=None, seed=recipe.seed)
    how, fitted = recipe.model.name, 0
    if model.head_parameters():
        fitted = _take_head(model, case)
        how += f" with a new head, which alone was fitted on {fitted} rows"
    settings = Settings(int(recipe.model.max_length), recipe.model.long_texts == "windows", recipe.clean.model_dump())
    untouched = Bundle(base.folder, model.to(case.device), models.tokenizer(base.folder), recipe.task["name"], task,
                       settings)
    return Baseline(untouched.outputs(case.test), how, fitted)


def _take_head(model: Model, case: Case) -> int:
    """The head that tuning began with; on how many rows it was fitted."""
    import torch
    from safetensors import safe_open

    assert case.home is not None, "a run that tunes such a head leaves it there"
    own = dict(model.named_parameters())
    with safe_open(case.home / "head.safetensors", "pt") as saved, torch.no_grad():
        for name in saved.keys():  # noqa: SIM118 - no mapping
            own[name].copy_(saved.get_tensor(name)[:len(own[name])])  # the tuned model may know more words
        return int(saved.metadata()["rows"])
