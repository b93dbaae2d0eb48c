"""The default recipe: one function of task, rows, method and base size, found by experiment (docs/log.md).

>>> values, reasons = defaults(Facts(rows=300, outputs=3, kind="encoder", parameters=118_000_000,
...                                  embedding_parameters=96_000_000, method="full", task="classify"))
>>> values["epochs"]
5.0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from weitiao import methods
from weitiao.core.i18n import t

_PAIR_RATE = 5e-4  # of two sides made of one encoder
_FEW = 1000  # training rows below which a smaller rate and batch do better


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


def defaults(facts: Facts) -> tuple[dict[str, Any], dict[str, str]]:
    """Values for the `tune` section with a reason for each."""
    writes = facts.outputs == 0  # a whole vocabulary is learnt, token by token: a row teaches more than one label
    pair = facts.task == "translate" and facts.kind == "encoder"  # half of what translates is new: it takes long
    batch = 16 if facts.rows < _FEW or (writes and not pair) else 32
    values = {
        "epochs": 10.0 if pair else _epochs(facts.rows) / (2 if writes else 1),
        "batch_size": batch,
        "micro_batch_size": batch,
        "micro_batch_tokens": 8192 if facts.outputs else 2048,  # a token's answer may be 260,000 numbers
        "learning_rate": _PAIR_RATE if pair else _learning_rate(facts),
        "head_learning_rate": _PAIR_RATE if pair else _learning_rate(facts),
        "embeddings": "train",
    }
    reasons = {
        "epochs": t("{n} training rows", "训练行数 {n}", n=facts.rows),
        "learning_rate": t("method {m}, {p} million parameters beside the embeddings",
                           "方法 {m}，词嵌入之外 {p} 百万参数", m=facts.method,
                           p=round((facts.parameters - facts.embedding_parameters) / 1e6)),
    }
    return values, reasons


def _epochs(rows: int) -> float:
    return 5.0 if rows < _FEW else 4.0 if rows < 6000 else 3.0


def _learning_rate(facts: Facts) -> float:
    rate: float = methods.load(facts.method).LEARNING_RATE
    if facts.outputs == 0:
        rate /= 2
    return rate if facts.rows >= _FEW else rate / 2
