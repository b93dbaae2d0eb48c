"""Heads: what plain transformers computes from the saved folder is what we computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from weitiao import models
from weitiao.core.errors import ModelError
from weitiao.models import mean
from weitiao.models.build import build
from weitiao.models.sequence import TextModel, load
from weitiao.models.spec import HeadSpec

from .conftest import DECODERS, ENCODERS, FAMILIES

TEXTS = ["the food is good", "不好吃，服务很慢！", "great", "the travel and the music and the film very very good " * 3]
HEAD = HeadSpec(3, "single_label_classification", ("sad", "happy", "so so"))

Checkpoint = Callable[..., Path]


def made(folder: Path, head: HeadSpec = HEAD, pooling: Any = "auto", dropout: float | None = None,
         seed: int = 1) -> TextModel:
    return build(models.find(str(folder)), head, pooling=pooling, dropout=dropout, seed=seed)


@torch.no_grad()
def logits(model: Any, tokenizer: Any) -> torch.Tensor:
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=60, return_tensors="pt",
                       return_token_type_ids=False)
    got = model.eval()(**inputs)
    return got if isinstance(got, torch.Tensor) else got.logits


def saved_equals(model: TextModel, source: Path, folder: Path) -> None:
    """Ours, plain transformers and our own loading agree, with the names where they belong."""
    tokenizer = models.tokenizer(source)
    model.save(folder, tokenizer)
    want = logits(model, tokenizer)
    assert want.std() > 0.01
    plain = AutoModelForSequenceClassification.from_pretrained(folder)
    got = logits(plain, AutoTokenizer.from_pretrained(folder))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-5)
    torch.testing.assert_close(logits(load(folder), models.tokenizer(folder)), want, rtol=0, atol=1e-5)
    assert plain.config.id2label == {0: "sad", 1: "happy", 2: "so so"} and plain.config.label2id["happy"] == 1
    assert plain.config.problem_type == HEAD.problem_type


@pytest.mark.parametrize("family", FAMILIES)
def test_native_heads_are_the_same_in_plain_transformers(family: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    source = checkpoint(family)
    model = made(source, pooling="native")
    assert model.pooling == "native"
    with torch.no_grad():
        for parameter in model.head_parameters():  # a new head is small: make differences visible
            parameter.add_(torch.randn_like(parameter) * 0.3)
    saved_equals(model, source, tmp_path)


@pytest.mark.parametrize("family", mean.FAMILIES)
def test_mean_heads_are_the_same_in_plain_transformers(family: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    source = checkpoint(family)
    model = made(source, pooling="mean")
    model.set_head(np.random.default_rng(0).normal(size=(3, 32)), [0.5, -1.0, 2.0])
    assert model.pooling == "mean" and not model.notes
    saved_equals(model, source, tmp_path)
    again = load(tmp_path)  # the layer that holds the mean for others is not computed
    assert again.pooling == "mean" and again.body.config.num_hidden_layers == model.body.config.num_hidden_layers


@pytest.mark.parametrize("family", mean.FAMILIES)
def test_a_saved_mean_head_is_taken_up_again(family: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    source = checkpoint(family)
    model = made(source, pooling="mean")
    model.set_head(np.random.default_rng(0).normal(size=(3, 32)), [0.5, -1.0, 2.0])
    model.save(tmp_path, models.tokenizer(source))
    other = HeadSpec(3, "single_label_classification", ("happy", "so so", "sad"))
    again = made(tmp_path, other)
    tokenizer = models.tokenizer(source)
    assert again.pooling == "mean" and again.base.config.num_hidden_layers == 2 and "matched by name" in again.notes[0]
    torch.testing.assert_close(logits(again, tokenizer), logits(model, tokenizer)[:, [1, 2, 0]], rtol=0, atol=1e-5)
    native = made(tmp_path, HEAD, pooling="native")
    assert native.base.config.num_hidden_layers == 2 and "weitiao_pooling" not in native.base.config.to_dict()


def test_mean_is_the_mean_of_the_real_tokens(checkpoint: Checkpoint) -> None:
    folder = checkpoint("bert")
    model, tokenizer = made(folder, pooling="mean"), models.tokenizer(folder)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    features = model.features(**inputs).detach().numpy()
    for i, text in enumerate(TEXTS):
        alone = tokenizer(text, truncation=True, return_tensors="pt")
        hidden = model.base(**alone).last_hidden_state[0].detach().double().numpy().mean(0)
        want = (hidden - hidden.mean()) / hidden.std()
        np.testing.assert_allclose(features[i], want, atol=1e-5)
    weight, bias = np.ones((3, 32)) * [[1], [2], [3]] * np.arange(32), np.array([1.0, 0, -1])
    model.set_head(weight, bias)
    np.testing.assert_allclose(logits(model, tokenizer).numpy(), features @ weight.T + bias, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("family", "config"), [("bert", {}), ("modernbert", {})])
def test_auto_pools_by_mean_where_the_checkpoint_was_trained_so(family: str, config: dict[str, Any],
                                                                checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "st"
    _copy(checkpoint(family), folder)
    assert made(folder).pooling == "native"
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode_mean_tokens": true}')
    model = made(folder)
    assert models.find(str(folder)).mean_pooled
    if family == "modernbert":  # it has a word of its own for it
        assert model.pooling == "native" and model.body.config.classifier_pooling == "mean"
    else:
        assert model.pooling == "mean"


def test_auto_pools_by_mean_where_a_pooler_is_missing(checkpoint: Checkpoint) -> None:
    bare = checkpoint("bert", pooler=False)
    assert not models.find(str(bare)).has_pooler and made(bare).pooling == "mean"
    native = made(bare, pooling="native")
    assert "no pooler" in native.notes[0]
    assert len(native.head_parameters()) == 4  # the new pooler is trained with the head
    assert models.find(str(checkpoint("bert"))).has_pooler and made(checkpoint("bert")).pooling == "native"


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "gpt2", "llama"])
def test_mean_is_refused_where_transformers_could_not_load_it(family: str, checkpoint: Checkpoint) -> None:
    with pytest.raises(ModelError, match=r"model\.no_mean_head") as e:
        made(checkpoint(family), pooling="mean")
    assert "native" in e.value.fix


def test_too_many_outputs_for_a_rectified_head(checkpoint: Checkpoint) -> None:
    wide = HeadSpec(17, "multi_label_classification", tuple(map(str, range(17))))
    with pytest.raises(ModelError, match=r"model\.no_mean_head"):
        made(checkpoint("electra"), wide, pooling="mean")
    assert made(checkpoint("bert"), wide, pooling="mean").pooling == "mean"


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "gpt2"])
def test_a_checkpoint_s_labels_are_matched_by_name(family: str, checkpoint: Checkpoint) -> None:
    folder = checkpoint(family, "AutoModelForSequenceClassification", pad_token_id=0,
                        id2label={0: "happy", 1: "so so", 2: "sad"}, label2id={"happy": 0, "so so": 1, "sad": 2})
    tokenizer = models.tokenizer(folder)
    theirs = logits(AutoModelForSequenceClassification.from_pretrained(folder), tokenizer)
    model = made(folder)
    torch.testing.assert_close(logits(model, tokenizer), theirs[:, [2, 0, 1]], rtol=0, atol=1e-6)
    assert "matched by name" in model.notes[0]
    for labels in (("sad", "happy", "angry"), ("sad", "happy")):
        other = made(folder, HeadSpec(len(labels), "single_label_classification", labels))
        assert "a new head is drawn" in other.notes[0] and logits(other, tokenizer).shape == (4, len(labels))
        assert logits(other, tokenizer).abs().max() < theirs.abs().max()


def test_regression_has_no_names(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = made(checkpoint("bert"), HeadSpec(1, "regression"), pooling="mean")
    model.save(tmp_path, models.tokenizer(checkpoint("bert")))
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["problem_type"] == "regression" and len(config["id2label"]) == 1
    assert "kept" in made(tmp_path, HeadSpec(1, "regression")).notes[0]
    assert "new head" in made(tmp_path, HeadSpec(1, "single_label_classification", ("x",))).notes[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_hold_every_parameter_once_from_below(family: str, checkpoint: Checkpoint) -> None:
    model = made(checkpoint(family))
    groups = model.layers()
    flat = [id(p) for group in groups for p in group]
    assert sorted(flat) == sorted(id(p) for p in model.parameters())
    assert any(p is model.word_embeddings().weight for p in groups[0])
    assert [id(p) for p in groups[-1]] == [id(p) for p in model.head_parameters()]
    assert len(groups) >= (3 if family == "albert" else 4)  # ALBERT's layers share their weights


@pytest.mark.parametrize("pooling", ["native", "mean"])
def test_a_new_head_depends_on_the_seed_alone(pooling: str, checkpoint: Checkpoint) -> None:
    folder = checkpoint("bert", pooler=False)
    torch.manual_seed(1)
    one = made(folder, pooling=pooling)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two, three = made(folder, pooling=pooling), made(folder, pooling=pooling, seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)  # nor does building move torch's own generator
    same = [torch.equal(a, b) for a, b in zip(one.head_parameters(), two.head_parameters(), strict=True)]
    other = [torch.equal(a, b) for a, b in zip(one.head_parameters(), three.head_parameters(), strict=True)]
    assert all(same) and not all(other)
    weight = one.head_parameters()[-2]
    assert abs(float(weight.detach().std()) - 0.02) < 0.006 and not one.head_parameters()[-1].any()


@pytest.mark.parametrize("family", ["bert", "distilbert", "gpt2", "modernbert", "llama"])
def test_dropout_reaches_every_part(family: str, checkpoint: Checkpoint) -> None:
    model = made(checkpoint(family), dropout=0.0).train()
    tokenizer = models.tokenizer(checkpoint(family))
    inputs = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt", return_token_type_ids=False)
    assert torch.equal(model(**inputs), model(**inputs))
    assert all(m.p == 0.0 for m in model.modules() if isinstance(m, torch.nn.Dropout))


def test_weights_are_fp32_whatever_the_checkpoint_says(checkpoint: Checkpoint, tmp_path: Path) -> None:
    import transformers

    transformers.AutoModel.from_pretrained(checkpoint("llama"), dtype=torch.bfloat16).save_pretrained(tmp_path)
    models.tokenizer(checkpoint("llama")).save_pretrained(tmp_path)
    assert {p.dtype for p in made(tmp_path).parameters()} == {torch.float32}


def test_a_checkpoint_with_missing_layers_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    _copy(checkpoint("bert"), tmp_path / "x")
    config = json.loads((tmp_path / "x/config.json").read_text())
    (tmp_path / "x/config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    for pooling in ("native", "mean"):
        with pytest.raises(ModelError, match=r"model\.weights_missing"):
            made(tmp_path / "x", pooling=pooling)


def test_architectures_that_look_at_padding_are_refused(checkpoint: Checkpoint, tiny_tokenizer: Any,
                                                        tmp_path: Path) -> None:
    from transformers import XLNetConfig, XLNetModel

    XLNetModel(XLNetConfig(vocab_size=len(tiny_tokenizer), d_model=32, n_layer=1, n_head=2, d_inner=32,
                           initializer_range=0.5)).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"model\.padding_leaks"):
        made(tmp_path)


def test_encoder_decoders_are_not_for_classification(tiny_tokenizer: Any, tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    T5Model(T5Config(vocab_size=len(tiny_tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
                     decoder_start_token_id=0)).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    assert models.find(str(tmp_path)).kind == "encoder-decoder"
    with pytest.raises(ModelError, match=r"model\.no_classifier"):
        made(tmp_path)


def test_a_head_that_is_not_exact_is_never_saved(checkpoint: Checkpoint, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mean, "_C", 1.0)  # the residual survives
    model = made(checkpoint("bert"), pooling="mean")
    model.set_head(np.ones((3, 32)) * np.arange(32), np.zeros(3))
    with pytest.raises(ModelError, match=r"model\.head_not_exact"):
        model.save(tmp_path, models.tokenizer(checkpoint("bert")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("family", DECODERS)
def test_decoders_read_the_last_real_token(family: str, checkpoint: Checkpoint) -> None:
    folder = checkpoint(family)
    model, tokenizer = made(folder), models.tokenizer(folder)
    assert tokenizer.padding_side == "right" and model.body.config.pad_token_id == tokenizer.pad_token_id
    together = logits(model, tokenizer)
    alone = [model(**tokenizer(x, truncation=True, max_length=60, return_tensors="pt", return_token_type_ids=False))
             for x in TEXTS]
    torch.testing.assert_close(together, torch.cat(alone).detach(), rtol=0, atol=1e-5)


def test_native_heads_cannot_be_set(checkpoint: Checkpoint) -> None:
    with pytest.raises(ModelError, match=r"model\.no_linear_head"):
        made(checkpoint("roberta")).set_head(np.zeros((3, 32)), np.zeros(3))


@pytest.mark.parametrize("family", ENCODERS)
def test_nothing_of_transformers_reaches_the_screen(family: str, checkpoint: Checkpoint,
                                                    capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    folder = checkpoint(family)
    capfd.readouterr()
    made(folder)
    assert capfd.readouterr() == ("", "") and before == (logging.get_verbosity(), logging.is_progress_bar_enabled())


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
