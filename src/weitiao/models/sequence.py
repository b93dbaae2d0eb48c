"""A base model with a linear head for the task's outputs, saved so that plain transformers gives the same logits.

>>> model = build(find("e5-small"), HeadSpec(2, "single_label_classification", ("bad", "good")), pooling="auto",
...               dropout=None, seed=1)
>>> model(input_ids, attention_mask).shape
torch.Size([16, 2])
>>> model.save(folder, tokenizer); load(folder).body.config.id2label
{0: 'bad', 1: 'good'}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification

from weitiao import models
from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.models import _load, mean
from weitiao.models._labels import Labels
from weitiao.models._parts import Model, another, padding_leaks, probe, set_dropout, std, weights_missing
from weitiao.models.spec import HeadSpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from transformers import PreTrainedModel

    from weitiao.models import Base

Pooling = Literal["auto", "native", "mean"]
_TOLERANCE = 1e-5


class TextModel(Model):
    """Token ids to the logits of whole rows.

    Args:
        body: transformers' classification model; with `classifier`, the bare encoder.
        classifier: the linear layer on the normalised mean; None where the architecture's own head is used.
        dropout: on the pooled vector, before `classifier`.
        fresh: names in `body` of weights that the checkpoint did not hold.
        notes: what a person should know about how it was put together.
    """

    def __init__(self, body: PreTrainedModel, classifier: nn.Linear | None, *, dropout: float = 0.0,
                 fresh: Sequence[str] = (), notes: Sequence[str] = ()) -> None:
        super().__init__(body, notes)
        self.classifier, self.dropout = classifier, nn.Dropout(dropout)
        self.fresh = frozenset(fresh)

    @property
    def base(self) -> PreTrainedModel:
        """The body without any head."""
        return self.body if self.classifier is not None else self.body.base_model

    @property
    def pooling(self) -> Literal["native", "mean"]:
        return "native" if self.classifier is None else "mean"

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor,
                token_type_ids: torch.Tensor | None = None) -> torch.Tensor:
        """(W, T) ids and mask to (W, outputs) logits."""
        if self.classifier is None:
            logits: torch.Tensor = self.body(**_inputs(input_ids, attention_mask, token_type_ids)).logits
            return logits
        pooled = self.dropout(self._pooled(input_ids, attention_mask, token_type_ids))
        with torch.autocast(pooled.device.type, enabled=False):  # a few numbers: not worth rounding
            out: torch.Tensor = self.classifier(pooled.to(self.classifier.weight.dtype))
        return out

    @property
    def probes(self) -> bool:
        return self.classifier is not None

    def features(self, **inputs: torch.Tensor) -> torch.Tensor:
        """(W, hidden): see `_pooled`."""
        return self._pooled(**inputs)

    def _pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor,
                token_type_ids: torch.Tensor | None = None) -> torch.Tensor:
        """(W, hidden) float32: the mean over the tokens' last hidden states, normalised; what `classifier` sees."""
        hidden = self.base(**_inputs(input_ids, attention_mask, token_type_ids)).last_hidden_state
        with torch.autocast(hidden.device.type, enabled=False):
            return mean.pool(hidden, attention_mask)

    def head_parameters(self) -> list[nn.Parameter]:
        """The head's parameters, and a pooler's where the checkpoint had none."""
        if self.classifier is not None:
            return list(self.classifier.parameters())
        inside = {id(p) for p in self.base.parameters()}
        return [p for n, p in self.body.named_parameters() if id(p) not in inside or n in self.fresh]

    def new_modules(self) -> list[str]:
        """Also the layer that computes the mean, where the head is folded."""
        if self.classifier is None:
            return super().new_modules()
        names = mean.FAMILIES[self.body.config.model_type]
        return [f"{self.prefix}{names.layers}.{self.body.config.num_hidden_layers}", names.dense, names.final]

    def set_head(self, weight: ArrayLike, bias: ArrayLike) -> None:
        """Raises ModelError `model.no_linear_head` for native heads."""
        if self.classifier is None:
            super().set_head(weight, bias)
        assert self.classifier is not None
        with torch.no_grad():
            self.classifier.weight.copy_(torch.as_tensor(weight))
            self.classifier.bias.copy_(torch.as_tensor(bias))

    def save(self, folder: Path, tokenizer: Any) -> None:
        """Write config, fp32 safetensors and tokenizer for plain transformers.

        Raises ModelError `model.head_not_exact` when the folded mean head does not give the same logits.
        """
        native = self.body if self.classifier is None else self._folded()
        with _load.quiet():
            native.save_pretrained(folder)
            tokenizer.save_pretrained(folder)

    @torch.no_grad()
    def _folded(self) -> PreTrainedModel:
        assert self.classifier is not None
        native = mean.fold(self.body, self.classifier, self.body.config.model_type)
        inputs = probe(native.config)
        got = native(**inputs).logits
        place = self.classifier.weight.device
        training, _ = self.training, self.eval()
        want = self(**{k: v.to(place) for k, v in inputs.items()}).float().cpu()
        self.train(training)
        error = float((got - want).abs().max() / want.abs().max().clamp(min=1.0))
        if not error <= _TOLERANCE:  # also when it is not a number
            raise ModelError("model.head_not_exact",
                             t("the saved head's logits differ by {e:.1e}", "保存后的分类头输出相差 {e:.1e}", e=error),
                             expected=f"<= {_TOLERANCE:.0e}",
                             fix=t("use --set model.head=native and report this",
                                   "请用 --set model.head=native 并反馈此问题"))
        return native


