"""Every method in the folder on a tiny model: unchanged at first, moves what it says, merges to the same outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weitiao import methods, models
from weitiao.models.spec import HeadSpec

HEAD = HeadSpec(3, "single_label_classification", ("a", "b", "c"))


@pytest.fixture(params=methods.names())
def method(request: pytest.FixtureRequest) -> Any:
    return methods.load(request.param)


@pytest.fixture(params=["mean", "native"])
def model(request: pytest.FixtureRequest, tiny_folder: Path) -> Any:
    from weitiao.models.build import build

    return build(models.find(str(tiny_folder)), HEAD, pooling=request.param, dropout=0.0, seed=1)


@pytest.fixture
def inputs() -> dict[str, Any]:
    import torch

    ids = torch.arange(5, 37).reshape(4, 8)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _train(model: Any, inputs: dict[str, Any], steps: int = 3) -> None:
    import torch

    moving = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(moving, lr=0.5)
    targets = torch.tensor([0, 1, 2, 0])
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(**inputs), targets).backward()
        optimizer.step()


def test_attaching_changes_no_output(method: Any, model: Any, inputs: dict[str, Any]) -> None:
    import torch

    before = model(**inputs).detach()
    attached = method.attach(model, method.Options()).eval()
    assert torch.allclose(attached(**inputs).detach(), before, atol=1e-6)
    assert any(p.requires_grad for p in attached.parameters())


def test_what_may_move_moves_and_nothing_else(method: Any, model: Any, inputs: dict[str, Any]) -> None:
    import torch

    attached = method.attach(model, method.Options())
    before = {n: p.detach().clone() for n, p in attached.named_parameters()}
    _train(attached, inputs)
    moved = {n for n, p in attached.named_parameters() if not torch.equal(p.detach(), before[n])}
    allowed = {n for n, p in attached.named_parameters() if p.requires_grad}
    assert moved and moved <= allowed


def test_merged_is_plain_and_equal(method: Any, model: Any, inputs: dict[str, Any], tiny_tokenizer: Any,
                                   tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    attached = method.attach(model, method.Options())
    _train(attached, inputs)
    want = attached.eval()(**inputs).detach()
    merged = method.merge(attached).eval()
    assert torch.allclose(merged(**inputs).detach(), want, atol=1e-5)
    merged.save(tmp_path / "m", tiny_tokenizer)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m").eval()
    assert plain.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert torch.allclose(plain(**inputs).logits.detach(), want, atol=1e-5)


def test_learning_rate_is_stated(method: Any) -> None:
    assert isinstance(method.LEARNING_RATE, float) and 0 < method.LEARNING_RATE < 1
