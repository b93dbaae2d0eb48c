"""qlora: LoRA on a base whose linear layers are held in 4 bits (Dettmers et al. 2023, arXiv:2305.14314); needs a CUDA
GPU and bitsandbytes.

>>> model = attach(model, Options(rank=16))    # the layers become 4-bit when the model is moved to the GPU
>>> model = merge(model)                       # W ← W₄ + (alpha / rank) B A in float32, W₄ being the rounded matrix

The saved model holds what was tuned: the rounded base with the adapters folded in, not the base that was rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import MissingExtra, ModelError
from weitiao.core.i18n import t
from weitiao.methods import Adapter, _peft

if TYPE_CHECKING:
    from torch import nn

    from weitiao.models.build import Model

LEARNING_RATE = 5e-4
OPERATIONS = 5.0
MOVED = 0.02
_TOLERANCE = 5e-2  # the 4-bit products are made in 16 bits, the merged ones in 32


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rank: Annotated[int, Field(ge=1)] = 16
    """Rank of the matrices."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Their product is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Dropout on what enters them."""
    targets: tuple[str, ...] = ()
    """Names (ends of names) of the linear layers that are rounded and get matrices; none: every linear layer of the
    base but the output layer over the vocabulary."""


def virtual_tokens(options: Options) -> int:
    """None."""
    return 0


def attach(model: Model, options: Options) -> Model:
    """Round the base's linear layers, freeze the base, put the adapters in, let them and the head move.

    Raises ModelError `model.needs_cuda` without a CUDA GPU, `model.no_such_layer`; MissingExtra without peft or
    bitsandbytes.
    """
    import torch

    if not torch.cuda.is_available():
        raise ModelError("model.needs_cuda", t("4-bit layers need a CUDA GPU; there is none here",
                                               "4 比特层需要 CUDA 显卡，本机没有"), where="method.name",
                         expected="lora, ia3, bitfit, freeze, full", fix=t("use method.name=lora",
                                                                           "请用 method.name=lora"))
    try:
        import bitsandbytes
        from peft import LoraConfig
    except ImportError as e:
        raise MissingExtra(e.name or "bitsandbytes", "qlora", "QLoRA") from e
    names = _peft.linear_names(model, options.targets)
    if _peft.transposed(model, names):
        raise ModelError("model.no_such_layer", t("the layers of {f} are of a kind that cannot be held in 4 bits",
                                                  "{f} 的层无法以 4 比特存放", f=model.base.config.model_type),
                         where="method.name", fix=t("use method.name=lora", "请用 method.name=lora"))
    for name in names:
        parent, _, leaf = name.rpartition(".")
        setattr(model.base.get_submodule(parent), leaf, _rounded(model.base.get_submodule(name), bitsandbytes))
    model.base.is_loaded_in_4bit = True  # how peft is told which kind of adapter to put beside them
    _peft.inject(model, LoraConfig(r=options.rank, lora_alpha=options.alpha, lora_dropout=options.dropout,
                                   target_modules=names))
    return model


def adapter(model: Model) -> Adapter:
    """The matrices. Their base is the rounded one: others load it in 4 bits (NF4, double quantisation)."""
    return _peft.adapter(model, "lora_")


def merge(model: Model) -> Model:
    """Plain float32 layers of the rounded matrices and the adapters. Raises ModelError `model.merge_not_exact`."""
    merged = _peft.merge(model, tolerance=_TOLERANCE, fold=_merged_layer)
    del merged.base.is_loaded_in_4bit
    return merged


def _rounded(layer: Any, bitsandbytes: Any) -> nn.Module:
    """The layer in NF4 with double quantisation; bitsandbytes rounds it on its way to the GPU."""
    import torch

    bf16 = torch.cuda.get_device_capability()[0] >= 8
    made = bitsandbytes.nn.Linear4bit(layer.in_features, layer.out_features, bias=layer.bias is not None,
                                      compute_dtype=torch.bfloat16 if bf16 else torch.float16,
                                      compress_statistics=True, quant_type="nf4")
    made.weight = bitsandbytes.nn.Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4",
                                             compress_statistics=True)
    made.bias = layer.bias
    return made  # type: ignore[no-any-return]


def _merged_layer(module: Any) -> nn.Module:
    import bitsandbytes
    import torch
    from torch import nn

    rounded = module.get_base_layer()
    weight = bitsandbytes.functional.dequantize_4bit(rounded.weight.data, rounded.weight.quant_state).float()
    plain = nn.Linear(rounded.in_features, rounded.out_features, bias=rounded.bias is not None, device=weight.device)
    with torch.no_grad():
        plain.weight.copy_(weight + module.get_delta_weight(_peft.NAME).float())
        if rounded.bias is not None:
            plain.bias.copy_(rounded.bias)
    return plain
