"""The default recipe: one function of task, rows, method and base size, found by experiment (docs/log.md).

>>> values, reasons = defaults(Facts(rows=300, outputs=3, kind="encoder", parameters=118_000_000,
...                                  embedding_parameters=96_000_000, method="full", task="classify"))
>>> values["epochs"]
5.0
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from weitiao import methods
from weitiao.core.i18n import t

_PAIR_RATE = 5e-4  # of two sides made of one encoder
_WORDS_HEAD = 1e-3  # the least rate of a head on words (docs/log.md)
_FEW = 1000  # training rows below which a smaller rate and batch do better
_VERY_FEW = 300
_COMPARING = 12.0  # epochs of few pairs: what two texts have to do with each other no frozen feature says (docs/log.md)
_DECODER_LORA = 2e-3  # of decoders that write (docs/log.md)
_SMALL = 1e8  # parameters beside the embeddings up to which that rate was measured


@dataclass(frozen=True, slots=True)
class Facts:
    """What the defaults may depend on: never the file's name or its content."""

    rows: int
    outputs: int
    kind: Literal["encoder", "decoder", "encoder-decoder"]
    parameters: int
    embedding_parameters: int
    method: str
    task: str
    gpu: bool = False
    compares: bool = False  # two texts are read together and answered with a label or a number


def defaults(facts: Facts) -> tuple[dict[str, Any], dict[str, str]]:
    """Values for the `tune` section with a reason for each."""
    pair = facts.task == "translate" and facts.kind == "encoder"  # half of what translates is new: it takes long
    # A question comes with a passage of hundreds of tokens: few long rows make an update.
    batch = 16 if facts.rows < _FEW or facts.task == "extract" or (_writes(facts) and not pair) else 32
    rate = _PAIR_RATE if pair else _learning_rate(facts)
    values = {
        "epochs": 10.0 if pair else _epochs(facts) / (2 if _writes(facts) else 1),
        "batch_size": batch,
        "micro_batch_size": batch,
        "micro_batch_tokens": _pass_tokens(facts),
        "learning_rate": rate,
        "head_learning_rate": max(rate, _WORDS_HEAD) if facts.task == "tag" else rate,
        "embeddings": "train",
    }
    reasons = {
        "epochs": t("{n} training rows", "训练行数 {n}", n=facts.rows),
        "learning_rate": t("method {m}, {p} million parameters beside the embeddings",
                           "方法 {m}，词嵌入之外 {p} 百万参数", m=facts.method,
                           p=round((facts.parameters - facts.embedding_parameters) / 1e6)),
    }
    return values, reasons


def _pass_tokens(facts: Facts) -> int:
    """A written token's answer may be 260,000 numbers; what a CPU's cache does not hold costs it half its speed. What
    many layers keep for the way back is most of the memory of a decoder, and on a CPU 300 tokens are as fast a pass as
    600 (docs/log.md)."""
    if _writes(facts):
        return 2048 if facts.gpu else 512
    return 8192 if facts.gpu else 2048


def _writes(facts: Facts) -> bool:
    """Are texts written, token by token? A row then teaches more than one label does."""
    return not facts.outputs and facts.task != "pretrain"


def _epochs(facts: Facts) -> float:
    if facts.task == "pretrain":
        return 1.0
    if facts.task == "extract" and facts.rows >= _FEW:
        return 3.0 if facts.rows < 20_000 else 2.0  # Devlin et al. 2019, sections 4.2 and 4.3
    if facts.task == "tag":  # most words teach nothing: entities are few
        return 15.0 if facts.rows < _VERY_FEW else 8.0 if facts.rows < 6000 else 4.0
    if facts.compares and facts.rows < _FEW:
        return _COMPARING
    return 5.0 if facts.rows < _FEW else 4.0 if facts.rows < 6000 else 3.0


def _learning_rate(facts: Facts) -> float:
    rate: float = methods.load(facts.method).LEARNING_RATE
    if facts.task == "tag":
        return 2.5 * rate if facts.rows < _FEW else 1.5 * rate
    if _writes(facts) and facts.kind == "decoder" and facts.method == "lora":
        # Wider layers want smaller steps, in proportion to their width (Yang et al. 2021, arXiv:2203.03466), whose
        # square the parameters grow with: some 2e-4 where a base has 7 billion, as is usual there.
        body = facts.parameters - facts.embedding_parameters
        rate = _DECODER_LORA * min(1.0, math.sqrt(_SMALL / body))
    elif _writes(facts):
        rate /= 2
    return rate if facts.rows >= _FEW or facts.compares else rate / 2
