"""What the methods on peft share: where adapters stand, taking them out again, and their own form on disk.

>>> names = linear_names(model, ("q_proj", "v_proj"))
>>> inject(model, LoraConfig(r=8, target_modules=names))
>>> kept = adapter(model, "lora_")             # before merging: what others can load with peft
>>> merge(model, tolerance=1e-3)               # plain again, and checked to say the same
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.methods import Adapter

if TYPE_CHECKING:
    import torch
    from torch import nn

    from weitiao.models.build import Model

TOLERANCE = 1e-3  # of merged against unmerged logits, relative to the largest: fp32 rounding over some 30 layers
NAME = "default"  # what peft calls the one adapter


def linear_layers(model: Model) -> dict[str, nn.Module]:
    """The linear layers (GPT-2's own kind included) below the head and the output layer over the vocabulary, by their
    names in the base. The output layer is often the word embeddings themselves: it could not be merged alone."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    output = model.base.get_output_embeddings()
    above = {id(p) for p in model.head_parameters()} | ({id(output.weight)} if output is not None else set())
    return {name: module for name, module in model.base.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and id(module.weight) not in above}


def linear_names(model: Model, wanted: Sequence[str], where: str = "method.targets") -> list[str]:
    """Full names of those whose name ends so; of all where none is wanted. Raises ModelError `model.no_such_layer`."""
    linear = list(linear_layers(model))
    missing = [w for w in wanted if not any(ends(name, w) for name in linear)]
    if missing or not linear:
        known = sorted({name.rpartition(".")[2] for name in linear})
        raise ModelError("model.no_such_layer", t("the base has no linear layer named {x}", "基座没有名为 {x} 的线性层",
                                                  x=", ".join(missing) or "*"), where=where,
                         expected=", ".join(known), fix=nearest(missing[0], known) if missing else "")
    return [name for name in linear if not wanted or any(ends(name, w) for w in wanted)]


def ends(name: str, end: str) -> bool:
    return name == end or name.endswith("." + end)


def transposed(model: Model, names: Sequence[str]) -> bool:
    """Are these layers of GPT-2's kind, whose matrices are (in, out)?"""
    from transformers.pytorch_utils import Conv1D

    return isinstance(model.base.get_submodule(names[0]), Conv1D)


def inject(model: Model, config: Any) -> None:
    """Freeze everything, put the adapters beside the base's layers, let them and the head move."""
    from peft import inject_adapter_in_model

    head = list(model.head_parameters())
    model.requires_grad_(False)
    inject_adapter_in_model(config, model.base)
    for parameter in head:
        parameter.requires_grad_(True)


def adapter(model: Model, mark: str) -> Adapter:
    """What the adapters have learnt, in peft's own form.

    Args:
        mark: what stands in the names of their parameters (`lora_`, `ia3_`).
    """
    config = copy.deepcopy(model.base.peft_config[NAME])
    # Full names: peft shortens long lists to ends of names, which could also be those of a layer in the head.
    config.target_modules = {model.prefix + name for name, _ in _adapted(model)}
    tensors = {f"base_model.model.{model.prefix}{re.sub(rf'[.]{NAME}(?=[.]|$)', '', name)}": p.detach().cpu().clone()
               for name, p in model.base.named_parameters() if mark in name}
    return _with_rows(model, Adapter(config, tensors))


def _with_rows(model: Model, made: Adapter) -> Adapter:
    """The rows of new tokens with it, where peft's form of the method has a place for them."""
    from peft import LoraConfig

    if not model.new_rows:
        return made
    if not isinstance(made.config, LoraConfig):
        return replace(made, unfit=t("peft's form of this method has no place for new tokens",
                                     "peft 中该方法的格式不含新增词元"))
    output, names = model.body.get_output_embeddings(), {}
    for name, module in model.base.named_modules():
        tied = module is output and module.weight is model.word_embeddings().weight  # peft ties it again
        if module is model.word_embeddings() or (module is output and not tied):
            names[model.prefix + name] = module.weight.detach()[list(model.new_rows)].cpu().clone()
    made.config.trainable_token_indices = {name: list(model.new_rows) for name in names}
    delta = "token_adapter.trainable_tokens_delta"  # what peft calls the rows themselves
    return replace(made, tensors=made.tensors | {f"{made.inside}{name}.{delta}": x for name, x in names.items()})


def _adapted(model: Model) -> Iterator[tuple[str, Any]]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return ((n, m) for n, m in list(model.base.named_modules()) if isinstance(m, BaseTunerLayer))


def merged_layer(module: Any) -> nn.Module:
    """The layer below an adapter, with the adapter folded in."""
    module.merge()
    layer: nn.Module = module.get_base_layer()
    return layer


def merge(model: Model, *, tolerance: float = TOLERANCE, fold: Callable[[Any], nn.Module] = merged_layer) -> Model:
    """Fold the adapters into the layers beside which they stand, and take them out.

    Raises ModelError `model.merge_not_exact` when the logits on made-up rows then differ by more than `tolerance` of
    the largest.
    """
    want = _logits(model)
    for name, module in _adapted(model):
        parent, _, leaf = name.rpartition(".")
        setattr(model.base.get_submodule(parent), leaf, fold(module))
    del model.base.peft_config
    got = _logits(model)
    error = float((got - want).abs().max() / want.abs().max().clamp(min=1.0))
    if not error <= tolerance:  # also when it is not a number
        raise ModelError("model.merge_not_exact",
                         t("with the adapters folded in, the logits differ by {e:.1e}", "合并适配器后输出相差 {e:.1e}",
                           e=error), expected=f"<= {tolerance:.0e}",
                         fix=t("lower tune.learning_rate, or use another method",
                               "请降低 tune.learning_rate，或换一种方法"))
    return model


def _logits(model: Model) -> torch.Tensor:
    import torch

    training = model.training
    model.eval()
    with torch.no_grad():
        logits = model.sample().float()
    model.train(training)
    return logits
