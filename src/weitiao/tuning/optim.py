"""Optimisers of torch.optim over groups of parameters that share a rate and a weight decay.

>>> optimizers = build("adamw", groups, learning_rate=2e-4)
>>> set_rate(optimizers, 1e-4)         # every group moves at its own multiple of it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.optim import SGD, Adafactor, Adam, AdamW, Muon, NAdam, Optimizer, RAdam, RMSprop


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter stands in the model.

    Args:
        depth: its layer counted from the top: 0 is the head.
        head: it belongs to the new head.
        embedding: it is a table of embeddings (never decayed, never orthogonalised).
    """

    depth: int
    head: bool
    embedding: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters with one rate (`scale` times the peak rate) and one weight decay. `hidden`: inner matrices."""

    parameters: list[torch.nn.Parameter]
    scale: float
    weight_decay: float
    hidden: bool


def grouped(masters: Mapping[str, torch.nn.Parameter], places: Mapping[str, Place], *, weight_decay: float,
            layer_decay: float, head_scale: float) -> list[Group]:
    """Groups in a fixed order. Weight decay falls on matrices only; `layer_decay` ** depth scales a layer's rate."""
    groups: dict[tuple[float, float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in masters.items():
        place = places[name]
        matrix = parameter.ndim >= 2 and not place.embedding
        scale = head_scale if place.head else layer_decay**place.depth
        hidden = matrix and parameter.ndim == 2 and not place.head
        groups.setdefault((scale, weight_decay if matrix else 0.0, hidden), []).append(parameter)
    return [Group(parameters, scale, decay, hidden) for (scale, decay, hidden), parameters in groups.items()]


def build(name: str, groups: Sequence[Group], learning_rate: float) -> list[Optimizer]:
    """The optimiser of that name; two for muon, which is made for hidden matrices: AdamW moves the rest.

    Adam's second-moment decay is 0.999, SGD has momentum 0.9; all else is torch's default.
    """
    hidden, rest = [g for g in groups if g.hidden], [g for g in groups if not g.hidden]
    if name == "muon":
        # This scale makes an update as large as AdamW's, so that one learning rate fits both (Moonlight, 2025).
        both = [Muon(_options(hidden, learning_rate), lr=learning_rate, adjust_lr_fn="match_rms_adamw")] \
            if hidden else []
        return [*both, *([_adamw(rest, learning_rate)] if rest else [])]
    if name == "adamw":
        return [_adamw(groups, learning_rate)]
    options = _options(groups, learning_rate)
    if name == "sgd":
        return [SGD(options, lr=learning_rate, momentum=0.9)]
    if name == "nadam":
        return [NAdam(options, lr=learning_rate, decoupled_weight_decay=True)]
    if name == "radam":
        return [RAdam(options, lr=learning_rate, decoupled_weight_decay=True)]
    plain: dict[str, type[Optimizer]] = {"adam": Adam, "rmsprop": RMSprop, "adafactor": Adafactor}
    return [plain[name](options, lr=learning_rate)]  # type: ignore[call-arg]


def _adamw(groups: Sequence[Group], learning_rate: float) -> Optimizer:
    # One fused kernel takes a seventh of the time of the tensor-by-tensor form.
    return AdamW(_options(groups, learning_rate), lr=learning_rate, fused=True)


def _options(groups: Sequence[Group], learning_rate: float) -> list[dict[str, object]]:
    return [{"params": g.parameters, "lr": learning_rate * g.scale, "weight_decay": g.weight_decay,
             "scale": g.scale} for g in groups]


def set_rate(optimizers: Sequence[Optimizer], rate: float) -> None:
    """Give every group its multiple of `rate`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["scale"]
