"""lora: small low-rank matrices beside the base's linear layers move, and the head (Hu et al. 2021, on peft).

>>> model = attach(model, Options(rank=8))     # forward unchanged, W x becomes W x + (alpha / rank) B A x
>>> model = merge(model)                       # W ← W + (alpha / rank) B A: a plain model of the base's architecture

`rslora` scales by alpha / √rank (Kalajdzievski 2023, arXiv:2312.03732), so that a larger rank still learns; `dora`
learns each row's length apart from its direction (Liu et al. 2024, arXiv:2402.09353), a third slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import MissingExtra
from weitiao.methods import Adapter, _peft

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 1e-3
OPERATIONS = 4.5
MOVED = 0.02


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rank: Annotated[int, Field(ge=1)] = 16
    """Rank of the matrices."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Their product is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Dropout on what enters them."""
    targets: tuple[str, ...] = ()
    """Names (ends of names) of the linear layers beside which they stand, e.g. ["q_proj", "v_proj"]; none: every
    linear layer of the base but the output layer over the vocabulary."""
    rslora: bool = False
    """Scale by alpha / √rank instead."""
    dora: bool = False
    """Learn the length of each row of a matrix apart from its direction."""


def virtual_tokens(options: Options) -> int:
    """None."""
    return 0


def attach(model: Model, options: Options) -> Model:
    """Freeze the base, put the adapters in, let them and the head move.

    Raises MissingExtra without peft, ModelError `model.no_such_layer` for `targets` that the base does not have.
    The matrices are drawn from torch's generator: seed it before.
    """
    try:
        from peft import LoraConfig
    except ImportError as e:
        raise MissingExtra("peft", "lora", "LoRA") from e
    names = _peft.linear_names(model, options.targets)
    _peft.inject(model, LoraConfig(
        r=options.rank, lora_alpha=options.alpha, lora_dropout=options.dropout, target_modules=names,
        use_rslora=options.rslora, use_dora=options.dora, fan_in_fan_out=_peft.transposed(model, names)))
    return model


def adapter(model: Model) -> Adapter:
    """The matrices."""
    return _peft.adapter(model, "lora_")


def merge(model: Model) -> Model:
    """Fold the adapters into the matrices beside which they stand, and take them out.

    Raises ModelError `model.merge_not_exact`.
    """
    return _peft.merge(model)
