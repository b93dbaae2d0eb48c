"""A base model that says words: decoders, encoder-decoders, pairs of encoders, and encoders that fill masks.

>>> model = build(find("smollm2-135m"), HeadSpec(0, kind="language"), dropout=None, seed=1)
>>> model(input_ids=ids, attention_mask=mask, places=places).shape     # logits only where something is learnt
torch.Size([57, 49152])
>>> model.generate({"input_ids": ids, "attention_mask": mask}, max_new_tokens=64)
[[8, 412, 2], ...]

The output layer over the vocabulary is the dearest part of a small model, and most positions teach nothing (a prompt, a
padding): the layers run on all positions, the output layer only on those named by `places`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.models import _load, _pair, narrowing
from weitiao.models._parts import Model, another, probe, set_dropout, std, weights_missing
from weitiao.models.spec import START, HeadSpec
from weitiao.starters._shared import write_mean_pooling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from weitiao.models import Base, Kind


class LanguageModel(Model):
    """Token ids to the vocabulary's logits at some positions.

    Args:
        body: transformers' model with its output layer.
        fresh: names in `body` of weights that the checkpoint did not hold.
        mean_pooled: the base's mark of mean pooling, which the saved folder carries on.
        notes: what a person should know about how it was put together.
    """

    def __init__(self, body: PreTrainedModel, *, fresh: Sequence[str] = (), mean_pooled: bool = False,
                 notes: Sequence[str] = ()) -> None:
        super().__init__(body, notes)
        self._mouth, self._inner = _mouth(body)
        self.fresh, self.mean_pooled = frozenset(fresh), mean_pooled

    @property
    def base(self) -> PreTrainedModel:
        """All of it: the output layer is often the word embeddings themselves."""
        return self.body

    @property
    def prefix(self) -> str:
        return ""

    @property
    def unfit(self) -> str:
        """A drawn head that fills masks ends in the word embeddings."""
        tied = t("its new head is tied to the base's word embeddings", "新建的头与基座词嵌入共享权重")
        return tied if self.fresh else ""

    def head_parameters(self) -> list[nn.Parameter]:
        """What was drawn because the checkpoint had no head that fills masks; mostly none."""
        return [p for n, p in self.body.named_parameters() if n in self.fresh]

    def exact_parameters(self) -> list[nn.Parameter]:
        """None: the new head ends in the word embeddings, which it must be able to be multiplied with."""
        return []

    def sample(self) -> torch.Tensor:
        inputs = probe(self.body.config)
        if self.body.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = inputs["input_ids"]
        inputs["places"] = torch.arange(inputs["input_ids"].numel())[inputs["attention_mask"].flatten() == 1]
        logits: torch.Tensor = self(**{k: v.to(self.device) for k, v in inputs.items()})
        return logits

    def forward(self, *, places: torch.Tensor, **inputs: torch.Tensor) -> torch.Tensor:
        """(P, vocabulary) logits at `places` (P,): positions in the flattened (W, T) of the side that speaks. Virtual
        tokens are never said: they have none."""
        if "decoder_input_ids" in inputs:
            inputs["decoder_input_ids"] = self._begun(inputs["decoder_input_ids"])
        if not self._inner:
            whole: torch.Tensor = self.body(**inputs, **self._plain()).logits.flatten(0, 1)
            return whole[places, :self.first_virtual]
        with self._at(places):
            few: torch.Tensor = self.body(**inputs, **self._plain()).logits[0]
        return few[:, :self.first_virtual]

    def _begun(self, ids: torch.Tensor) -> torch.Tensor:
        config = self.body.generation_config
        start = config.decoder_start_token_id
        return ids.masked_fill(ids == START, config.bos_token_id if start is None else start)

    def _plain(self) -> dict[str, bool]:
        # Without a cache transformers reads from position_ids that start anew where one packed row ends.
        return {} if "Masked" in type(self.body).__name__ else {"use_cache": False}

    @contextmanager
    def _at(self, places: torch.Tensor) -> Iterator[None]:
        """The body's own forward, with the hidden states of a few positions handed up to the output layer: every
        family's own scaling, caps and biases stay part of the logits."""
        inner = self._mouth._modules[self._inner]
        assert inner is not None
        self._mouth._modules[self._inner] = _Few(inner, places)
        try:
            yield
        finally:
            self._mouth._modules[self._inner] = inner

    @torch.inference_mode()
    def generate(self, inputs: Mapping[str, torch.Tensor], **how: Any) -> list[list[int]]:
        """New token ids of each row, without its prompt; the end token is the last where one was said.

        Args:
            inputs: `input_ids` and `attention_mask` (W, T), padded on the left for decoders.
            how: settings other than those of `HeadSpec.generation`, under transformers' names.
        """
        given = {k: v.to(self.device) for k, v in inputs.items()}
        end = how.get("eos_token_id", self.body.generation_config.eos_token_id)
        ends = {x for x in (end if isinstance(end, list) else [end]) if x is not None}
        with _load.quiet():
            if ends and narrowing.fits(self.body, how):
                said = narrowing.narrowed(self.body, given["input_ids"], given["attention_mask"], how, ends)
            else:
                start = 1 if self.body.config.is_encoder_decoder else given["input_ids"].shape[1]
                said = self.body.generate(**given, **how)[:, start:].tolist()
        return [_until_end(row, ends) for row in said]

    def save(self, folder: Path, tokenizer: Any) -> None:
        with _load.quiet():
            self.body.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        if self.mean_pooled:
            write_mean_pooling(folder, self.body.config.hidden_size)


