"""New tokens and prompts: the tokenizer writes and finds them, their rows begin right and alone learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers import models as kinds
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedTokenizerFast,
)

from weitiao import models
from weitiao.core.errors import ModelError
from weitiao.models import grown
from weitiao.models.build import build
from weitiao.models.language import LanguageModel
from weitiao.models.spec import HeadSpec

NEW = ["metformin", "<ent>", "二甲双胍"]
LABELS = HeadSpec(3, "single_label_classification", ("a", "b", "c"))
_SMALL = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
          "num_attention_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1,
          "eos_token_id": 2}
# Families that scale inside the table, tie the output layer or do not, look the table up in several places, or give
# the output layer a bias.
FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "gpt2": (AutoModelForCausalLM, {"vocab_size": 90, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64,
                                    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}),
    "llama": (AutoModelForCausalLM, {**_SMALL, "tie_word_embeddings": False}),
    "gemma3_text": (AutoModelForCausalLM, {**_SMALL, "head_dim": 16, "num_key_value_heads": 2}),
    "bert": (AutoModelForMaskedLM, _SMALL), "roberta": (AutoModelForMaskedLM, _SMALL),
    "modernbert": (AutoModelForMaskedLM, {**_SMALL, "cls_token_id": 1, "sep_token_id": 2}),
    "t5": (AutoModelForSeq2SeqLM, {"vocab_size": 90, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2,
                                   "num_heads": 2, "decoder_start_token_id": 0, "tie_word_embeddings": True}),
    "m2m_100": (AutoModelForSeq2SeqLM, {"vocab_size": 90, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2,
                                        "encoder_attention_heads": 2, "decoder_attention_heads": 2,
                                        "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "pad_token_id": 1,
                                        "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
                                        "scale_embedding": True, "max_position_embeddings": 64}),
}


def fresh(folder: Path) -> Any:
    return models.tokenizer(folder)


# -- tokenizers ------------------------------------------------------------------------------------------------------

def test_new_tokens_are_found_in_texts_and_nothing_else_changes(tiny_folder: Path, tmp_path: Path) -> None:
    old = fresh(tiny_folder)
    new, growth = grown.teach(fresh(tiny_folder), NEW, prompt=0, seed=1)
    assert len(new) == len(old) + 3 and list(growth.ids) == new.convert_tokens_to_ids(NEW)
    for text, found in (("the metformin, great", [growth.first]), ("我吃二甲双胍了", [growth.first + 2]),
                        ("a<ent>b<ent>", [growth.first + 1] * 2), ("premetformins", [])):
        assert [x for x in new(text)["input_ids"] if x in growth.ids] == found, text
        assert [x for x in new(text)["input_ids"] if x not in growth.ids and found] != [] or not found
    assert new("the food is not bad")["input_ids"] == old("the food is not bad")["input_ids"]
    new.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((tiny_folder / "config.json").read_text())
    again = fresh(tmp_path)
    for text in ("the metformin, great", "我吃二甲双胍了", "a<ent>b<ent>", "premetformins"):
        assert again(text)["input_ids"] == new(text)["input_ids"]


def test_a_token_that_is_one_already_is_refused(tiny_folder: Path) -> None:
    for token in ("movie", "Movie", "[CLS]"):
        with pytest.raises(ModelError, match=r"model\.token_exists") as caught:
            grown.teach(fresh(tiny_folder), ["metformin", token], prompt=0, seed=1)
        assert repr(token) in caught.value.what and caught.value.where == "model.new_tokens"


def test_a_token_that_no_text_can_hold_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.token_not_found"):
        grown.teach(fresh(tiny_folder), ["\u200d"], prompt=0, seed=1)  # BERT's normaliser takes control characters away


def test_the_prompt_stands_before_every_text_and_pair(tiny_folder: Path, tmp_path: Path) -> None:
    old = fresh(tiny_folder)
    new, growth = grown.teach(fresh(tiny_folder), (), prompt=3, seed=1)
    assert new.decode(list(growth.ids)) == "<|prompt-0|> <|prompt-1|> <|prompt-2|>"
    new.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((tiny_folder / "config.json").read_text())
    for made in (new, fresh(tmp_path)):
        for text in (("the food",), ("the food", "is bad")):
            got, want = made(*text), old(*text)
            assert got["input_ids"] == [*growth.ids, *want["input_ids"]]
            assert got["token_type_ids"] == [0, 0, 0, *want["token_type_ids"]]
        cut = made("the food is not bad", truncation=True, max_length=6)["input_ids"]
        assert cut == [*growth.ids, *old("the food is not bad", truncation=True, max_length=3)["input_ids"]]
        assert [made.num_special_tokens_to_add(pair=x) for x in (False, True)] == [5, 6]  # how windows find their room
        assert made.decode(made("the food")["input_ids"], skip_special_tokens=True) == "the food"
        assert made("the food", add_special_tokens=False) == old("the food", add_special_tokens=False)
        assert (made.pad_token_id, made.padding_side, made.model_max_length) == (
            old.pad_token_id, "right", old.model_max_length)


POSTS = {
    "none": None,
    "bytes": processors.ByteLevel(trim_offsets=True),
    "bert": processors.BertProcessing(("</s>", 2), ("<s>", 1)),
    "roberta": processors.RobertaProcessing(("</s>", 2), ("<s>", 1), trim_offsets=True, add_prefix_space=False),
    "both": processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])]),
}


@pytest.mark.parametrize("post", POSTS)
def test_every_kind_of_template_takes_a_prompt(post: str) -> None:
    backend = Tokenizer(kinds.BPE({x: i for i, x in enumerate(["<pad>", "<s>", "</s>", "a", "b", "Ġ"])}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if POSTS[post] is not None:
        backend.post_processor = POSTS[post]

    def make() -> Any:
        return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(backend.to_str()), pad_token="<pad>")

    new, growth = grown.teach(make(), (), prompt=2, seed=1)
    for text in (("ab a",), ("a", "b b")):
        got, want = (x(*text, return_offsets_mapping=True, return_token_type_ids=True) for x in (new, make()))
        assert got["input_ids"] == [*growth.ids, *want["input_ids"]]
        assert got["offset_mapping"] == [(0, 0), (0, 0), *want["offset_mapping"]]
        assert got["token_type_ids"][2:] == want["token_type_ids"]


def test_a_second_prompt_is_refused(tiny_folder: Path) -> None:
    once, _ = grown.teach(fresh(tiny_folder), (), prompt=3, seed=1)
    with pytest.raises(ModelError, match=r"model\.token_exists"):
        grown.teach(once, (), prompt=3, seed=1)


def test_sentencepieces_own_tokenizers_are_refused() -> None:
    class Slow:
        is_fast = False

        def __len__(self) -> int:
            return 5

    with pytest.raises(ModelError, match=r"model\.fixed_vocabulary") as caught:
        grown.teach(Slow(), ["metformin"], prompt=0, seed=1)
    assert caught.value.fix


def test_a_template_that_writes_bos_itself_gets_the_prompt_alone(tiny_folders: dict[str, Path]) -> None:
    """Prompt, BOS, text: whether the tokenizer or the model's own chat template writes BOS."""
    from weitiao.core.errors import DataError
    from weitiao.tasks import _speaker
    from weitiao.tasks._render import Chat, Message

    plain = fresh(tiny_folders["decoder"])  # begins with [CLS], which serves as BOS here
    plain.bos_token = plain.cls_token
    taught, growth = grown.teach(plain, (), prompt=3, seed=1)
    chat = [Chat((Message("user", "the food"), Message("assistant", "good")))]
    bos = taught.bos_token_id
    for template, ok in (("{% for m in messages %}{{ m.content }} {% if m.role == 'assistant' %}[SEP]{% endif %}{% endfor %}", True),
                         ("[CLS]{% for m in messages %}{{ m.content }} {% if m.role == 'assistant' %}[SEP]{% endif %}{% endfor %}", True),
                         ("[CLS][CLS]{% for m in messages %}{{ m.content }} {% if m.role == 'assistant' %}[SEP]{% endif %}{% endfor %}", False)):
        taught.chat_template = template
        speaker = _speaker.meet("decoder", taught)
        if not ok:
            with pytest.raises(DataError, match=r"data\.doubled_bos"):
                speaker.encode(chat, 64)
            continue
        ids = speaker.encode(chat, 64)[0].windows[0]
        assert ids[:4] == (*growth.ids, bos) and ids[4] != bos and not set(ids[4:]) & set(growth.ids)


