"""Words and pieces: no piece reaches over two words, none is lost, and long texts are cut where words still count."""

from __future__ import annotations

from typing import Any

import pytest

from weitiao.tasks._units import align, by_units, units

TEXT = "李开复 bought 2 iPhone4s, a\u200bb \ufffd don't 25.5元 ４５㎏ e\u0301t\u00e9 ไทย 한국"


def cut(text: str) -> list[str]:
    return [text[a:b] for a, b in units(text)]


def test_words_are_runs_of_letters_or_digits_single_signs_and_characters() -> None:
    assert cut("李开复 bought 2 iPhone4s, don't 25.5元!!") == [
        "李", "开", "复", "bought", "2", "iPhone", "4", "s", ",", "don", "'", "t", "25", ".", "5", "元", "!", "!"]
    assert cut("カラーで e\u0301t\u00e9 ไทย 한국") == ["カ", "ラ", "ー", "で", "e\u0301t\u00e9", "ไ", "ท", "ย", "한", "국"]
    assert cut("") == cut(" \t\u3000\u200b\x07") == []
    assert cut("a\u200bb x\u00ady \u200bz 𠮷野") == ["a\u200bb", "x\u00ady", "z", "𠮷", "野"]
    assert cut("👍🏽 _a_ B-LOC") == ["👍", "🏽", "_", "a", "_", "B", "-", "LOC"]


def unigram() -> Any:
    """A sentencepiece-like tokenizer with pieces that reach over characters and from letters to digits."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<pad>", "</s>", "<unk>", "▁", "开复", "李", "开", "复", "▁李", "▁bought", "▁iPhone4", "iPhone", "▁iPhone",
              "4", "s", "4s", "元", "5元", "25.5", "25", ".", "5", ",", "▁a", "a", "b", "▁2", "2", "'", "don", "▁don", "t"]
    backend = Tokenizer(models.Unigram([(p, -float(len(pieces) - len(p))) for p in pieces], unk_id=2))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>",
                                                           special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="</s>", pad_token="<pad>")


def bytes_bpe() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator([TEXT] * 9, trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|end|>"],
        show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>", pad_token="<|end|>")


@pytest.fixture(params=["wordpiece", "unigram", "bytes"])
def tokenizer(request: pytest.FixtureRequest, tiny_tokenizer: Any) -> Any:
    import copy

    made = {"wordpiece": lambda: copy.deepcopy(tiny_tokenizer), "unigram": unigram, "bytes": bytes_bpe}[request.param]()
    by_units(made)
    return made


def test_no_piece_reaches_over_two_words(tokenizer: Any) -> None:
    words = units(TEXT)
    for start, end in tokenizer(TEXT, return_offsets_mapping=True)["offset_mapping"]:
        touched = [TEXT[a:b] for a, b in words if a < end and start < b]
        assert len(touched) <= 1, touched


def test_a_second_time_changes_nothing(tokenizer: Any) -> None:
    before = tokenizer.backend_tokenizer.to_str()
    by_units(tokenizer)
    assert tokenizer.backend_tokenizer.to_str() == before


def test_a_word_speaks_by_its_first_or_last_piece(tokenizer: Any) -> None:
    words = units(TEXT)
    for last in (False, True):
        got = align([TEXT], tokenizer, 512, windows=False, last=last)[0]
        offsets = tokenizer(TEXT, return_offsets_mapping=True)["offset_mapping"]
        assert [w for w, _, _ in got.places] == sorted({w for w, _, _ in got.places})
        for word, _, column in got.places:
            (a, b), (start, end) = words[word], offsets[column]
            assert a < end and start < b
            others = [c for c, (s, e) in enumerate(offsets) if s < e and a < e and s < b]
            assert column == (others[-1] if last else column) and column in others
            if not last:  # a piece that stands for a space alone does not speak
                marks = [c for c in others if tokenizer.convert_ids_to_tokens(got.windows[0][c]) in ("▁", "Ġ")]
                assert column == ([c for c in others if c not in marks] or others)[0]
        silent = {TEXT[a:b] for i, (a, b) in enumerate(words) if i not in {w for w, _, _ in got.places}}
        assert silent <= {"\ufffd"}  # BERT's normaliser drops it


def test_a_sign_that_is_read_as_a_space_does_not_swallow_the_next_word() -> None:
    """sentencepiece's normaliser makes a space of U+FFFD, and the piece behind it covers both."""
    from tokenizers import normalizers

    tokenizer = unigram()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\ufffd", " ")
    by_units(tokenizer)
    text = "b\ufffda"
    got = align([text], tokenizer, 64, windows=False, last=False)[0]
    assert [text[slice(*got.units[w])] for w, _, _ in got.places] == ["b", "a"]


@pytest.mark.parametrize("room", [12, 20])
def test_windows_hold_every_word_once_where_it_stands_farthest_from_an_edge(tokenizer: Any, room: int) -> None:
    text = " ".join(["李开复 bought 2"] * 9)
    whole = align([text], tokenizer, 512, windows=True, last=False)[0]
    got = align([text], tokenizer, room, windows=True, last=False)[0]
    assert len(got.windows) > 2 and all(len(w) <= room for w in got.windows) and got.lost == 0
    assert [w for w, _, _ in got.places] == [w for w, _, _ in whole.places]
    for (_, window, column), (_, _, full) in zip(got.places, whole.places, strict=True):
        assert got.windows[window][column] == whole.windows[0][full]
    cut_off = align([text], tokenizer, room, windows=False, last=False)[0]
    assert len(cut_off.windows) == 1 and cut_off.lost == len(whole.windows[0]) - len(cut_off.windows[0])
    assert 0 < len(cut_off.places) < len(whole.places)
    assert len(cut_off.units) == len(whole.units)
