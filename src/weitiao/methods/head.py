"""head: only the new head moves; the pretrained model stays as it is. Fast, and steady on very few rows.

>>> model = attach(model, Options())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 1e-2  # a linear layer on fixed features takes far larger steps than a network
OPERATIONS = 2.0
MOVED = 0.02


class Options(BaseModel):
    """No options: the head is the architecture's own or the linear layer on the mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def virtual_tokens(options: Options) -> int:
    """None."""
    return 0


def attach(model: Model, options: Options) -> Model:
    """Freeze all but the head. Raises ModelError `model.nothing_moves` where the task needs no new head."""
    head = model.head_parameters()
    if not head:
        raise ModelError("model.nothing_moves", t("this task brings no new head: nothing would move",
                                                  "该任务没有新的头：没有可训练的参数"), where="method.name",
                         expected="full, lora, ia3, freeze", fix=t("use method.name=lora", "请用 method.name=lora"))
    model.requires_grad_(False)
    for parameter in head:
        parameter.requires_grad_(True)
    return model


def adapter(model: Model) -> None:
    """None: what moves are weights of the model itself."""


def merge(model: Model) -> Model:
    """It is plain already."""
    return model
