"""lora: small low-rank matrices beside the attention's projections move, and the head (Hu et al. 2021, on peft).

>>> model = attach(model, Options(rank=8))     # forward unchanged, W x becomes W x + (alpha / rank) B A x
>>> model = merge(model)                       # W ← W + (alpha / rank) B A: a plain model of the base's architecture
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import MissingExtra, ModelError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from weitiao.models.build import Model

LEARNING_RATE = 1e-3


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rank: Annotated[int, Field(ge=1)] = 16
    """Rank of the matrices."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Their product is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Dropout on what enters them."""
    targets: tuple[str, ...] = ()
    """Names (ends of names) of the linear layers beside which they stand; none: every linear layer of the base but the
    one that answers with words."""


def attach(model: Model, options: Options) -> Model:
    """Freeze the base, put the adapters in, let them and the head move.

    Raises MissingExtra without peft, ModelError `model.no_such_layer` for `targets` that the base does not have.
    The matrices are drawn from torch's generator: seed it before.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as e:
        raise MissingExtra("peft", "lora", "LoRA") from e
    head = list(model.head_parameters())
    names = _targets(model.base, options.targets, {id(p) for p in head})
    model.requires_grad_(False)
    config = LoraConfig(r=options.rank, lora_alpha=options.alpha, lora_dropout=options.dropout, target_modules=names)
    inject_adapter_in_model(config, model.base)
    for parameter in head:
        parameter.requires_grad_(True)
    return model


def merge(model: Model) -> Model:
    """Fold the adapters into the matrices beside which they stand, and take them out."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.base.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, leaf = name.rpartition(".")
            setattr(model.base.get_submodule(parent), leaf, module.get_base_layer())
    return model


def _targets(base: PreTrainedModel, wanted: tuple[str, ...], head: set[int]) -> list[str]:
    """Full names of the linear layers (GPT-2's own kind included) below the head and the layer of all words: that is
    often the word embeddings themselves, which merging would change."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    output = base.get_output_embeddings()
    linear = [name for name, module in base.named_modules()
              if isinstance(module, nn.Linear | Conv1D) and module is not output
              and id(module.weight) not in head]
    missing = [w for w in wanted if not any(_ends(name, w) for name in linear)]
    if missing or not linear:
        ends = sorted({name.rpartition(".")[2] for name in linear})
        raise ModelError("model.no_such_layer", t("the base has no linear layer named {x}", "基座没有名为 {x} 的线性层",
                                                  x=", ".join(missing) or "*"), where="method.targets",
                         expected=", ".join(ends), fix=nearest(missing[0], ends) if missing else "")
    return [name for name in linear if not wanted or any(_ends(name, w) for w in wanted)]


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith("." + end)
