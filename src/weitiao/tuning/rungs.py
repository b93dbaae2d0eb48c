"""The rungs below a recipe that does not fit into memory: what to give up first, each with its forecast.

>>> for rung in rungs(recipe, base, spot):
...     print(rung.gigabytes, *rung.settings)
2.1 tune.micro_batch_tokens=512
1.9 tune.micro_batch_tokens=509 tune.checkpointing=true
1.7 tune.micro_batch_tokens=509 tune.checkpointing=true method.name=lora

In this order the first ones cost least: smaller passes give the same updates, recomputing activations the same with a
third more time, adapters and frozen layers another model of nearly the same quality, a head on the frozen base or a
smaller base a worse one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from weitiao import models
from weitiao.core.i18n import t
from weitiao.footprint import Spot, gigabytes, shape_of
from weitiao.models import Base
from weitiao.models.needs import Shape
from weitiao.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Rung:
    """A way to need less: `settings` for --set, what it is in words, and the memory that it is forecast to need."""

    settings: tuple[str, ...]
    text: str
    gigabytes: float


def rungs(recipe: Recipe, base: Base, spot: Spot) -> list[Rung]:
    """All rungs of a resolved recipe, in order. The smaller passes are halves, down to one row."""
    shape = shape_of(base, spot.kind)
    return [*_passes(recipe, shape, spot), *_methods(recipe, shape, spot), *_bases(recipe, base, shape, spot)]


def _passes(recipe: Recipe, shape: Shape, spot: Spot) -> Iterator[Rung]:
    tokens = spot.tokens
    while tokens > spot.length:
        tokens = max(tokens // 2, spot.length)
        yield _rung(recipe, shape, spot, tokens, (), t("smaller passes, as many to an update as it takes",
                                                       "减小单次前向，由累积凑足批大小"))


def _methods(recipe: Recipe, shape: Shape, spot: Spot) -> Iterator[Rung]:
    own, smallest = recipe.method["name"], spot.length
    again = () if recipe.tune.checkpointing else ("tune.checkpointing=true",)
    if again and own != "head":
        yield _rung(recipe, shape, spot, smallest, again, t("compute activations again in the backward pass",
                                                            "反向时重算激活"))
    if own in ("full", "freeze"):
        yield _rung(recipe, shape, spot, smallest, (*again, "method.name=lora"),
                    t("adapters (LoRA)", "低秩适配器（LoRA）"))
    if own == "full":
        yield _rung(recipe, shape, spot, smallest, ("method.name=freeze",),
                    t("the lower half of the layers frozen", "冻结较低的一半层"))
    if own != "head" and spot.kind in ("sequence", "tokens", "span"):
        yield _rung(recipe, shape, spot, smallest, ("method.name=head",),
                    t("only a head on the frozen base", "只训练头，基座不动"))


def _bases(recipe: Recipe, base: Base, shape: Shape, spot: Spot) -> Iterator[Rung]:
    """Smaller starters of that kind and language, the largest first; their needs in proportion to their numbers."""
    smaller = [c for c in models.catalogue() if c["kind"] == base.kind and c["automatic"]
               and c["parameters"] < base.parameters
               and (spot.language == "other" or spot.language in c["languages"] or "multilingual" in c["languages"])]
    now = gigabytes(recipe, shape, spot) - spot.process / 1e9
    for c in sorted(smaller, key=lambda c: -c["parameters"]):
        yield Rung((f"model.name={c['name']}",), t("a smaller base", "更小的基座"),
                   spot.process / 1e9 + now * c["parameters"] / base.parameters)


def _rung(recipe: Recipe, shape: Shape, spot: Spot, tokens: int, settings: tuple[str, ...], text: str) -> Rung:
    asked = tuple([f"tune.micro_batch_tokens={tokens}"] if tokens < spot.tokens else []) + settings
    name = next((s.partition("=")[2] for s in settings if s.startswith("method.name")), None)
    other = recipe if name is None else recipe.updated({"method": {"name": name}})
    recomputes = recipe.tune.checkpointing or "tune.checkpointing=true" in settings
    other = other.updated({"tune": {"checkpointing": recomputes}})
    return Rung(asked, text, gigabytes(other, shape, replace(spot, tokens=tokens)))
