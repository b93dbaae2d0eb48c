"""A base model with a head on each token: names of tokens (tagging), or where a span begins and ends (answers).

>>> model = build(find("e5-small"), HeadSpec(5, labels=("O", "B-LOC", ...), kind="tokens"), dropout=None, seed=1)
>>> model(input_ids=ids, attention_mask=mask).shape
torch.Size([16, 40, 5])
>>> model.save(folder, tokenizer); load(folder, head).body.config.id2label
{0: 'O', 1: 'B-LOC', ...}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.models import _load
from weitiao.models._labels import Labels
from weitiao.models._parts import Model, another, padding_leaks, probe, set_dropout, std, weights_missing
from weitiao.models.spec import HeadSpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from transformers import PreTrainedModel

    from weitiao.models import Base

_CLASSES = {"tokens": AutoModelForTokenClassification, "span": AutoModelForQuestionAnswering}


class TokenModel(Model):
    """Token ids to logits of every token.

    Args:
        body: transformers' model for token classification or for question answering.
        head: what was asked for.
        fresh: names in `body` of weights that the checkpoint did not hold.
        notes: what a person should know about how it was put together.
    """

    def __init__(self, body: PreTrainedModel, head: HeadSpec, *, fresh: Sequence[str] = (),
                 notes: Sequence[str] = ()) -> None:
        super().__init__(body, notes)
        self.head, self.fresh = head, frozenset(fresh)

    @property
    def base(self) -> PreTrainedModel:
        return self.body.base_model

    def head_parameters(self) -> list[nn.Parameter]:
        inside = {id(p) for p in self.base.parameters()}
        return [p for n, p in self.body.named_parameters() if id(p) not in inside or n in self.fresh]

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """(W, T) ids and mask to (W, T, outputs); for spans the two outputs are start and end."""
        got = self.body(**inputs)
        return torch.stack([got.start_logits, got.end_logits], -1) if self.head.kind == "span" else got.logits

    @property
    def probes(self) -> bool:
        """Where no part of a tagging head but one linear layer is new or known (BERT's, RoBERTa's, GPT-2's, …)."""
        return self.head.kind == "tokens" and self._linear() is not None

    def _linear(self) -> nn.Linear | None:
        """The new linear layer that is the whole head."""
        names = {n for n, _ in self.body.named_parameters() if not n.startswith(self.prefix)}
        name = next(iter(names), "").rpartition(".")[0]
        found = self.body.get_submodule(name) if name else None
        alone = isinstance(found, nn.Linear) and names == {f"{name}.weight", f"{name}.bias"} <= self.fresh
        return found if alone and isinstance(found, nn.Linear) else None

    def features(self, **inputs: torch.Tensor) -> torch.Tensor:
        """(W, T, hidden): the last hidden states."""
        states: torch.Tensor = self.base(**inputs).last_hidden_state
        return states.float()

    def set_head(self, weight: ArrayLike, bias: ArrayLike) -> None:
        """Raises ModelError `model.no_linear_head` where the head is more than one new linear layer."""
        final = self._linear()
        if final is None:
            super().set_head(weight, bias)
        assert final is not None
        with torch.no_grad():
            final.weight.copy_(torch.as_tensor(weight))
            final.bias.copy_(torch.as_tensor(bias))

    def save(self, folder: Path, tokenizer: Any) -> None:
        with _load.quiet():
            self.body.save_pretrained(folder)
            tokenizer.save_pretrained(folder)


def build(base: Base, head: HeadSpec, *, dropout: float | None, seed: int) -> TokenModel:
    """The base with a head on each token, fp32, eval mode; a new head's numbers are a function of `seed` alone.

    A head that the checkpoint has for the same label names is kept, its rows matched by name; a checkpoint tuned for
    answers keeps its head for answers. Raises ModelError `model.no_token_head`, `model.weights_missing`, ….
    """
    cls = _CLASSES[head.kind]
    config = _load.config(base.folder)
    if base.kind == "encoder-decoder" or type(config) not in cls._model_mapping:
        raise ModelError("model.no_token_head", t("{f} has no head on tokens in transformers",
                                                  "transformers 中 {f} 没有逐词元的头", f=base.family),
                         where="model.name", fix=another())
    notes: list[str] = []
    labels = Labels(config, head) if head.kind == "tokens" else None
    if config.to_dict().get("weitiao_pooling") == "mean":  # its last layer is the folded mean of another tuning
        config.num_hidden_layers -= 1
        del config.weitiao_pooling
    if labels:
        labels.write(config)
    if dropout is not None:
        set_dropout(config, dropout)
    body, missing, other_shape = _load.load(cls, base.folder, config)
    if dropout is not None:  # decoders' heads have one of 0.1 that no config states
        for module in body.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
    outside = {n for n, _ in body.named_parameters() if not n.startswith(f"{body.base_model_prefix}.")}
    if lost := {n for n in missing | other_shape if n not in outside and "pooler" not in n.split(".")}:
        raise weights_missing(base.folder, lost)
    final = [(n, m) for n, m in body.named_modules() if isinstance(m, nn.Linear) and f"{n}.weight" in outside][-1]
    fresh = (missing | other_shape) & outside
    if labels and f"{final[0]}.weight" not in missing:
        notes += labels.notes()
        fresh = _match(labels, *final, fresh)
    _load.draw(body, fresh, std(config), seed)
    _check_padding(base, body, head)
    return TokenModel(body, head, fresh=sorted(fresh), notes=notes).eval()


def load(folder: Path, head: HeadSpec) -> TokenModel:
    """A saved model as plain transformers loads it, fp32, eval mode. Raises ModelError."""
    config = _load.config(folder)
    body, missing, other_shape = _load.load(_CLASSES[head.kind], folder, config)
    if missing | other_shape:
        raise weights_missing(folder, missing | other_shape)
    return TokenModel(body, head)


def _match(labels: Labels, name: str, final: nn.Linear, fresh: set[str]) -> set[str]:
    """Order the checkpoint's rows as ours where its label names are the same; else its last layer is drawn anew."""
    if not labels.same:
        return fresh | {f"{name}.{n}" for n, _ in final.named_parameters()}
    with torch.no_grad():
        for parameter in final.parameters():
            parameter.copy_(parameter[labels.order()].clone())
    return fresh


@torch.no_grad()
def _check_padding(base: Base, body: Any, head: HeadSpec) -> None:
    model = TokenModel(body, head)
    both = probe(body.config)
    length = int(both["attention_mask"][1].sum())
    padded = model(**both)[1, :length]
    alone = model(**{k: v[1:, :length] for k, v in both.items()})[0]
    if not torch.allclose(padded, alone, rtol=1e-3, atol=1e-3):
        raise padding_leaks(base.family)
