"""bitfit: only the biases of the base move, and the head (Ben Zaken et al. 2022, "BitFit: Simple Parameter-efficient
Fine-tuning for Transformer-based Masked Language-models", arXiv:2106.10199).

>>> model = attach(model, Options())     # a thousandth of an encoder's parameters
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 1e-3
OPERATIONS = 4.0
MOVED = 0.002


class Options(BaseModel):
    """No options: every bias of the base, those of norms included."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def virtual_tokens(options: Options) -> int:
    """None."""
    return 0


def attach(model: Model, options: Options) -> Model:
    """Freeze all but biases and head. Raises ModelError `model.no_biases` for families without them (Llama, T5)."""
    head = {id(p) for p in model.head_parameters()}
    biases = [p for n, p in model.base.named_parameters() if n.rpartition(".")[2] == "bias" and id(p) not in head]
    if not biases:
        raise ModelError("model.no_biases", t("{f} has no biases", "{f} 没有偏置项", f=model.base.config.model_type),
                         where="method.name", expected=t("a family with biases, such as BERT, GPT-2, BART",
                                                         "带偏置项的结构，如 BERT、GPT-2、BART"),
                         fix=t("use method.name=lora or ia3", "请用 method.name=lora 或 ia3"))
    model.requires_grad_(False)
    for parameter in (*biases, *model.head_parameters()):
        parameter.requires_grad_(True)
    return model


def adapter(model: Model) -> None:
    """None: biases are weights of the model itself."""


def merge(model: Model) -> Model:
    """It is plain already."""
    return model