def _mouth(body: Any) -> tuple[nn.Module, str]:
    """The module that holds the output layer and the name of the layers below it; "" where none is recognised."""
    if body.config.model_type == "encoder-decoder":
        return body.decoder, body.decoder.base_model_prefix
    if body.base_model is not body:
        return body, body.base_model_prefix
    return body, "decoder" if body.config.is_encoder_decoder else ""  # T5 holds its two sides itself


class _Few(nn.Module):
    """Layers of which only the hidden states (1, P) at some places are seen from above."""

    def __init__(self, inner: nn.Module, places: torch.Tensor) -> None:
        super().__init__()
        self.inner, self.places = inner, places

    def forward(self, *args: Any, **named: Any) -> Any:
        out = self.inner(*args, **named)
        out.last_hidden_state = out.last_hidden_state.flatten(0, 1)[self.places][None]
        return out


def _until_end(row: list[int], ends: set[int]) -> list[int]:
    return next((row[: i + 1] for i, token in enumerate(row) if token in ends), row)


def build(base: Base, head: HeadSpec, *, dropout: float | None, seed: int) -> LanguageModel:
    """The base with its output layer, fp32, eval mode. Raises ModelError `model.says_nothing` for a base that cannot
    do what the task asks, `model.weights_missing`, …."""
    if (head.kind, base.kind) == ("language", "encoder") and "decoder_start_token_id" in head.generation:
        pair, note = _pair.build(base, head.generation, dropout=dropout, seed=seed)
        return _made(LanguageModel(pair, notes=[note]), head)
    config = _load.config(base.folder)
    cls = _class(base.kind, head, base.family, config)
    if dropout is not None:
        set_dropout(config, dropout)
    if config.to_dict().get("weitiao_pooling") == "mean":  # its last layer is the folded mean of another tuning
        config.num_hidden_layers -= 1
        del config.weitiao_pooling
    body, missing, other_shape = _load.load(cls, base.folder, config)
    tied = {n for n in missing if n in (body._tied_weights_keys or {})}
    fresh = {n for n in missing - tied if not n.startswith(f"{body.base_model_prefix}.")}
    notes = []
    if lost := (missing - tied - fresh) | other_shape:
        raise weights_missing(base.folder, lost)
    if fresh and base.kind == "encoder":  # most encoders come without the head that filled masks
        _load.draw(body, fresh, std(config), seed)
        notes.append(t("the checkpoint has no head that fills masks: a new one is drawn",
                       "模型没有填空头：新建一个"))
    elif fresh:
        raise weights_missing(base.folder, fresh)
    return _made(LanguageModel(body, fresh=sorted(fresh), mean_pooled=base.mean_pooled and base.kind == "encoder",
                               notes=notes), head)


def _made(model: LanguageModel, head: HeadSpec) -> LanguageModel:
    _say_so(model.body, head)
    _check_places(model.eval())
    return model


def load(folder: Path, head: HeadSpec, kind: Kind) -> LanguageModel:
    """A saved model as plain transformers loads it, fp32, eval mode. Raises ModelError."""
    config = _load.config(folder)
    body, missing, other_shape = _load.load(_class(kind, head, config.model_type, config), folder, config)
    if lost := (missing - _tied(body)) | other_shape:
        raise weights_missing(folder, lost)
    return wrap(body, head)


def wrap(body: PreTrainedModel, head: HeadSpec) -> LanguageModel:
    """A model of transformers that speaks, as ours; it answers as `head` says."""
    return _made(LanguageModel(body), head)


def _tied(body: Any) -> set[str]:
    """Names of weights that are others by another name."""
    parts = [("", body)] if body.config.model_type != "encoder-decoder" else [("decoder.", body.decoder)]
    return {prefix + n for prefix, part in parts for n in part._tied_weights_keys or {}}


def _say_so(body: Any, head: HeadSpec) -> None:
    """What the task says of answering goes beside the weights."""
    if head.generation:
        body.generation_config.update(**head.generation)


def _class(kind: Kind, head: HeadSpec, family: str, config: Any) -> Any:
    classes: dict[tuple[str, str], Any] = {
        ("language", "decoder"): AutoModelForCausalLM, ("language", "encoder-decoder"): AutoModelForSeq2SeqLM,
        ("corpus", "decoder"): AutoModelForCausalLM, ("corpus", "encoder"): AutoModelForMaskedLM}
    cls = classes.get((head.kind, kind))
    if cls is None or type(config) not in cls._model_mapping:
        raise ModelError(
            "model.says_nothing", t("{f} ({k}) has no output layer for this task", "{f}（{k}）没有该任务需要的输出层",
                                    f=family, k=kind), where="model.name",
            expected=t("a decoder or an encoder-decoder", "解码器或编码器-解码器") if head.kind == "language" else
            t("an encoder or a decoder", "编码器或解码器"), fix=another())
    return cls


@torch.no_grad()
def _check_places(model: LanguageModel) -> None:
    """Logits at some positions must be those of the whole forward pass; where they are not, take the whole pass."""
    inputs = probe(model.body.config)
    if model.body.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"]
    whole = model.body(**inputs, **model._plain()).logits.flatten(0, 1)[:, :model.first_virtual]
    places = torch.tensor([1, 4])
    try:
        same = torch.allclose(model(places=places, **inputs), whole[places], rtol=1e-4, atol=1e-4)
    except (AttributeError, TypeError):  # a family whose forward asks more of its layers than hidden states
        same = False
    if not same:
        model._inner = ""
