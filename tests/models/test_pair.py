"""An encoder-decoder from one encoder: what is taken over, what is new, saved as plain transformers, a vocabulary cut exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    ElectraConfig,
    EncoderDecoderModel,
    RobertaConfig,
    XLMRobertaConfig,
)

from weitiao import models
from weitiao.core.errors import ModelError
from weitiao.models.build import build, load
from weitiao.models.language import LanguageModel
from weitiao.models.spec import HeadSpec
from weitiao.models.vocabulary import shortened

HEAD = HeadSpec(0, kind="language", generation={"decoder_start_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
                                                "max_new_tokens": 5})
_SMALL: dict[str, Any] = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                          "num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0,
                          "bos_token_id": 1, "eos_token_id": 2}
FAMILIES = {"bert": BertConfig(**_SMALL), "roberta": RobertaConfig(**_SMALL), "xlm-roberta": XLMRobertaConfig(**_SMALL),
            "electra": ElectraConfig(**_SMALL, embedding_size=16)}
IDS = torch.arange(4, 24).reshape(2, 10)
INPUTS = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS), "decoder_input_ids": IDS.flip(1)}


def pair(config: Any, folder: Path, seed: int = 1) -> tuple[models.Base, LanguageModel]:
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    base = models.find(str(folder))
    model = build(base, HEAD, pooling="auto", dropout=0.0, seed=seed)
    assert isinstance(model, LanguageModel)
    return base, model


@pytest.mark.parametrize("family", list(FAMILIES))
@torch.no_grad()
def test_both_sides_are_the_encoder_and_transformers_loads_it(family: str, tmp_path: Path) -> None:
    base, model = pair(FAMILIES[family], tmp_path / "base")
    mine = AutoModel.from_pretrained(base.folder).eval().state_dict()
    taken = {name: value for name, value in mine.items() if "pooler" not in name}
    for side in (model.body.encoder, model.body.decoder.base_model):
        own = side.state_dict()
        assert all(own[name].equal(value) for name, value in taken.items())
    assert any("crossattention" in n for n, _ in model.body.decoder.named_parameters()) and model.notes
    whole = model.body(**INPUTS).logits
    places = torch.tensor([0, 7, 13])
    torch.testing.assert_close(model(places=places, **INPUTS), whole.flatten(0, 1)[places], rtol=1e-5, atol=1e-5)
    model.body.save_pretrained(tmp_path / "out")
    plain, info = EncoderDecoderModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert plain.eval()(**INPUTS).logits.equal(whole)
    asked = {k: INPUTS[k] for k in ("input_ids", "attention_mask")}
    said = plain.generate(**asked)[:, 1:].tolist()  # every setting comes from the saved files
    assert [row[: len(got)] for row, got in zip(said, load(tmp_path / "out", HEAD).generate(asked), strict=True)] == \
        load(tmp_path / "out", HEAD).generate(asked)
    again = models.find(str(tmp_path / "out"))
    assert again.kind == "encoder-decoder" and again.max_positions == base.max_positions
    assert {id(p) for group in model.layers() for p in group} == {id(p) for p in model.parameters()}


def test_new_weights_follow_the_seed_alone(tmp_path: Path) -> None:
    (_, one), (_, two), (_, three) = (pair(FAMILIES["bert"], tmp_path / str(i), seed=s) for i, s in enumerate((1, 1, 2)))
    names = [n for n, _ in one.named_parameters() if "crossattention" in n and n.endswith("weight") and "LayerNorm" not in n]
    a, b, c = (dict(m.named_parameters()) for m in (one, two, three))
    assert names and all(a[n].equal(b[n]) and not a[n].equal(c[n]) for n in names)


def test_an_architecture_without_a_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as e:
        pair(AlbertConfig(**_SMALL, embedding_size=16), tmp_path)
    assert e.value.code == "model.says_nothing" and "BERT" in e.value.expected


@torch.no_grad()
def test_a_shortened_vocabulary_gives_the_same_tokens_and_vectors(tiny_folder: Path) -> None:
    base, texts = models.find(str(tiny_folder)), ["the movie was good", "很好吃"]
    whole = models.tokenizer(base.folder)
    with shortened(base, texts) as short:
        tokenizer = models.tokenizer(short.folder)
        assert len(tokenizer) < len(whole) and short.name == base.name
        assert base.parameters - short.parameters == 32 * (len(whole) - len(tokenizer))
        for text in texts:
            assert tokenizer.tokenize(text) == whole.tokenize(text)
            a = AutoModel.from_pretrained(base.folder).eval()(**whole(text, return_tensors="pt")).last_hidden_state
            b = AutoModel.from_pretrained(short.folder).eval()(**tokenizer(text, return_tensors="pt")).last_hidden_state
            assert a.equal(b)
        # A word that no text holds is spelled; a script that no text holds is kept out.
        assert tokenizer.unk_token not in tokenizer.tokenize("music") and "music" not in tokenizer.get_vocab()
        assert tokenizer.decode(tokenizer("a slow film 了")["input_ids"], skip_special_tokens=True) == "a slow film 了"
        folder = short.folder
    assert not folder.exists()


def test_a_unigram_vocabulary_is_cut_as_well(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import XLMRobertaTokenizer

    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁good", -2.0), ("▁go", -1.0), ("od", -2.5), ("▁bad", -2.0),
              *((c, -6.0) for c in "▁abdgoxя好"), ("<mask>", 0.0)]
    backend = Tokenizer(Unigram(pieces, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
                                                           special_tokens=[("<s>", 0), ("</s>", 2)])
    XLMRobertaTokenizer(tokenizer_object=backend, model_max_length=60).save_pretrained(tmp_path)
    AutoModel.from_config(XLMRobertaConfig(**{**_SMALL, "vocab_size": len(pieces)})).save_pretrained(tmp_path)
    base = models.find(str(tmp_path))
    with shortened(base, ["good", "a"]) as short:
        tokenizer = models.tokenizer(short.folder)
        words = tokenizer.get_vocab()
        assert "▁bad" not in words and "я" not in words and "好" not in words and {"▁good", "x", "<mask>"} <= set(words)
        assert tokenizer.tokenize("good bad") == ["▁good", "▁", "b", "a", "d"]
        assert tokenizer("good")["input_ids"][0] == tokenizer.bos_token_id
        assert tokenizer.convert_ids_to_tokens(tokenizer("good")["input_ids"]) == ["<s>", "▁good", "</s>"]


def test_other_vocabularies_stay_whole(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(BPE({"<unk>": 0, "a": 1, "b": 2, "ab": 3}, [("a", "b")], unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<unk>").save_pretrained(tmp_path)
    AutoModel.from_config(BertConfig(**_SMALL)).save_pretrained(tmp_path)
    base = models.find(str(tmp_path))
    with shortened(base, ["ab"]) as same:
        assert same is base