# -- models ----------------------------------------------------------------------------------------------------------

def test_rows_begin_at_the_mean_of_their_pieces(tiny_folder: Path) -> None:
    old = fresh(tiny_folder)
    model = build(models.find(str(tiny_folder)), LABELS, pooling="mean", dropout=0.0, seed=1)
    before = model.word_embeddings().weight.detach().clone()
    tokenizer, growth = grown.teach(fresh(tiny_folder), NEW, prompt=2, seed=1)
    grown.grow(model, growth)
    table = model.word_embeddings().weight.detach()
    assert len(table) == len(tokenizer) == model.body.config.vocab_size and torch.equal(table[: len(before)], before)
    for row, token in zip(growth.ids, NEW, strict=False):
        pieces = old(token, add_special_tokens=False)["input_ids"]
        torch.testing.assert_close(table[row], before[pieces].double().mean(0).float())
    for row in table[-2:]:  # the prompt begins at words
        [at] = (row == before).all(1).nonzero().flatten().tolist()
        assert old.convert_ids_to_tokens(at).isalpha()
    assert model.first_virtual == len(old) + 3 == json.loads(model.body.config.to_json_string())["weitiao_prompt"]


def test_rows_that_stand_empty_are_taken_first(tiny_folder: Path) -> None:
    """Some tables are longer than the vocabulary: nothing grows, and nothing else changes."""
    model = build(models.find(str(tiny_folder)), LABELS, pooling="mean", dropout=0.0, seed=1)
    size = len(model.word_embeddings().weight)
    before = model.word_embeddings().weight.detach().clone()
    grown.grow(model, grown.Growth(size - 9, ((7, 8), (9,)), 0))
    table = model.word_embeddings().weight.detach()
    assert len(table) == size and not model.base_rows
    assert [i for i in range(size) if not torch.equal(table[i], before[i])] == [size - 9, size - 8]


