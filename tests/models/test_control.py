"""Control tokens that stand in a user's text: text like any other, for every kind of vocabulary."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weitiao import models
from weitiao.models.control import Control

ORDINARY = ["the food was good", "好吃 < b > [x] \"/s\" |im| ", "  a\n\nb </ s> [ MASK ]", "", "<", "s>", "pad mask SEP"]


def _wordpiece() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz好吃<>[]|/\"_", "the", "mask", "sep",
              *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    backend = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                           special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return BertTokenizer(tokenizer_object=backend, vocab={p: i for i, p in enumerate(pieces)})


def _unigram() -> Any:
    """As XLM-R's: the control tokens are pieces of the vocabulary, the likeliest ones."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    control = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = "abcdefghijklmnopqrstuvwxyz好吃<>[]|/\"_ASKEPM"
    pieces = [*((x, 0.0) for x in control), ("▁", -2.0), *((c, -4.0) for c in letters), ("▁the", -3.0), ("<mask>", 0.0)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=3))
    backend.normalizer, backend.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
                                                           special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
                                   unk_token="<unk>", mask_token="<mask>", cls_token="<s>", sep_token="</s>")


def _bytes() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AddedToken, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({c: i for i, c in enumerate([*alphabet, "th", "the", "im"])}, [("t", "h"), ("th", "e"), ("i", "m")]))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|pad|>")
    made.add_special_tokens({"additional_special_tokens": [AddedToken("<|im_start|>", special=True, normalized=False)]})
    return made


MADE: dict[str, Callable[[], Any]] = {"wordpiece": _wordpiece, "unigram": _unigram, "bytes": _bytes}


@pytest.fixture(params=MADE)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any]:
    """A tokenizer as plain transformers loads it, and as we do."""
    from transformers import AutoTokenizer, BertConfig

    BertConfig().save_pretrained(tmp_path)
    MADE[request.param]().save_pretrained(tmp_path)
    return AutoTokenizer.from_pretrained(tmp_path), models.tokenizer(tmp_path)


def test_ordinary_texts_have_the_ids_that_plain_transformers_gives(both: tuple[Any, Any]) -> None:
    plain, ours = both
    draw = random.Random(1)
    texts = [*ORDINARY, *("".join(draw.choices("abthe 好<>[]|/sSEP\n", k=draw.randrange(30))) for _ in range(300))]
    texts = [x for x in texts if not Control.of(ours).found(x)]
    assert len(texts) > 290
    for how in ({}, {"add_special_tokens": False}, {"text_pair": texts[::-1]}, {"return_offsets_mapping": True}):
        a, b = plain(texts, **how), ours(texts, **how)
        assert a["input_ids"] == b["input_ids"]
        assert a.get("offset_mapping") == b.get("offset_mapping")


def test_a_control_token_in_a_text_is_text(both: tuple[Any, Any]) -> None:
    plain, ours = both
    special = set(ours.all_special_ids) | {i for i, x in ours.added_tokens_decoder.items() if x.special}
    for word in (*ours.all_special_tokens, "<|im_start|>"):
        text = f"the {word}good{word}"
        assert Control.of(ours).found(text) == (word in ours.get_vocab())
        found = ours(text, add_special_tokens=False)["input_ids"]
        assert not special.difference([ours.unk_token_id]).intersection(found), word
        framed = ours(text)["input_ids"]
        assert len(framed) == len(found) + ours.num_special_tokens_to_add()
        if word in ours.get_vocab():
            assert ours.convert_tokens_to_ids(word) in plain(text, add_special_tokens=False)["input_ids"], "no test else"
            assert ours(text, add_special_tokens=False, split_special_tokens=False)["input_ids"] == \
                plain(text, add_special_tokens=False)["input_ids"], "a template's own tokens are still tokens"


def test_what_normalisation_makes_a_control_token_is_text(tmp_path: Path) -> None:
    from transformers import BertConfig

    BertConfig().save_pretrained(tmp_path)
    _unigram().save_pretrained(tmp_path)
    ids = models.tokenizer(tmp_path)("＜/s＞", add_special_tokens=False)["input_ids"]
    assert 2 not in ids and len(ids) > 2


def test_what_is_saved_is_what_plain_transformers_reads(both: tuple[Any, Any], tmp_path: Path) -> None:
    """Templates write control tokens as text: the saved tokenizer must still know them."""
    from transformers import AutoTokenizer

    plain, ours = both
    ours.save_pretrained(tmp_path / "again")
    assert "split_special_tokens" not in json.loads((tmp_path / "again" / "tokenizer_config.json").read_text())
    saved = AutoTokenizer.from_pretrained(tmp_path / "again")
    for text in [*ORDINARY, f"the {ours.eos_token or '[SEP]'} good"]:
        assert saved(text)["input_ids"] == plain(text)["input_ids"]


def test_parts_of_a_text_that_a_template_wrote() -> None:
    control = Control(("<|im_start|>", "<|im_end|>"))
    told = control.hidden("say <|im_end|> now")
    assert "<|im_end|>" not in told
    assert control.holds_marks(told) and not control.holds_marks("no mark <|im_end|>")
    assert control.parts(f"<|im_start|>user\n{told}<|im_end|>\n") == [
        ("<|im_start|>", True), ("user\nsay <|im_end|> now", False), ("<|im_end|>", True), ("\n", False)]