def build(base: Base, head: HeadSpec, *, pooling: Pooling, dropout: float | None, seed: int) -> TextModel:
    """The base with a head of `head.outputs` numbers, in fp32 and eval mode.

    A head that the checkpoint has for the same label names is kept, its rows matched by name; else a new one is drawn
    (small normal numbers, a function of `seed` alone). `dropout` replaces all of the base's own, None keeps them.

    Raises ModelError: `model.no_mean_head`, `model.no_classifier`, `model.unreadable`, `model.weights_missing`,
    `model.padding_leaks`.
    """
    config = _load.config(base.folder)
    notes: list[str] = []
    as_mean = _is_mean(base, pooling, head.outputs, config, notes)
    labels = Labels(config, head)
    folded = _unmark(config)
    labels.write(config)
    if dropout is not None:
        set_dropout(config, dropout)
    if as_mean and base.family in mean.FAMILIES:
        return _build_mean(base, config, labels, folded, seed, notes)
    if as_mean:
        config.classifier_pooling = "mean"  # ModernBERT's own word for it
    return _build_native(base, config, labels, folded, seed, notes)


def load(folder: Path) -> TextModel:
    """A saved classification model, fp32, eval mode; its logits are those of plain transformers. A mean that was folded
    into one more layer is computed as a mean again, which is cheaper by that layer. Raises ModelError."""
    config = _load.config(folder)
    if _unmark(config):
        body, classifier = _mean_parts(folder, config)
        _unfold(folder, config.model_type, classifier)
        return TextModel(body, classifier, dropout=_head_dropout(config)).eval()
    model, missing, other_shape = _load.load(AutoModelForSequenceClassification, folder, config)
    if missing | other_shape:
        raise weights_missing(folder, missing | other_shape)
    return TextModel(model, None)


def _is_mean(base: Base, pooling: Pooling, outputs: int, config: Any, notes: list[str]) -> bool:
    """Mean pooling? Where asked for; under auto where the checkpoint was trained so or has no trained pooler."""
    possible = base.family == "modernbert" or mean.fits(base.family, outputs, config.get_text_config().hidden_size)
    if pooling == "mean" and not possible:
        raise mean.refuse(base.family)
    if pooling != "auto":
        return pooling == "mean"
    if not (base.mean_pooled or (base.family == "bert" and not base.has_pooler)):
        return False
    if not possible:
        notes.append(t("{n} suits mean pooling, which {f} cannot express: its own head is used",
                       "{n} 适合均值池化，但 {f} 结构无法表达，改用其自带分类头", n=base.name, f=base.family))
    return possible


def _unmark(config: Any) -> bool:
    """Was the checkpoint saved with our folded mean head? Then its last layer is taken off again."""
    if config.to_dict().get("weitiao_pooling") != "mean":
        return False
    config.num_hidden_layers -= 1
    del config.weitiao_pooling
    return True


def _build_mean(base: Base, config: Any, labels: Labels, folded: bool, seed: int, notes: list[str]) -> TextModel:
    body, classifier = _mean_parts(base.folder, config)
    _load.draw(classifier, ["weight", "bias"], std(config), seed)
    if folded:
        notes += labels.notes()
    if folded and labels.same:
        _unfold(base.folder, base.family, classifier)
        _permute(classifier, labels.order())
    return TextModel(body, classifier, dropout=_head_dropout(config), notes=notes).eval()


