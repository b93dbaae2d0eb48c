"""What each method moves, by name; the contract suite covers what all have in common."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch

from weitiao import methods, models
from weitiao.core.errors import MissingExtra, ModelError
from weitiao.models.build import build
from weitiao.models.spec import HeadSpec

HEAD = HeadSpec(3, "single_label_classification", ("a", "b", "c"))


@pytest.fixture(params=["mean", "native"])
def model(request: pytest.FixtureRequest, tiny_folder: Path) -> Any:
    return build(models.find(str(tiny_folder)), HEAD, pooling=request.param, dropout=0.0, seed=1)


def moving(model: Any) -> set[str]:
    return {n for n, p in model.named_parameters() if p.requires_grad}


def attach(name: str, model: Any, **options: Any) -> Any:
    method = methods.load(name)
    return method.attach(model, method.Options(**options))


def test_full_moves_all(model: Any) -> None:
    assert moving(attach("full", model)) == {n for n, _ in model.named_parameters()}


def test_head_moves_the_head(model: Any) -> None:
    head = {id(p) for p in model.head_parameters()}
    assert moving(attach("head", model)) == {n for n, p in model.named_parameters() if id(p) in head}


def test_freeze_keeps_what_lies_below(model: Any) -> None:
    names = moving(attach("freeze", model, layers=1))
    assert names and not any("embeddings" in n or "layer.0." in n for n in names)
    assert any("layer.1." in n for n in names) and any("classifier" in n for n in names)


def test_freeze_takes_half_by_default_and_not_all(model: Any) -> None:
    assert moving(attach("freeze", model)) == moving(attach("freeze", model, layers=1))
    with pytest.raises(ModelError, match=r"model\.too_few_layers"):
        attach("freeze", model, layers=9)


def test_lora_moves_adapters_and_head_and_keeps_the_base(model: Any) -> None:
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    head = {id(p) for p in model.head_parameters()}
    attach("lora", model, rank=4)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("lora_" in name or id(parameter) in head), name
    plain = {n.replace(".base_layer", ""): p for n, p in model.named_parameters() if "lora_" not in n}
    assert plain.keys() == before.keys() and all(torch.equal(p, before[n]) for n, p in plain.items())


def test_lora_targets_by_name(model: Any) -> None:
    names = moving(attach("lora", model, targets=("query", "attention.self.value")))
    assert {n.split(".lora_")[0].rpartition(".")[2] for n in names if "lora_" in n} == {"query", "value"}


def test_lora_targets_that_are_not_there(model: Any) -> None:
    with pytest.raises(ModelError, match="no linear layer named valeu") as caught:
        attach("lora", model, targets=("valeu",))
    assert "value" in caught.value.expected and "did you mean 'value'" in caught.value.fix


@pytest.mark.parametrize("rank", [1, 16])
def test_lora_merges_to_the_same_logits_and_the_same_architecture(rank: int, model: Any) -> None:
    names = {n for n, _ in model.named_parameters()}
    attach("lora", model, rank=rank)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2 if rank > 1 else 0.1)  # at rank 1 the scale is 32
    ids = torch.arange(5, 37).reshape(4, 8)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    model.eval()
    with torch.no_grad():
        unmerged = model(**inputs)
        merged = methods.load("lora").merge(model).eval()(**inputs)
    assert {n for n, _ in model.named_parameters()} == names
    assert torch.allclose(merged, unmerged, atol=1e-5)


def test_lora_without_peft_names_the_extra(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("peft"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match="LoRA") as caught:
        attach("lora", model)
    assert caught.value.fix == 'pip install "weitiao[lora]"'


def test_lora_trains_in_bf16_and_merges(tiny_folder: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    """Through `fit`: frozen matrices in bf16, adapters with float32 masters, float32 again at the end."""
    from tuning_case import Case
    from weitiao.tuning import fit

    case = Case(tiny_folder, tiny_tokenizer)
    before = dict(case.model().named_parameters())
    inputs = case.inputs(precision="bf16", epochs=6.0, learning_rate=2e-2, head_learning_rate=2e-2)
    torch.manual_seed(1)
    attach("lora", inputs["model"], rank=4)
    outcome = fit(folder=tmp_path, on_event=lambda _: None, **inputs)
    merged = methods.load("lora").merge(inputs["model"])
    assert outcome.metrics["accuracy"] > 0.9
    table = "body.embeddings.word_embeddings.weight"
    assert torch.equal(dict(merged.named_parameters())[table], before[table])
    assert all(p.dtype == torch.float32 for p in merged.parameters())