@pytest.mark.parametrize("family", FAMILIES)
def test_while_the_others_are_frozen_new_rows_alone_learn(family: str) -> None:
    """With a stand-in for the table and the output layer: the outputs and the gradients of the whole table."""
    model = LanguageModel(FAMILIES[family][0].from_config(
        AutoConfig.for_model(family, **FAMILIES[family][1])).eval())
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    grown.grow(model, grown.Growth(90, ((5, 6), (7,), (8, 9, 10)), 0))
    ids = torch.tensor([[5, 90, 7, 91, 92, 6], [8, 92, 92, 90, 30, 31]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "places": torch.tensor([0, 3, 7, 9])}
    if model.body.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids.flip(1)

    def loss() -> Any:
        return torch.nn.functional.cross_entropy(model(**inputs), torch.tensor([91, 4, 90, 92]))

    tensors = {"table": model.word_embeddings().weight, "output": model.body.get_output_embeddings().weight}
    whole = loss()
    whole.backward()
    wanted = {name: x.grad[90:].clone() for name, x in tensors.items()}
    old = {name: p.detach().clone() for name, p in model.named_parameters()}
    names, model = list(old), model.requires_grad_(False)
    with grown.moving(model) as rows:
        assert set(rows) == {id(x) for x in tensors.values()}
        again = loss()
        torch.testing.assert_close(again, whole, rtol=1e-6, atol=1e-6)
        again.backward()
        for name, x in tensors.items():
            torch.testing.assert_close(rows[id(x)].grad, wanted[name], rtol=1e-4, atol=1e-6)
        assert {id(p) for p in model.parameters() if p.requires_grad} == {id(p) for p in rows.values()}
        torch.optim.SGD(rows.values(), lr=0.1).step()
        moved = loss().detach()
        assert abs(float(moved - whole.detach())) > 1e-4
    assert [n for n, _ in model.named_parameters()] == names
    torch.testing.assert_close(loss().detach(), moved, rtol=1e-6, atol=1e-6)
    for name, p in model.named_parameters():
        kept = p[:90] if len(p) == 93 and p.ndim > 1 else p
        assert torch.equal(kept, old[name][: len(kept)]), name


def test_a_pair_of_encoders_does_not_grow(tiny_folder: Path) -> None:
    special = {"decoder_start_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    model = build(models.find(str(tiny_folder)), HeadSpec(0, kind="language", generation=special), pooling="auto",
                  dropout=None, seed=1)
    with pytest.raises(ModelError, match=r"model\.fixed_vocabulary"):
        grown.grow(model, grown.Growth(196, ((5, 6),), 0))


def test_a_prompt_is_never_said(tiny_folders: dict[str, Path]) -> None:
    """Neither by the loss nor by whoever generates from the saved folder."""
    model = build(models.find(str(tiny_folders["decoder"])), HeadSpec(0, kind="language"), pooling="auto", dropout=0.0,
                  seed=1)
    words = model.body.config.vocab_size
    _, growth = grown.teach(fresh(tiny_folders["decoder"]), (), prompt=4, seed=1)
    grown.grow(model, growth)
    ids = torch.tensor([[*growth.ids, 5, 6, 7]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    assert model(**given, places=torch.tensor([6])).shape == (1, words)
    with torch.no_grad():
        model.word_embeddings().weight[growth.ids.start] *= 100  # tied: it would drown all other words
    said = model.generate(given, max_new_tokens=8, eos_token_id=None)[0]
    assert len(said) == 8 and max(said) < words


def test_what_no_text_changes_stays(tiny_folder: Path) -> None:
    model = build(models.find(str(tiny_folder)), LABELS, pooling="mean", dropout=0.0, seed=1)
    same, growth = grown.teach(fresh(tiny_folder), (), prompt=0, seed=1)
    grown.grow(model, growth)
    with grown.moving(model) as rows:
        assert rows == {} and len(same) == len(fresh(tiny_folder))
