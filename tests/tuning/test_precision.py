from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from tuning_case import Case
from weitiao.core.errors import RecipeError
from weitiao.tuning import attention, precision
from weitiao.tuning.dropout import Dropout
from weitiao.tuning.loop import updates
from weitiao.tuning.weights import Average, Weights

SMALL = {"vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": 0}
ENCODERS = {
    "Albert": SMALL | {"embedding_size": 16}, "Bert": SMALL, "Camembert": SMALL, "DebertaV2": SMALL,
    "DistilBert": {"vocab_size": 90, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "pad_token_id": 0},
    "Electra": SMALL | {"embedding_size": 16},
    "ModernBert": SMALL | {"local_attention": 8, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1,
                           "sep_token_id": 2},
    "Roberta": SMALL, "XLMRoberta": SMALL,
}
DECODERS = {
    "GPT2": {"vocab_size": 90, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 0},
    "Llama": SMALL, "Qwen2": SMALL | {"num_key_value_heads": 2},
    "Gemma3Text": SMALL | {"head_dim": 8, "num_key_value_heads": 2},
}


def classifier(family: str) -> Any:
    """A small classification model of that family in eval mode, with numbers large enough to tell rows apart."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**(ENCODERS | DECODERS)[family], num_labels=3)
    name = "Gemma3TextForSequenceClassification" if family == "Gemma3Text" else f"{family}ForSequenceClassification"
    model = getattr(transformers, name)(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.1)
    return model


def batch() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 90, (4, 20), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.mark.parametrize("family", ENCODERS)
def test_attention_is_that_of_torch(family: str) -> None:
    model = classifier(family)
    want = model(**batch()).logits
    if not attention.applies(model):
        assert family == "DebertaV2"
        return
    with attention.installed(model, Dropout(1, pooled=True)):
        got = model(**batch()).logits
    assert torch.allclose(got, want, atol=2e-6), (got - want).abs().max()
    assert torch.equal(model(**batch()).logits, want), "the model's own attention is back"


@pytest.mark.parametrize("family", ["Llama", "GPT2", "Gemma3Text"])
def test_decoders_keep_their_own_attention(family: str) -> None:
    assert not attention.applies(classifier(family))


@pytest.mark.parametrize("family", ENCODERS | DECODERS)
def test_every_family_runs_and_learns_in_bf16(family: str) -> None:
    model = classifier(family)
    reference = copy.deepcopy(model)
    want = reference(**batch()).logits
    head = [p for n, p in model.named_parameters() if not n.startswith(model.base_model_prefix)]
    with ExitStack() as stack:
        drop = Dropout(1, pooled=True)
        if attention.applies(model):
            stack.enter_context(attention.installed(model, drop))
        stack.enter_context(precision.float32_inputs(model, head))
        weights = Weights(model, torch.bfloat16, keep=head)
        got = model(**batch()).logits
        assert got.dtype == torch.float32, "head and loss are float32"
        assert (got - want).norm() < 0.05 * want.norm() + 0.02
        got.sum().backward()
        weights.collect()
        weights.restore()
    want.sum().backward()
    own = torch.cat([m.grad.flatten() for m in weights.masters.values() if m.grad is not None])
    other = torch.cat([p.grad.flatten() for p in reference.parameters() if p.grad is not None])
    assert torch.cosine_similarity(own, other, dim=0) > 0.99


def test_frozen_and_trained_parameters_are_float32_again_bit_for_bit() -> None:
    model = classifier("Bert")
    model.bert.embeddings.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    weights = Weights(model, torch.bfloat16, keep=model.classifier.parameters())
    assert model.bert.embeddings.word_embeddings.weight.dtype == torch.bfloat16
    assert model.classifier.weight.dtype == torch.float32
    assert not any("embeddings" in n for n in weights.masters)
    weights.restore()
    assert all(torch.equal(v, before[k]) and v.dtype == before[k].dtype for k, v in model.state_dict().items())


def test_small_steps_are_kept_in_the_masters(case: Callable[..., Case], tmp_path: Path) -> None:
    """A rate at which a bf16 weight alone would never move."""
    with ExitStack() as stack:
        engine = case().engine(stack, tmp_path, precision="bf16", learning_rate=1e-6, head_learning_rate=1e-6)
        engine.rate = lambda _: 1e-6
        before = {n: m.detach().clone() for n, m in engine.weights.masters.items()}
        for _ in updates(engine, 0, 5):
            pass
        name = next(n for n in before if n.endswith("0.attention.self.value.weight"))
        moved = (engine.weights.masters[name].detach() - before[name]).abs()
        assert 2e-6 < float(moved.max()) < 1e-5


def test_bf16_learns_like_fp32(case: Callable[..., Case], tmp_path: Path) -> None:
    def curve(name: str) -> list[float]:
        with ExitStack() as stack:
            engine = case().engine(stack, tmp_path / name, precision=name, learning_rate=5e-3)
            engine.rate = lambda _: 5e-3
            return [u.loss for u in updates(engine, 0, 24)]

    exact, rounded = curve("fp32"), curve("bf16")
    assert exact[-1] < 0.5 * exact[0]
    assert max(abs(a - b) for a, b in zip(exact, rounded, strict=True)) < 0.1


def test_average_is_the_closed_formula() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    average = Average({"w": parameter}, decay=0.2)
    values = []
    for step, value in enumerate((1.0, 2.0, 3.0, 4.0)):
        parameter.data.fill_(value)
        average.update(step)
        values.append(float(average.values["w"]))
    want, now = [], 0.0
    for step, value in enumerate((1.0, 2.0, 3.0, 4.0)):
        kept = min(0.2, (1 + step) / (10 + step))
        now = kept * now + (1 - kept) * value
        want.append(now)
    assert values == pytest.approx(want)


def test_devices_and_precisions_that_cannot_be_had() -> None:
    assert precision.device("cpu").type == "cpu"
    with pytest.raises(RecipeError, match=r"device\.missing"):
        precision.device("cuda:7")
    with pytest.raises(RecipeError, match="fp16 needs a CUDA GPU"):
        precision.choose("fp16", torch.device("cpu"), 32)
    assert precision.choose("bf16", torch.device("cpu"), 32).name == "bf16"
    assert precision.choose("auto", torch.device("cpu"), 384).name in ("fp32", "bf16")