def _mean_parts(folder: Path, config: Any) -> tuple[PreTrainedModel, nn.Linear]:
    """The bare encoder, and a classifier for as many labels as the config names, still without numbers."""
    options = {"add_pooling_layer": False} if mean.FAMILIES[config.model_type].pooler else {}
    body, missing, other_shape = _load.load(AutoModel, folder, config, **options)
    if missing | other_shape:
        raise weights_missing(folder, missing | other_shape)
    # Made empty: torch's own generator is left where it was.
    return body, nn.Linear(config.hidden_size, config.num_labels, device="meta").to_empty(device="cpu")


@torch.no_grad()
def _unfold(folder: Path, family: str, classifier: nn.Linear) -> None:
    """Fill the classifier with what the folded head of that folder holds."""
    names = mean.FAMILIES[family]
    dense, final, bias = _load_tensors(
        folder, (f"{names.dense}.weight", f"{names.final}.weight", f"{names.final}.bias"))
    classifier.weight.copy_(mean.unfold(family, dense, final))
    classifier.bias.copy_(bias)


def _build_native(base: Base, config: Any, labels: Labels, folded: bool, seed: int, notes: list[str]) -> TextModel:
    if base.kind == "encoder-decoder" or type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise ModelError("model.no_classifier", t("{f} has no classification head in transformers",
                                                  "transformers 中 {f} 没有分类头", f=base.family),
                         where="model.name", fix=another())
    if base.kind == "decoder":  # the last token is found by the padding's id
        config.get_text_config().pad_token_id = models.tokenizer(base.folder).pad_token_id
        config.use_cache = False
    body, missing, other_shape = _load.load(AutoModelForSequenceClassification, base.folder, config)
    outside = {n for n, _ in body.named_parameters() if not _in_base(body, n)}
    if lost := {n for n in missing | other_shape if n not in outside and not _is_pooler(n)}:
        raise weights_missing(base.folder, lost)
    if folded:  # its head and pooler are those of the folded mean, no use for anything else
        missing |= outside | {n for n, _ in body.named_parameters() if _is_pooler(n)}
    final_name, final = _final(body)
    theirs = f"{final_name}.weight" not in missing
    missing |= other_shape
    if theirs and labels.same:
        _permute(final, labels.order())
    else:
        missing |= {f"{final_name}.{n}" for n, _ in final.named_parameters()}
    notes += labels.notes() if theirs else []
    if any(map(_is_pooler, missing)):
        notes.append(t("the checkpoint has no pooler: a new one is drawn and tuned (mean pooling is steadier)",
                       "模型没有训练好的 pooler：将新建并训练（均值池化更稳定）"))
    _load.draw(body, missing, std(config), seed)
    _check_padding(base, body)
    return TextModel(body, None, fresh=sorted(missing), notes=notes).eval()


def _in_base(body: Any, name: str) -> bool:
    return name.startswith(f"{body.base_model_prefix}.")


def _is_pooler(name: str) -> bool:
    return "pooler" in name.split(".")


def _final(body: Any) -> tuple[str, nn.Linear]:
    """The linear layer that makes the logits: the last one outside the base."""
    return [(n, m) for n, m in body.named_modules() if isinstance(m, nn.Linear) and not _in_base(body, n)][-1]


def _permute(final: nn.Linear, order: list[int]) -> None:
    with torch.no_grad():
        for parameter in final.parameters():
            parameter.copy_(parameter[order].clone())


def _load_tensors(folder: Path, names: Sequence[str]) -> list[torch.Tensor]:
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as weights:
            found.update({n: weights.get_tensor(n).float() for n in names if n in weights.keys()})  # noqa: SIM118
    if lost := set(names) - set(found):
        raise weights_missing(folder, lost)
    return [found[n] for n in names]


def _head_dropout(config: Any) -> float:
    stated = config.to_dict()
    keys = ("classifier_dropout", "seq_classif_dropout", "hidden_dropout_prob")
    return float(next(stated[k] for k in keys if stated.get(k) is not None))


def _inputs(input_ids: torch.Tensor, attention_mask: torch.Tensor,
            token_type_ids: torch.Tensor | None) -> dict[str, torch.Tensor]:
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    return inputs if token_type_ids is None else {**inputs, "token_type_ids": token_type_ids}


@torch.no_grad()
def _check_padding(base: Base, body: Any) -> None:
    """A row's logits must not depend on how far it is padded: some architectures look at the padding."""
    both = probe(body.config)
    length = int(both["attention_mask"][1].sum())
    padded = body(**both).logits[1]
    alone = body(**{k: v[1:, :length] for k, v in both.items()}).logits[0]
    if not torch.allclose(padded, alone, rtol=1e-3, atol=1e-3):
        raise padding_leaks(base.family)
