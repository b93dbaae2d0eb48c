"""Names become folders, and folders become facts; what could run code is refused."""

from __future__ import annotations

import json
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from weitiao import models, starters
from weitiao.core.errors import MissingExtra, ModelError

from .conftest import ENCODERS, FAMILIES

Checkpoint = Callable[..., Path]


@pytest.fixture
def copy(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A BERT that a test may damage."""
    return Path(shutil.copytree(checkpoint("bert"), tmp_path / "bert"))


@pytest.mark.parametrize("family", FAMILIES)
def test_facts_agree_with_the_loaded_model(family: str, checkpoint: Checkpoint) -> None:
    from transformers import AutoModel

    base = models.find(str(checkpoint(family)))
    model = AutoModel.from_pretrained(base.folder)
    assert base.family == family and base.kind == ("encoder" if family in ENCODERS else "decoder")
    assert base.parameters == sum(p.numel() for p in model.parameters())
    assert base.embedding_parameters == model.get_input_embeddings().weight.numel()
    assert base.max_positions == (65 if "roberta" in family or family == "camembert" else 66)
    assert base.has_pooler == (family in ("bert", "roberta", "xlm-roberta", "camembert", "albert"))
    assert not base.mean_pooled and base.source == str(base.folder)


def test_the_longest_input_can_be_run(checkpoint: Checkpoint) -> None:
    import torch
    from transformers import AutoModel

    for family in FAMILIES:
        base = models.find(str(checkpoint(family)))
        ids = torch.full((1, base.max_positions), 9)
        AutoModel.from_pretrained(base.folder)(input_ids=ids, attention_mask=torch.ones_like(ids))


def test_output_layers_over_the_vocabulary_are_not_counted(checkpoint: Checkpoint) -> None:
    bare, full = (models.find(str(checkpoint("gpt2", head))) for head in ("AutoModel", "AutoModelForCausalLM"))
    assert bare.parameters == full.parameters
    folder = checkpoint("llama", "AutoModelForCausalLM", tie_word_embeddings=False)
    assert models.find(str(folder)).parameters == models.find(str(checkpoint("llama"))).parameters


@pytest.mark.parametrize(("name", "near"), [("e5-smal", "e5-small"), ("minilm-l6", "minilm"), ("minlm", "minilm")])
def test_misspelt_starters_get_the_nearest_name_at_once(name: str, near: str) -> None:
    with pytest.raises(ModelError, match=r"model\.unknown") as e:
        models.find(name)
    assert near in e.value.fix and all(s in e.value.expected for s in starters.names())


@pytest.mark.parametrize("name", ["", "../nothing", "/no/such/folder", "a b", "owner/model/more"])
def test_what_cannot_be_a_name_is_unknown(name: str) -> None:
    with pytest.raises(ModelError, match=r"model\.unknown"):
        models.find(name)


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"model\.hub_unreachable") as e:  # conftest sets HF_HUB_OFFLINE
        models.find("no-such-owner/no-such-model")
    assert "HF_ENDPOINT" in e.value.fix and "e5-small" in e.value.fix


def test_a_hub_s_snapshot_is_described(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}

    def snapshot(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(copy)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    base = models.find("owner/model", revision="abc")
    assert base.family == "bert" and "owner/model" in base.source
    assert asked["revision"] == "abc" and not any("bin" in p or "py" in p for p in asked["allow_patterns"])


@pytest.mark.parametrize(("error", "code"), [
    ("RepositoryNotFoundError", "unknown"), ("RevisionNotFoundError", "unknown_revision"), ("GatedRepoError", "gated"),
    ("LocalEntryNotFoundError", "hub_unreachable"),
])
def test_each_answer_of_the_hub_has_a_code(error: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import errors

    kind = getattr(errors, error)

    def snapshot(*_: Any, **__: Any) -> str:
        raise kind.__new__(kind)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(ModelError, match=rf"model\.{code}\b"):
        models.find("owner/model")


def test_modelscope_needs_its_library(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope", None)
    with pytest.raises(MissingExtra, match="modelscope"):
        models.find("owner/model", hub="modelscope")
    fake = types.ModuleType("modelscope")
    fake.snapshot_download = lambda name, **_: str(copy)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "modelscope", fake)
    assert models.find("owner/model", hub="modelscope").family == "bert"


def test_pickles_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"model\.pickle_only.*pytorch_model\.bin") as e:
        models.find(str(copy))
    assert "save_pretrained" in e.value.fix


def test_code_in_a_checkpoint_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    marker = copy / "ran"
    (copy / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    (copy / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(ModelError, match=r"model\.needs_code"):
        models.find(str(copy))
    with pytest.raises(ModelError, match=r"model\.needs_code"):
        models.tokenizer(copy)
    assert not marker.exists()


@pytest.mark.parametrize(("content", "code"), [
    ("", "no_config"), ("[1]", "no_config"), ("{}", "no_config"), ('{"model_type": "brt"}', "unsupported"),
])
def test_configs_that_say_nothing(copy: Path, content: str, code: str) -> None:
    (copy / "config.json").write_text(content)
    with pytest.raises(ModelError, match=rf"model\.{code}"):
        models.find(str(copy))


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "huge header"])
def test_damaged_weights_are_noticed_before_loading(copy: Path, damage: str) -> None:
    path = copy / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes({"truncated": data[:-7], "empty": b"", "text": b"<html>not found</html>" * 9,
                      "huge header": (1 << 60).to_bytes(8, "little") + data[8:]}[damage])
    with pytest.raises(ModelError, match=r"model\.damaged"):
        models.find(str(copy))


def test_integers_are_no_parameters(copy: Path) -> None:
    before = models.find(str(copy)).parameters
    weights = load_file(copy / "model.safetensors")
    save_file({**weights, "embeddings.position_ids": np.arange(66)}, copy / "model.safetensors", {"format": "pt"})
    assert models.find(str(copy)).parameters == before


def test_revisions_are_for_hubs(copy: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.revision_not_hub"):
        models.find(str(copy), revision="main")
    with pytest.raises(ModelError, match=r"model\.revision_not_hub"):
        models.find("e5-small", revision="main")


@pytest.mark.parametrize("mark", [{"pooling_mode_mean_tokens": True}, {"pooling_mode": "mean"}])
def test_mean_pooling_is_read_from_sentence_transformers_mark(copy: Path, mark: dict[str, Any]) -> None:
    path = copy / "1_Pooling/config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(mark))
    assert models.find(str(copy)).mean_pooled
    path.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    assert not models.find(str(copy)).mean_pooled


def test_a_tokenizer_s_limits_are_sane(copy: Path) -> None:
    for said in (int(1e30), 10_000):
        config = json.loads((copy / "tokenizer_config.json").read_text())
        (copy / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": said}))
        assert models.tokenizer(copy).model_max_length == 66


@pytest.mark.parametrize(("extra", "pad"), [
    (["<|endoftext|>"], "<|endoftext|>"), (["</s>", "<unk>"], "<unk>"), (["</s>", "<pad>", "<unk>"], "<pad>"),
])
def test_decoders_get_a_pad_token(tmp_path: Path, checkpoint: Checkpoint, extra: list[str], pad: str) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    shutil.copy(checkpoint("gpt2") / "config.json", tmp_path)
    words = {w: i for i, w in enumerate([*extra, "a", "b"])}
    unknown = "<unk>" if "<unk>" in words else None
    backend = Tokenizer(WordLevel(words, unk_token=unknown or "a"))
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=extra[0], unk_token=unknown).save_pretrained(tmp_path)
    made = models.tokenizer(tmp_path)
    assert made.pad_token == pad and made.padding_side == "right" and made.pad_token_id == words[pad]


def test_a_folder_without_a_tokenizer(copy: Path) -> None:
    for path in [*copy.glob("tokenizer*"), *copy.glob("vocab*"), *copy.glob("special*")]:
        path.unlink()
    with pytest.raises(ModelError, match=r"model\.no_tokenizer"):
        models.tokenizer(copy)


def test_the_catalogue_is_plain_facts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEITIAO_CACHE", str(tmp_path))
    rows = models.catalogue()
    assert [r["name"] for r in rows] == list(starters.names()) and json.dumps(rows)
    assert not any(r["here"] for r in rows) and not list(tmp_path.iterdir())
    assert {r["name"]: r["automatic"] for r in rows}["gemma3-270m"] is False


@pytest.mark.parametrize(("language", "name"), [("zh", "e5-small"), ("en", "minilm"), ("other", "e5-small")])
def test_suggestions_are_free_to_use(language: str, name: str) -> None:
    got, reason = models.suggest(language, 1000)
    assert got == name and reason and starters.load(got).CARD.automatic


def test_no_base_with_terms_is_chosen_to_write() -> None:
    got, reason = models.suggest("en", 1000, "language")
    assert got == "smollm2-135m" and reason and starters.load(got).CARD.automatic
    for language in ("zh", "other"):
        with pytest.raises(ModelError, match=r"(?s)model\.must_be_named.*gemma3-270m.*terms"):
            models.suggest(language, 1000, "language")


def test_importing_models_costs_no_torch() -> None:
    import subprocess

    code = "import sys, weitiao.models; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


