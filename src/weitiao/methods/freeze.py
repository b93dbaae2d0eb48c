"""freeze: the embeddings and the lowest layers stay as they are; the upper layers and the head move.

>>> model = attach(model, Options(layers=6))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 2e-4
OPERATIONS = 5.0
MOVED = 0.5


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    layers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """How many of the lowest layers stay frozen, beside the embeddings; auto: half of them."""


def virtual_tokens(options: Options) -> int:
    """None."""
    return 0


def attach(model: Model, options: Options) -> Model:
    """Freeze from below. Raises ModelError `model.too_few_layers` when nothing but the head would move.

    `layers()` goes from the embeddings (the first) to the head (the last).
    """
    groups = model.layers()
    inner = len(groups) - 2
    frozen = inner // 2 if options.layers == "auto" else options.layers
    if frozen >= inner:
        raise ModelError("model.too_few_layers", t("the model has {n} layers, {m} are to be frozen",
                                                   "模型有 {n} 层，却要冻结 {m} 层", n=inner, m=frozen),
                         where="method.layers", expected=f"0 … {inner - 1}",
                         fix=t("choose fewer, or method.name=head", "请减少层数，或用 method.name=head"))
    model.requires_grad_(True)
    for group in groups[: frozen + 1]:
        for parameter in group:
            parameter.requires_grad_(False)
    return model


def adapter(model: Model) -> None:
    """None: what moves are weights of the model itself."""


def merge(model: Model) -> Model:
    """It is plain already."""
    return model
