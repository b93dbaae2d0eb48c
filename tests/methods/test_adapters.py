"""Adapters on families with their own kinds of layers, through a whole tuning, and where they cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BertForSequenceClassification,
)

from weitiao import methods
from weitiao.core.errors import MissingExtra, ModelError
from weitiao.methods import _peft
from weitiao.models.language import LanguageModel

_SMALL = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
          "num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1,
          "eos_token_id": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "gpt2": {"vocab_size": 90, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "bos_token_id": 1,
             "eos_token_id": 2, "pad_token_id": 0},
    "qwen2": {**_SMALL, "num_key_value_heads": 1}, "gemma3_text": {**_SMALL, "head_dim": 16, "num_key_value_heads": 2},
    "albert": {**_SMALL, "embedding_size": 16}, "modernbert": {**_SMALL, "cls_token_id": 1, "sep_token_id": 2},
    "distilbert": {"vocab_size": 90, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "deberta-v2": {**_SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "t5": {"vocab_size": 90, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2,
           "decoder_start_token_id": 0, "tie_word_embeddings": True},
}
KEYS_AND_VALUES = {"gpt2": {"c_attn"}, "qwen2": {"k_proj", "v_proj"}, "gemma3_text": {"k_proj", "v_proj"},
                   "albert": {"key", "value"}, "modernbert": {"Wqkv"}, "distilbert": {"k_lin", "v_lin"},
                   "deberta-v2": {"key_proj", "value_proj"}, "t5": {"k", "v"}}
INNER = {"gpt2": "mlp.c_proj", "qwen2": "down_proj", "gemma3_text": "down_proj", "albert": "ffn_output",
         "modernbert": "mlp.Wo", "distilbert": "ffn.lin2", "deberta-v2": "output.dense", "t5": "DenseReluDense.wo"}


def made(family: str) -> LanguageModel:
    config = AutoConfig.for_model(family, **CONFIGS[family])
    cls = AutoModelForSeq2SeqLM if family == "t5" else \
        AutoModelForCausalLM if family in ("gpt2", "qwen2", "gemma3_text") else AutoModelForMaskedLM
    torch.manual_seed(0)
    return LanguageModel(cls.from_config(config)).eval()


def stir(model: Any) -> None:
    """Adapters as they might be after tuning."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "ia3_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize(("name", "options"), [("lora", {"rank": 4}), ("lora", {"rank": 4, "dora": True}), ("ia3", {})],
                         ids=["lora", "dora", "ia3"])
def test_merging_holds_for_every_kind_of_layer(family: str, name: str, options: dict[str, Any]) -> None:
    model, method = made(family), methods.load(name)
    table = model.word_embeddings().weight.detach().clone()
    before = model.sample().detach()
    model = method.attach(model, method.Options(**options)).eval()
    stir(model)
    want = model.sample().detach()
    assert (want - before).abs().max() > 1e-4
    merged = method.merge(model)
    torch.testing.assert_close(merged.sample().detach(), want, rtol=1e-4, atol=1e-4)
    assert torch.equal(merged.word_embeddings().weight, table), "tied with the output layer, it must stay"
    assert not hasattr(merged.base, "peft_config")


@pytest.mark.parametrize("family", CONFIGS)
def test_ia3_scales_keys_values_and_the_inner_activations(family: str) -> None:
    model = methods.load("ia3").attach(made(family), methods.load("ia3").Options())
    found = {n.removesuffix(".ia3_l.default"): p.shape for n, p in model.base.named_parameters() if "ia3_l" in n}
    inner = {n for n, shape in found.items() if shape[0] == 1}
    assert {n.rpartition(".")[2] for n in set(found) - inner} == KEYS_AND_VALUES[family]
    assert inner and all(n.endswith(INNER[family]) and "attention" not in n.split(".")[-3:] for n in inner)


def test_ia3_takes_names(tiny_folder: Path) -> None:
    ia3 = methods.load("ia3")
    model = ia3.attach(made("gpt2"), ia3.Options(targets=("c_attn",), feedforward=("mlp.c_fc",)))
    assert {n.split(".ia3")[0].rpartition(".")[2] for n, p in model.named_parameters() if "ia3_" in n} == {
        "c_attn", "c_fc"}
    with pytest.raises(ModelError, match="no linear layer named c_atn") as caught:
        ia3.attach(made("gpt2"), ia3.Options(targets=("c_atn",)))
    assert "did you mean 'c_attn'" in caught.value.fix


