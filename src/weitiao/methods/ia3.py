"""ia3: keys, values and the feed-forward layers' inner activations are scaled by learnt vectors; they and the head move
(Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning",
arXiv:2205.05638, on peft).

>>> model = attach(model, Options())     # forward unchanged: all vectors begin at 1
>>> model = merge(model)                 # the vectors multiplied into the matrices: plain again
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from weitiao.core.errors import MissingExtra, ModelError
from weitiao.core.i18n import t
from weitiao.methods import Adapter, _peft

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 5e-3
OPERATIONS = 4.0
MOVED = 0.001

# What the families call them: fused projections of query, key and value are scaled as a whole.
_SCALED = re.compile(r"(^|\.)(key|value|[kv]_proj|[kv]_lin|key_proj|value_proj|c_attn|Wqkv|qkv|query_key_value"
                     r"|(Self|EncDec)Attention\.[kv])$")
_INNER = re.compile(r"(^|(?<!attention)\.)(output\.dense|ffn\.lin2|ffn_output|down_proj|fc2|mlp\.c_proj|mlp\.Wo"
                    r"|DenseReluDense\.wo)$")


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    targets: tuple[str, ...] = ()
    """Names (ends of names) of the layers whose outputs are scaled; none: the projections to keys and values."""
    feedforward: tuple[str, ...] = ()
    """Names of the layers whose inputs are scaled; none: the last layer of each feed-forward part."""


def virtual_tokens(options: Options) -> int:
    """None."""
    return 0


def attach(model: Model, options: Options) -> Model:
    """Freeze the base, put the vectors in, let them and the head move.

    Raises MissingExtra without peft, ModelError `model.no_such_layer` for names that the base does not have.
    """
    try:
        from peft import IA3Config
    except ImportError as e:
        raise MissingExtra("peft", "lora", "(IA)³") from e
    linear = list(_peft.linear_layers(model))
    outputs = _peft.linear_names(model, options.targets) if options.targets else \
        [n for n in linear if _SCALED.search(n)]
    inputs = _peft.linear_names(model, options.feedforward, "method.feedforward") if options.feedforward else \
        [n for n in linear if _INNER.search(n)]
    if not outputs:
        raise ModelError("model.no_such_layer", t("no projections to keys and values are known in {f}",
                                                  "不清楚 {f} 中键和值的投影层", f=model.base.config.model_type),
                         where="method.targets", expected=", ".join(sorted({n.rpartition(".")[2] for n in linear})),
                         fix=t("name them in method.targets", "请用 method.targets 指明"))
    _peft.inject(model, IA3Config(target_modules=[*outputs, *inputs], feedforward_modules=inputs,
                                  fan_in_fan_out=_peft.transposed(model, outputs)))
    return model


def adapter(model: Model) -> Adapter:
    """The vectors."""
    made = _peft.adapter(model, "ia3_")
    made.config.feedforward_modules = {n for n in made.config.target_modules
                                       if f"base_model.model.{n}.ia3_l" in made.tensors
                                       and made.tensors[f"base_model.model.{n}.ia3_l"].shape[0] == 1}
    return made


def merge(model: Model) -> Model:
    """Multiply the vectors into the matrices. Raises ModelError `model.merge_not_exact`."""
    return _peft.merge(model)
