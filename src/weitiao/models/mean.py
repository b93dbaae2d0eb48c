"""Mean pooling and a linear layer, written in an architecture's own classification head.

The head is `linear(LayerNorm(mean of the last hidden states))`, the norm without weights. Encoders have no such head,
yet their own parts can compute it, so that plain transformers loads the saved folder and gives the same logits:

1. one more layer, in which every token's attention is uniform (queries and keys 0), values pass unchanged, and the
   output matrix is c = 2^40 times the identity: c * mean + token = c * mean in floating point, and the layer's own
   LayerNorm takes c away again. Its feed-forward part is 0; its second norm repeats the first.
2. the head's dense layer and its curve, made linear: tanh(e x) = e x for e = 2^-16, given back by the classifier; or
   f(x) - f(-x) = x for ReLU and GELU, on rows that hold the logits and their negatives.

>>> native = fold(encoder, classifier, "bert")
>>> native(**batch).logits   # equal within rounding to classifier(normalised_mean(encoder(**batch)...))
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t

if TYPE_CHECKING:
    import torch
    from torch import nn

_C = 2.0**40  # exact in floating point, and large enough that the residual vanishes in rounding
_E = 2.0**-16  # |x| <= sqrt(hidden) after the norm: tanh(e x) is e x within 1e-7
_EPSILON = 1e-12  # of our LayerNorm: next to nothing, as it is next to c in the folded layer


@dataclass(frozen=True, slots=True)
class Family:
    """Names of an architecture's parts. `dense` and `final` are those of its classification model."""

    layers: str
    query: str
    key: str
    value: str
    out: str
    norm: str
    up: str
    down: str
    last_norm: str
    dense: str
    final: str
    curve: Literal["tanh", "rectifier"]
    pooler: bool  # the base class takes `add_pooling_layer`


def _bert_like(dense: str, final: str, curve: Literal["tanh", "rectifier"], pooler: bool) -> Family:
    return Family("encoder.layer", "attention.self.query", "attention.self.key", "attention.self.value",
                  "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense",
                  "output.LayerNorm", dense, final, curve, pooler)


_ROBERTA = _bert_like("classifier.dense", "classifier.out_proj", "tanh", True)
FAMILIES = {
    "bert": _bert_like("bert.pooler.dense", "classifier", "tanh", True),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": _bert_like("classifier.dense", "classifier.out_proj", "rectifier", False),
    "distilbert": Family("transformer.layer", "attention.q_lin", "attention.k_lin", "attention.v_lin",
                         "attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm",
                         "pre_classifier", "classifier", "rectifier", False),
}


def pool(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """(W, T, hidden) and its mask (W, T) to (W, hidden) in float32: the tokens' mean, normalised over its numbers."""
    from torch.nn.functional import layer_norm

    mask = attention_mask.unsqueeze(-1).float()
    mean = (hidden.float() * mask).sum(1) / mask.sum(1)
    return layer_norm(mean, mean.shape[-1:], eps=_EPSILON)


def fits(family: str, outputs: int, hidden: int) -> bool:
    """Can this architecture's own head compute ours for so many outputs?"""
    known = FAMILIES.get(family)
    return known is not None and (known.curve == "tanh" or 2 * outputs <= hidden)


def refuse(family: str) -> ModelError:
    """Mean pooling was asked for where plain transformers could not load the result."""
    return ModelError(
        "model.no_mean_head", t("{f} has no form of its own for mean pooling (or too many labels for it)",
                                "{f} 自身的结构无法表达均值池化（或标签过多）", f=family),
        where="model.head", expected=", ".join([*FAMILIES, "modernbert"]),
        fix=t("use --set model.head=native", "请用 --set model.head=native"))


def fold(encoder: Any, classifier: nn.Linear, family: str) -> Any:
    """The classification model of transformers that computes the mean head; new tensors on the CPU in fp32."""
    import torch
    from transformers import AutoModelForSequenceClassification

    names = FAMILIES[family]
    config = copy.deepcopy(encoder.config)
    config.num_hidden_layers += 1
    config.weitiao_pooling = "mean"
    with torch.random.fork_rng(devices=[]):
        native = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    state = {k: v.detach().float().cpu() for k, v in encoder.state_dict().items()}
    missing, unexpected = native.base_model.load_state_dict(state, strict=False)
    extra = f"{names.layers}.{config.num_hidden_layers - 1}."
    assert not unexpected and all(m.startswith((extra, "pooler.")) for m in missing), (missing, unexpected)
    with torch.no_grad():
        _fill_layer(native.base_model.get_submodule(extra[:-1]), names)
        _fill_head(native, names, classifier.weight.detach().float().cpu(), classifier.bias.detach().float().cpu())
    return native.eval()


def _fill_layer(layer: Any, names: Family) -> None:
    """Step 1 above."""
    import torch

    for name in (names.query, names.key, names.up, names.down):
        _set(layer, name, 0.0)
    identity = torch.eye(layer.get_submodule(names.value).weight.shape[0])
    _set(layer, names.value, identity)
    _set(layer, names.out, identity * _C)
    _set(layer, names.norm, 1.0)
    # The first norm's output has variance 1, which the second divides by sqrt(1 + its epsilon).
    _set(layer, names.last_norm, (1.0 + layer.get_submodule(names.last_norm).eps) ** 0.5)


def _fill_head(native: nn.Module, names: Family, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Step 2 above."""
    import torch

    final: Any = native.get_submodule(names.final)
    hidden, outputs = weight.shape[1], weight.shape[0]
    if names.curve == "tanh":
        _set(native, names.dense, torch.eye(hidden) * _E)
        final.weight.copy_(weight / _E)
    else:
        _set(native, names.dense, torch.cat([weight, -weight, torch.zeros(hidden - 2 * outputs, hidden)]))
        one = torch.eye(outputs)
        final.weight.copy_(torch.cat([one, -one, torch.zeros(outputs, hidden - 2 * outputs)], 1))
    final.bias.copy_(bias)


def _set(module: nn.Module, name: str, weight: torch.Tensor | float) -> None:
    import torch

    part: Any = module.get_submodule(name)
    part.weight.copy_(weight if isinstance(weight, torch.Tensor) else torch.full_like(part.weight, weight))
    part.bias.zero_()


def unfold(family: str, dense: torch.Tensor, final: torch.Tensor) -> torch.Tensor:
    """The linear layer's weight (outputs, hidden) out of a folded head's two matrices."""
    if FAMILIES[family].curve == "tanh":
        return final * _E
    return dense[: final.shape[0]]
