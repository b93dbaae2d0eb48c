"""An encoder-decoder warm-started from one encoder on both sides (Rothe et al. 2020, "Leveraging Pre-trained
Checkpoints for Sequence Generation Tasks", BERT2BERT).

>>> body, note = build(find("e5-small"), {"decoder_start_token_id": 0, "eos_token_id": 2, "pad_token_id": 1},
...                    dropout=None, seed=1)
>>> body.save_pretrained(folder); EncoderDecoderModel.from_pretrained(folder)   # plain transformers

The decoder is the encoder's own layers with a causal mask; between each one's self-attention and its feed-forward
stands a new attention to the source, and above them the architecture's output layer, whose matrix is the decoder's word
embeddings. What is new is drawn by our own generator.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transformers import AutoModel, AutoModelForCausalLM, EncoderDecoderConfig, EncoderDecoderModel

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.models import _load
from weitiao.models._parts import another, set_dropout, std, weights_missing

if TYPE_CHECKING:
    from weitiao.models import Base

SPECIAL = ("decoder_start_token_id", "eos_token_id", "pad_token_id")


def build(base: Base, generation: Mapping[str, Any], *, dropout: float | None, seed: int) -> tuple[Any, str]:
    """The pair, fp32, eval mode, and a sentence about what is new.

    Args:
        base: an encoder.
        generation: at least the numbers of SPECIAL; they go into config and generation_config.
        dropout: replaces all of the base's own; None keeps them.
        seed: of the new weights.

    Raises ModelError `model.says_nothing` for an architecture without a decoder's side, `model.weights_missing`.
    """
    reads = _load.config(base.folder)
    if reads.to_dict().get("weitiao_pooling") == "mean":  # its last layer is the folded mean of another tuning
        reads.num_hidden_layers -= 1
        del reads.weitiao_pooling
    if dropout is not None:
        set_dropout(reads, dropout)
    says = copy.deepcopy(reads)
    says.is_decoder, says.add_cross_attention, says.tie_word_embeddings = True, True, True
    _check(base, says)
    encoder = _side(AutoModel, base, reads, seed)
    decoder = _side(AutoModelForCausalLM, base, says, seed)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(encoder.config, decoder.config)
    with _load.quiet():
        body = EncoderDecoderModel(config=config, encoder=encoder, decoder=decoder).eval()
    special = {name: generation[name] for name in SPECIAL}
    for name, value in special.items():
        setattr(body.config, name, value)
    body.generation_config.update(**special)
    return body, t("an encoder on either side makes an encoder-decoder: the attention from one to the other is new",
                   "由同一编码器构成编码器-解码器两侧：两者之间的注意力是新建的")


def _check(base: Base, config: Any) -> None:
    classes = AutoModelForCausalLM._model_mapping
    if type(config) in classes and "encoder_hidden_states" in inspect.signature(
            classes[type(config)].forward).parameters:
        return
    raise ModelError("model.says_nothing",
                     t("transformers has no decoder of the architecture {f}: it cannot write",
                       "transformers 中 {f} 没有解码器形式，不能生成文本", f=base.family), where="model.name",
                     expected="BERT, RoBERTa, XLM-R, CamemBERT, ELECTRA …", fix=another())


def _side(cls: Any, base: Base, config: Any, seed: int) -> Any:
    """The base as one side, with what the checkpoint lacks drawn."""
    body, missing, other_shape = _load.load(cls, base.folder, config)
    tied = set(body._tied_weights_keys or {})
    inner = f"{body.base_model_prefix}." if body.base_model is not body else ""
    new = {n for n in missing if "crossattention" in n or "pooler" in n.split(".") or not n.startswith(inner)}
    if lost := (missing - new - tied) | other_shape:
        raise weights_missing(base.folder, lost)
    _load.draw(body, new - tied, std(config), seed)
    return body
