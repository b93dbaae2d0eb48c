from __future__ import annotations

import pytest
import torch
from torch import nn

from weitiao.tuning import dropout
from weitiao.tuning.dropout import Dropout

X = torch.ones(200, 1000)


@pytest.mark.parametrize("pooled", [True, False])
def test_masks_depend_on_seed_step_and_micro_batch_only(pooled: bool) -> None:
    def masks(source: Dropout, step: int, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        source.start(step, index)
        return source(X, 0.1), source(X, 0.1)

    first, second = masks(Dropout(1, pooled=pooled), 70, 0)
    used = Dropout(1, pooled=pooled)
    masks(used, 3, 1)
    masks(used, 70, 1)
    again = masks(used, 70, 0)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])
    assert not torch.equal(first, second)
    assert not torch.equal(masks(used, 70, 1)[0], first) and not torch.equal(masks(used, 71, 0)[0], first)
    assert not torch.equal(masks(Dropout(2, pooled=pooled), 70, 0)[0], first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_share_and_scale(dtype: torch.dtype) -> None:
    source = Dropout(1, pooled=True)
    source.start(0, 0)
    out = source(X.to(dtype), 0.25)
    assert sorted(set(out.flatten().tolist())) == [0.0, pytest.approx(1 / 0.75, rel=1e-2)]
    assert float((out == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float((out == 0).float().mean(0).std()) < 0.05, "no column is favoured"
    assert torch.equal(source(X, 0.0), X)


def test_more_elements_than_the_pool_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropout, "POOL", 1 << 12)
    source = Dropout(1, pooled=True)
    source.start(0, 0)
    out = source(X, 0.5)
    assert out.shape == X.shape and float((out == 0).float().mean()) == pytest.approx(0.5, abs=0.02)


def test_gradient_goes_through_the_same_mask() -> None:
    source = Dropout(1, pooled=True)
    source.start(0, 0)
    x = torch.ones(64, 64, requires_grad=True)
    out = source(x, 0.5)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


def test_modules_are_stood_in_for_and_put_back() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5))
    own = net[1]
    source = Dropout(1, pooled=True)
    with source.installed(net):
        source.start(0, 0)
        a = net(torch.ones(4, 8))
        source.start(0, 0)
        assert torch.equal(net(torch.ones(4, 8)), a) and net[1] is not own
        assert not (net.eval()(torch.ones(4, 8)) == 0).any()
    assert net[1] is own