def test_rslora_scales_by_the_square_root() -> None:
    """Kalajdzievski 2023: alpha / √rank where LoRA has alpha / rank."""
    from peft.tuners.lora import LoraLayer

    lora = methods.load("lora")
    for options, scale in (({}, 32 / 16), ({"rslora": True}, 32 / 4)):
        model = lora.attach(made("gpt2"), lora.Options(**options))
        layers = [m for m in model.base.modules() if isinstance(m, LoraLayer)]
        assert layers and all(m.scaling["default"] == scale for m in layers)


def test_dora_keeps_directions_and_lengths_apart() -> None:
    """W' = m · (W + BA) / ‖W + BA‖ by output (Liu et al. 2024, formula 5), against a reference made here."""
    lora = methods.load("lora")
    model = lora.attach(made("qwen2"), lora.Options(dora=True, rank=4, dropout=0.0)).eval()
    stir(model)
    layer = model.base.model.layers[0].self_attn.q_proj
    w = layer.base_layer.weight.double() + 8 * layer.lora_B["default"].weight.double() @ \
        layer.lora_A["default"].weight.double()
    want = layer.lora_magnitude_vector["default"].weight.double()[:, None] * w / w.norm(dim=1, keepdim=True)
    lora.merge(model)
    torch.testing.assert_close(model.base.model.layers[0].self_attn.q_proj.weight.double(), want, rtol=1e-5, atol=1e-6)


def test_bitfit_moves_every_bias_and_no_matrix() -> None:
    model = methods.load("bitfit").attach(made("gpt2"), methods.load("bitfit").Options())
    moving = {n for n, p in model.named_parameters() if p.requires_grad}
    assert moving == {n for n, _ in model.named_parameters() if n.endswith(".bias")} and moving


def test_a_merge_that_changes_the_model_is_refused() -> None:
    lora = methods.load("lora")
    model = lora.attach(made("gpt2"), lora.Options()).eval()
    stir(model)
    with pytest.raises(ModelError, match=r"model\.merge_not_exact"):
        _peft.merge(model, fold=lambda module: module.get_base_layer())


def test_qlora_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(MissingExtra) as caught:
        methods.load("qlora").attach(made("qwen2"), methods.load("qlora").Options())
    assert caught.value.fix == 'pip install "weitiao[qlora]"' and "QLoRA" in caught.value.what


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
@pytest.mark.parametrize("options", [{}, {"dora": True}], ids=["lora", "dora"])
def test_nothing_that_stood_in_while_tuning_is_left(options: dict[str, Any], tiny_folder: Path, tiny_tokenizer: Any,
                                                    tmp_path: Path) -> None:
    """bf16, dropout from a pool and our own attention while it learns; afterwards an adapter that peft alone loads."""
    from peft import PeftModel

    from tuning_case import Case
    from weitiao.models._load import quiet
    from weitiao.models._parts import probe
    from weitiao.tuning import fit

    case, lora = Case(tiny_folder, tiny_tokenizer), methods.load("lora")
    inputs = case.inputs(precision="bf16", epochs=3.0, learning_rate=1e-2)
    torch.manual_seed(1)
    model = lora.attach(inputs["model"], lora.Options(rank=4, dropout=0.1, **options))
    attention = model.base.config._attn_implementation
    fit(folder=tmp_path / "run", on_event=lambda _: None, **inputs)
    model.eval()
    assert not [m for m in model.modules() if type(m).__module__.startswith("weitiao.tuning")]
    assert model.base.config._attn_implementation == attention
    assert all(p.dtype == torch.float32 for p in model.parameters())
    want = model.sample().detach()
    adapter = lora.adapter(model)
    merged = lora.merge(model)
    merged.save(tmp_path / "model", tiny_tokenizer)
    adapter.write(tmp_path / "adapter", base="tiny", head=merged.new_modules(), saved=tmp_path / "model", facts={})
    with quiet():
        base = BertForSequenceClassification.from_pretrained(
            tiny_folder, config=AutoConfig.from_pretrained(tmp_path / "model"))
    loaded = PeftModel.from_pretrained(base, str(tmp_path / "adapter")).eval()
    got = loaded(**probe(base.config)).logits.detach()
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
