"""What tuning a base needs in memory, by formula: before anything is loaded, and where something else is weighed.

>>> shape(find("e5-small"))
Shape(parameters=117653760, embeddings=96014208, layers=12, width=384, heads=12, words=250037)
>>> round(activations(shape(find("e5-small")), tokens=2035, length=509, each=2) / 1e9, 2)
1.06

Of a layer the backward pass wants 34 · width + 5 · heads · length bytes a token where a number has 2 (Korthikanti et
al. 2022, "Reducing Activation Recomputation in Large Transformer Models", arXiv:2205.05198, section 4.1); twice that
in float32. 1.14 GB were measured for the example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weitiao.models import Base

MOMENTS = {"adamw": 2, "adam": 2, "nadam": 2, "radam": 2, "rmsprop": 1, "sgd": 1, "muon": 1, "adafactor": 0}
"""Numbers that each optimiser of the recipe keeps beside a parameter (muon: of hidden matrices; adafactor: some rows
and columns)."""
FLOAT = 4  # bytes of a number in float32
_SCORES = ("albert", "bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta")


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a base: numbers in all and in the word embeddings; layers, width, heads; words of its vocabulary.
    `scores`: its attention keeps all scores for the backward pass (the others compute them again)."""

    parameters: int
    embeddings: int
    layers: int
    width: int
    heads: int
    words: int
    scores: bool = True


def shape(base: Base) -> Shape:
    """As its config says. Loads no weights."""
    from weitiao.models import _load

    config = _load.config(base.folder).get_text_config()
    layers = config.num_hidden_layers + config.to_dict().get("decoder_layers", 0)
    return Shape(base.parameters, base.embedding_parameters, layers, config.hidden_size, config.num_attention_heads,
                 config.vocab_size, config.model_type in _SCORES)


def weights(found: Shape, each: int) -> float:
    """Bytes of the weights: in float32, and beside it in the numbers of `each` bytes that are computed with."""
    return found.parameters * (FLOAT + (each if each < FLOAT else 0))


def state(moved: float, optimizer: str) -> float:
    """Bytes of gradients and moments of so many numbers that move. Masters are the float32 weights themselves."""
    return moved * FLOAT * (1 + MOMENTS[optimizer])


def activations(found: Shape, tokens: float, length: float, each: int, *, logits: float = 0,
                recomputes: bool = False) -> float:
    """Bytes that a forward pass keeps for its backward pass.

    Args:
        tokens: padded tokens of the pass; `length`: of its longest row.
        each: bytes of a number.
        logits: places at which the whole vocabulary is weighed: three numbers in float32 for each word (the logits,
            their logarithms of probabilities, the gradient).
        recomputes: activation checkpointing: what enters each layer, and one layer's own.
    """
    layer = tokens * (34 * found.width + (5 * found.heads * length if found.scores else 0)) * each / 2
    kept = layer + found.layers * tokens * found.width * each if recomputes else found.layers * layer
    return kept + 3 * FLOAT * logits * found.words
