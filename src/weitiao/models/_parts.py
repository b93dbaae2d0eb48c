"""What every tunable model has in common: its parts by name, and the errors of putting it together."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.models.spec import PROMPT

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from transformers import PreTrainedModel


class Model(nn.Module):
    """A base with what a task needs on top: named tensors of a batch in, one tensor of logits out.

    Args:
        body: transformers' model, head included where it has one of its own.
        notes: what a person should know about how it was put together.
    """

    def __init__(self, body: PreTrainedModel, notes: Sequence[str] = ()) -> None:
        super().__init__()
        self.body, self.notes = body, tuple(notes)
        self.new_rows = range(0)  # of the word embeddings, and so of the vocabulary: those that the base did not have
        self.base_rows = 0  # of the base's own table, where rows had to be added
        self.first_virtual: int | None = body.config.to_dict().get(PROMPT)

    @property
    @abstractmethod
    def base(self) -> PreTrainedModel:
        """The part that holds the pretrained layers: where adapters go."""

    @property
    def pooling(self) -> Literal["native", "mean"]:
        """mean: the head is one linear layer on the mean of the last hidden states."""
        return "native"

    @property
    def prefix(self) -> str:
        """What the names of the base's parameters begin with in the saved model."""
        return f"{self.base.base_model_prefix}."

    def new_modules(self) -> list[str]:
        """Names, in the saved model, of the modules that hold what the base's checkpoint does not."""
        head = {id(p) for p in self.head_parameters()}
        return [n for n, m in self.body.named_modules() if any(id(p) in head for p in m.parameters(recurse=False))]

    @property
    def unfit(self) -> str:
        """Why what is new cannot be kept beside an adapter, apart from the base's own weights; "" where it can."""
        return ""

    def sample(self) -> torch.Tensor:
        """Logits on two made-up rows, to see whether two forms of a model say the same."""
        logits: torch.Tensor = self(**{k: v.to(self.device) for k, v in probe(self.body.config).items()})
        return logits

    @abstractmethod
    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters that the checkpoint does not hold, or that stand above all its layers; may be none."""

    def word_embeddings(self) -> nn.Embedding:
        return self.base.get_input_embeddings()  # type: ignore[no-any-return]

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters in groups from below: embeddings, each layer, what stands above them (a last norm, a trained
        pooler; absent where there is none), the head. Every parameter is in exactly one group."""
        head = self.head_parameters()
        taken = {id(p) for p in head}
        found_in = stacks(self.base)
        starts = {prefix: 1 + sum(depth for _, depth in found_in[:i]) for i, (prefix, _) in enumerate(found_in)}
        groups: list[list[nn.Parameter]] = [[] for _ in range(2 + sum(depth for _, depth in found_in))]
        seen = False
        for name, parameter in self.base.named_parameters():
            at = next((start + int(found[1]) for prefix, start in starts.items()
                       if (found := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))), None)
            seen = seen or at is not None
            if at is None:  # what is named an embedding belongs below even where it is listed after the layers
                at = -1 if seen and "embed" not in name else 0
            if id(parameter) not in taken:
                groups[at].append(parameter)
        return [g for g in groups if g] + [head]

    def exact_parameters(self) -> list[nn.Parameter]:
        """Those that stay float32 where the rest is trained in fewer bits: the head, mostly a few numbers."""
        return self.head_parameters()

    @property
    def probes(self) -> bool:
        """Is the head one new linear layer on `features`? Then `set_head` can begin with a fitted one."""
        return False

    def features(self, **inputs: torch.Tensor) -> torch.Tensor:
        """float32: what a linear head sees, a vector a row (W, hidden) or a token (W, T, hidden). Raises ModelError
        `model.no_linear_head` where there is none."""
        raise no_linear_head()

    def set_head(self, weight: ArrayLike, bias: ArrayLike) -> None:
        """Begin with a linear head, logits = weight @ features + bias; `weight` is (outputs, hidden), `bias`
        (outputs,). Raises ModelError `model.no_linear_head` where there is none."""
        raise no_linear_head()

    @abstractmethod
    def save(self, folder: Path, tokenizer: Any) -> None:
        """Write config, fp32 safetensors and tokenizer for plain transformers."""

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def stacks(base: Any) -> list[tuple[str, int]]:
    """Name and number of each stack of layers, outermost lists of modules first come first: an encoder-decoder has
    two, ALBERT's layers are shared and stand in one."""
    lists = [(n, len(m)) for n, m in base.named_modules() if isinstance(m, nn.ModuleList) and len(m)]
    config = base.config.get_text_config()
    depths = {config.to_dict().get(k) for k in ("num_hidden_layers", "num_layers", "num_decoder_layers",
                                               "encoder_layers", "decoder_layers")}
    if base.config.model_type == "encoder-decoder":
        depths |= {base.config.encoder.num_hidden_layers, base.config.decoder.num_hidden_layers}
    deep = [(n, k) for n, k in lists if k in depths]
    outer = [(n, k) for n, k in deep if not any(n.startswith(f"{other}.") for other, _ in deep)]
    return outer or lists[:1]


def std(config: Any) -> float:
    """Of new weights: what the architecture was born with."""
    return float(config.to_dict().get("initializer_range", 0.02))


def set_dropout(config: Any, value: float) -> None:
    """Every dropout that the config states; what is left None there follows the others."""
    for key, old in config.to_dict().items():
        if re.search(r"(dropout|dropout_rate|pdrop|dropout_prob)$", key) and isinstance(old, int | float):
            setattr(config, key, value)


def no_linear_head() -> ModelError:
    """A fitted linear head was asked for where the architecture's own head, or none, stands."""
    return ModelError("model.no_linear_head",
                      t("this head is not linear on the features", "该分类头不是特征的线性函数"), where="model.head",
                      fix=t("use --set tune.head_start=random (for labels also: model.head=mean)",
                            "请用 --set tune.head_start=random（分类任务也可设 model.head=mean）"))


def weights_missing(folder: Path, names: set[str]) -> ModelError:
    """The checkpoint lacks what it should hold."""
    return ModelError("model.weights_missing",
                      t("{n} weights are missing, among them {x}", "缺少 {n} 个权重，如 {x}", n=len(names),
                        x=min(names)),
                      where=str(folder), fix=t("fetch it again or choose another model", "请重新获取或换一个模型"))


def another() -> str:
    return t("choose another model; see: weitiao models", "请换一个模型；见：weitiao models")


def probe(whole: Any) -> dict[str, torch.Tensor]:
    """Two rows of made-up tokens, one of them padded."""
    config = whole.get_text_config()
    stated = config.to_dict()  # not every family has every special token
    pad = stated.get("pad_token_id") or 0
    special = {pad, stated.get("bos_token_id"), stated.get("eos_token_id")}
    words = [i for i in range(config.vocab_size) if i not in special][:: max(1, config.vocab_size // 9)][:9]
    short = words[3:8]
    ids = [words, short + [pad] * (len(words) - len(short))]
    mask = [[1] * len(words), [1] * len(short) + [0] * (len(words) - len(short))]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def padding_leaks(family: str) -> ModelError:
    """A row's outputs must not depend on how far it is padded: some architectures look at the padding."""
    return ModelError("model.padding_leaks",
                      t("the outputs of {f} depend on padding", "{f} 的输出受填充影响", f=family),
                      where="model.name", fix=another())
