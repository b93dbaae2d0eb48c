from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from weitiao.recipe import Tune
from weitiao.tuning import optim
from weitiao.tuning.schedule import factor


def test_schedules_at_known_steps() -> None:
    def at(kind: str, steps: list[int]) -> list[float]:
        return [round(factor(s, steps=110, warmup=10, kind=kind), 4) for s in steps]  # type: ignore[arg-type]

    assert at("linear", [0, 4, 9, 10, 60, 109]) == [0.1, 0.5, 1.0, 1.0, 0.5, 0.01]
    assert at("cosine", [9, 10, 35, 60, 109]) == [1.0, 1.0, round(0.5 + math.sqrt(0.5) / 2, 4), 0.5, 0.0002]
    assert at("constant", [0, 10, 109]) == [0.1, 1.0, 1.0]
    assert factor(0, steps=1, warmup=0, kind="linear") == 1.0
    assert factor(0, steps=1, warmup=1, kind="cosine") == 1.0


def test_groups_decay_matrices_only_and_scale_by_layer() -> None:
    masters = {n: nn.Parameter(torch.ones(*shape)) for n, shape in
               {"table": (9, 4), "low.w": (4, 4), "low.b": (4,), "high.w": (4, 4), "head.w": (2, 4)}.items()}
    places = {"table": optim.Place(3, False, True), "low.w": optim.Place(2, False, False),
              "low.b": optim.Place(2, False, False), "high.w": optim.Place(1, False, False),
              "head.w": optim.Place(0, True, False)}
    groups = optim.grouped(masters, places, weight_decay=0.1, layer_decay=0.5, head_scale=10.0)
    found = {id(p): g for g in groups for p in g.parameters}
    assert {n: (found[id(p)].scale, found[id(p)].weight_decay, found[id(p)].hidden) for n, p in masters.items()} == {
        "table": (0.125, 0.0, False), "low.w": (0.25, 0.1, True), "low.b": (0.25, 0.0, False),
        "high.w": (0.5, 0.1, True), "head.w": (10.0, 0.1, False)}


@pytest.mark.parametrize("name", Tune.model_fields["optimizer"].annotation.__args__)  # type: ignore[union-attr]
def test_every_optimiser_goes_down_hill(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    places = {"0.weight": optim.Place(1, False, False), "0.bias": optim.Place(1, False, False),
              "2.weight": optim.Place(0, True, False), "2.bias": optim.Place(0, True, False)}
    groups = optim.grouped(dict(net.named_parameters()), places, weight_decay=0.01, layer_decay=1.0, head_scale=1.0)
    optimizers = optim.build(name, groups, 1e-2)
    x = torch.randn(64, 4)
    y = x[:, :1] * 2
    losses = []
    for _ in range(60):
        loss = (net(x) - y).pow(2).mean()
        net.zero_grad()
        loss.backward()
        optim.set_rate(optimizers, 1e-2)
        for o in optimizers:
            o.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_muon_moves_hidden_matrices_and_adamw_the_rest() -> None:
    hidden, bias = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4))
    places = {"w": optim.Place(1, False, False), "b": optim.Place(1, False, False)}
    muon, adamw = optim.build("muon", optim.grouped({"w": hidden, "b": bias}, places, weight_decay=0.0,
                                                    layer_decay=1.0, head_scale=1.0), 1e-2)
    assert muon.param_groups[0]["params"] == [hidden] and adamw.param_groups[0]["params"] == [bias]
