"""Models that say words: logits at some places equal the whole pass, nothing leaks between packed rows, saved = loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    ElectraConfig,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MarianConfig,
    ModernBertConfig,
    Qwen2Config,
    RobertaConfig,
    T5Config,
)

from weitiao import models
from weitiao.core.errors import ModelError
from weitiao.models.build import build, load
from weitiao.models.language import LanguageModel, _check_places
from weitiao.models.spec import HeadSpec
from weitiao.models.ssru import MarianSSRUConfig, register

register()
SPEAKS, FILLS = HeadSpec(0, kind="language"), HeadSpec(0, kind="corpus")
_SMALL: dict[str, Any] = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                          "num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0,
                          "bos_token_id": 1, "eos_token_id": 2}
DECODERS = {
    "gpt2": GPT2Config(vocab_size=90, n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=2,
                       pad_token_id=0),
    "llama": LlamaConfig(**_SMALL), "qwen2": Qwen2Config(**_SMALL, num_key_value_heads=1),
    "gemma3_text": Gemma3TextConfig(**_SMALL, head_dim=16, num_key_value_heads=2, final_logit_softcapping=5.0,
                                    layer_types=["sliding_attention", "full_attention"]),
}
ENCODERS = {
    "bert": BertConfig(**_SMALL), "roberta": RobertaConfig(**_SMALL), "electra": ElectraConfig(**_SMALL, embedding_size=32),
    "albert": AlbertConfig(**_SMALL, embedding_size=16), "modernbert": ModernBertConfig(**_SMALL, cls_token_id=1, sep_token_id=2),
    "distilbert": DistilBertConfig(vocab_size=90, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64),
}
BOTH = {
    "t5": T5Config(vocab_size=90, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0),
    "marian": MarianConfig(vocab_size=90, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                           decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, pad_token_id=0,
                           eos_token_id=2, decoder_start_token_id=0, max_position_embeddings=64),
    "marian-ssru": MarianSSRUConfig(
        vocab_size=90, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=64, decoder_ffn_dim=64, pad_token_id=0, eos_token_id=2, decoder_start_token_id=0, max_position_embeddings=64),
}


def made(config: Any, seed: int = 0) -> LanguageModel:
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

    cls = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if config.model_type in ENCODERS:
        cls = AutoModelForMaskedLM
    torch.manual_seed(seed)
    model = LanguageModel(cls.from_config(config)).eval()
    _check_places(model)
    return model


@pytest.mark.parametrize("family", [*DECODERS, *ENCODERS, *BOTH])
@torch.no_grad()
def test_logits_at_some_places_are_those_of_the_whole_pass(family: str) -> None:
    config = {**DECODERS, **ENCODERS, **BOTH}[family]
    model = made(config)
    ids = torch.arange(4, 34).reshape(3, 10)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids.flip(1)
    whole = model.body(**inputs).logits.flatten(0, 1)
    places = torch.tensor([0, 7, 12, 29])
    torch.testing.assert_close(model(places=places, **inputs), whole[places], rtol=1e-5, atol=1e-5)
    assert model._inner, "no family pays for the whole pass"
    assert model.body(**inputs).logits.flatten(0, 1).equal(whole), "the body is as it was"


@pytest.mark.parametrize("family", list(DECODERS))
@torch.no_grad()
def test_packed_rows_do_not_see_one_another(family: str) -> None:
    model = made(DECODERS[family])
    rows = [torch.arange(4, 11), torch.arange(20, 23), torch.arange(40, 52)]
    places = torch.cat([torch.arange(len(r)) for r in rows])
    packed = model(input_ids=torch.cat(rows)[None], position_ids=places[None], places=torch.arange(len(places)))
    alone = [model(input_ids=r[None], attention_mask=torch.ones_like(r)[None], places=torch.arange(len(r))) for r in rows]
    torch.testing.assert_close(packed, torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
@torch.no_grad()
def test_saved_says_the_same_in_plain_transformers(kind: str, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    base = models.find(str(tiny_folders[kind]))
    model, tokenizer = build(base, SPEAKS, pooling="auto", dropout=None, seed=1), models.tokenizer(base.folder)
    model.save(tmp_path / "m", tokenizer)
    plain = (AutoModelForCausalLM if kind == "decoder" else AutoModelForSeq2SeqLM).from_pretrained(tmp_path / "m")
    ids = torch.tensor([[2, 30, 31, 32], [2, 40, 41, 42]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    said = load(tmp_path / "m", SPEAKS).generate(inputs, max_new_tokens=6, do_sample=False)
    theirs = plain.generate(**inputs, max_new_tokens=6, do_sample=False)[:, 4 if kind == "decoder" else 1:]
    for ours, row in zip(said, theirs.tolist(), strict=True):
        assert ours == row[: len(ours)] and (len(ours) == len(row) or ours[-1] == 3)


def test_an_encoder_fills_masks_with_its_own_head(tiny_tokenizer: Any, tiny_config: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = BertForMaskedLM(tiny_config)
    whole.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    model = build(models.find(str(tmp_path)), FILLS, pooling="auto", dropout=None, seed=1)
    assert not model.notes
    torch.testing.assert_close(model.body.cls.predictions.transform.dense.weight, whole.cls.predictions.transform.dense.weight)


def test_an_encoder_without_that_head_gets_one_and_says_so(tiny_folder: Path) -> None:
    base = models.find(str(tiny_folder))
    first, second = (build(base, FILLS, pooling="auto", dropout=None, seed=1) for _ in range(2))
    assert "new one is drawn" in first.notes[0]
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_a_base_that_cannot_speak_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.says_nothing"):
        build(models.find(str(tiny_folder)), SPEAKS, pooling="auto", dropout=None, seed=1)
