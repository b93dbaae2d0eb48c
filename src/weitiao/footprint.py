"""Peak memory and disk of a recipe, by formula: instant, before anything is loaded (models/needs.py has the terms).

>>> gigabytes(recipe, shape_of(base, "span"), Spot(tokens=2035, length=509, each=2, kind="span"))
3.7

`tuning/costs.py` measures instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from weitiao import methods
from weitiao.bundle import tokens_of_a_pass
from weitiao.models import Base, needs
from weitiao.models.needs import Shape
from weitiao.recipe import Recipe

HOLES = 1.0  # times what a pass holds, beside it: what allocators keep between tensors of other sizes (docs/log.md)
PROCESS = 0.8e9  # bytes of the interpreter, torch, transformers, a tokenizer (measured: 0.6 to 0.8)
SHOTS = 4  # training rows that an untouched base is shown before each question (baseline few_shot)
BASE_READERS = frozenset({"few_shot", "frozen", "frozen_words", "untouched", "zero_shot"})
"""Baselines that hold the untouched base beside the tuned model."""
_JUDGING = 0.3e9  # bytes of scikit-learn and what tuning leaves (measured)
_JUDGED_WIDTHS = 48  # numbers in float32 for each of these tokens, in times of the hidden width (measured)


@dataclass(frozen=True, slots=True)
class Spot:
    """What a recipe's memory depends on beside base and settings.

    Args:
        tokens, length: padded tokens of the longest pass, and of its longest row.
        each: bytes of a number that is computed with.
        kind: `HeadSpec.kind`.
        process: bytes of everything that is neither weights, nor what training keeps beside them.
        language: "zh", "en" or "other"; for a smaller base.
    """

    tokens: int
    length: int
    each: int
    kind: str
    process: float = PROCESS
    language: str = "other"


def shape_of(base: Base, kind: str) -> Shape:
    """The base's sizes; of an encoder that is to write those of the pair made of it, whose vocabulary is cut to the
    words in use (tuning/stage.py)."""
    found = needs.shape(base)
    if base.kind != "encoder" or kind != "language":
        return found
    return replace(found, parameters=2 * (found.parameters - found.embeddings), embeddings=0, layers=2 * found.layers)


def gigabytes(recipe: Recipe, shape: Shape, spot: Spot) -> float:
    """Peak memory of tuning (10⁹ bytes)."""
    held, mapped = activations(recipe, shape, spot), needs.vocabulary(_places(spot), shape.words)
    return (spot.process + standing(recipe, shape, spot) + held + holes(held, mapped)) / 1e9


def holes(held: float, mapped: float, share: float = HOLES) -> float:
    """Bytes that are kept beside what a pass holds. `mapped`: of those in tensors so large that the system gives each
    pages of its own and takes them back (mallopt(3), M_MMAP_THRESHOLD): logits over a vocabulary."""
    return share * max(0.0, held - mapped)


def judging(shape: Shape, spot: Spot, *, frozen: bool) -> float:
    """Peak memory of judging (10⁹ bytes): the tuned model in float32, and either its pass over many rows or the
    `frozen` base beside it."""
    tokens = tokens_of_a_pass("cpu", written=spot.kind == "language")
    answering = tokens * _JUDGED_WIDTHS * needs.FLOAT * shape.width
    beside = needs.weights(shape, spot.each) if frozen else 0.0
    return (spot.process + _JUDGING + shape.parameters * needs.FLOAT + max(answering, beside)) / 1e9


def standing(recipe: Recipe, shape: Shape, spot: Spot) -> float:
    """Bytes of weights, gradients and moments: less cannot do."""
    return needs.weights(shape, spot.each) + needs.state(moved(recipe, shape, spot.kind), recipe.tune.optimizer)


def moved(recipe: Recipe, shape: Shape, kind: str) -> float:
    """Numbers that move: of the word embeddings only where the model speaks (else the rows in use, few)."""
    speaks = kind in ("language", "corpus") and recipe.tune.embeddings != "freeze"
    return float(methods.load(recipe.method["name"]).MOVED * (
        shape.parameters if speaks else shape.parameters - shape.embeddings))


def activations(recipe: Recipe, shape: Shape, spot: Spot) -> float:
    """Bytes that the longest pass keeps."""
    name = recipe.method["name"]
    # What stands still below the lowest layer that moves keeps nothing.
    share = 0.5 if name == "freeze" else 1 / shape.layers if name == "head" else 1.0
    return share * needs.activations(shape, spot.tokens, spot.length, spot.each, logits=_places(spot),
                                     recomputes=recipe.tune.checkpointing and name != "head")


def _places(spot: Spot) -> int:
    return spot.tokens if spot.kind in ("language", "corpus") else 0


def disk(recipe: Recipe, shape: Shape, kind: str) -> float:
    """Bytes of the model, the best weights and one checkpoint (weights and moments of what moves)."""
    moves = moved(recipe, shape, kind) * needs.FLOAT
    return shape.parameters * needs.FLOAT + moves * (2 + needs.MOMENTS[recipe.tune.optimizer])
