"""Masks over whole words: pieces find their words, words are hidden as wholes, and what is hidden stays reproducible."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weitiao import models, tasks
from weitiao.core import seeds
from weitiao.core.errors import MissingExtra, RecipeError
from weitiao.example import Row
from weitiao.tasks import _wholewords
from weitiao.tasks.pretrain import _whole_words

TEXT = "我们在北京大学学习 machine learning，好吗？"


def test_pieces_find_their_words() -> None:
    """The words as the segmenter prints them, beside a tokenizer of single characters."""
    places = [(i, i + 1) for i, c in enumerate(TEXT) if c != " "]
    found = _wholewords.numbers(TEXT, places)
    words: dict[int, str] = {}
    for number, (a, b) in zip(found, places, strict=True):
        words[number] = words.get(number, "") + TEXT[a:b]
    assert list(words.values()) == ["我们", "在", "北京大学", "学习", "machine", "learning", "，", "好", "吗", "？"]
    assert _wholewords.numbers("don't go", [(0, 2), (2, 3), (3, 4), (4, 5), (6, 8)]) == [0, 0, 1, 2, 3]
    assert _wholewords.numbers("", []) == []


def test_a_piece_over_two_words_makes_one_of_them() -> None:
    # 我们 | 在 | 北京大学, and pieces 我, 们在, 北京, 大学
    assert _wholewords.numbers("我们在北京大学", [(0, 1), (1, 3), (3, 5), (5, 7)]) == [0, 0, 1, 1]
    # a space's mark before a word, and one that stands alone
    assert _wholewords.numbers("a bc", [(0, 1), (1, 3), (3, 4)]) == [0, 1, 1]
    assert _wholewords.numbers("a  b", [(0, 1), (1, 2), (2, 4)]) == [0, 1, 2]


def test_scripts_without_spaces_and_a_missing_segmenter_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r"whole_word"):
        _wholewords.check(["これはペンです", "good"])
    _wholewords.check(["a long English text with ア in it and more words behind it"])
    monkeypatch.setitem(sys.modules, "rjieba", None)
    _wholewords.check(["only English"])
    with pytest.raises(MissingExtra, match="rjieba"):
        _wholewords.check(["English", "中文"])


def test_words_that_do_not_fit_are_passed_over() -> None:
    known = np.arange(10, 20)
    words = np.array([0, 0, 0, 1, 2, 2, 3, 3, 3, 3])
    for n in range(40):
        got = _whole_words(known, words, 3, seeds.rng(n, "x"))
        hidden = {int(words[i - 10]) for i in got}
        assert 2 <= len(got) <= 3 and all((words == w).sum() == sum(words[i - 10] == w for i in got) for w in hidden)
    assert {len(_whole_words(known[:3], words[:3], 1, seeds.rng(n, "x"))) for n in range(9)} == {3}, "one word at least"
    assert len(_whole_words(known[:0], words[:0], 1, seeds.rng(1, "x"))) == 0


class Made:
    def __init__(self, folder: Path, **options: Any) -> None:
        self.tokenizer = models.tokenizer(folder)
        self.task: Any = tasks.make("pretrain", {"whole_word": True, **options}, {"text": "text"})
        self.task.bind("encoder", self.tokenizer)

    def rows(self, *texts: str, length: int = 32) -> list[tasks.Encoded]:
        examples = [self.task.read(Row({"text": x}, "a.jsonl", i + 1)) for i, x in enumerate(texts)]
        return [b for row in self.task.encode(examples, self.tokenizer, length) for b in row.apart()]


LONG = "我们喜欢这家店的音乐，下次还来旅游吃好吃的。the serviceable roomy place xyz " * 4


def test_words_are_hidden_as_wholes_and_scored_by_tokens(tiny_folder: Path) -> None:
    made = Made(tiny_folder, mask_rate=0.2)
    rows = made.rows(LONG, "好")
    batch = made.task.collate(rows, 0, "right")
    width = batch["input_ids"].shape[1]
    assert batch.redrawn is not None
    for number in range(30):
        hidden: dict[int, set[int]] = {}
        for place in batch.redrawn(number)["places"].tolist():
            hidden.setdefault(place // width, set()).add(place % width)
        assert hidden.keys() == set(range(len(rows))), "something of each block"
        for w, places in hidden.items():
            words = rows[w].notes[0]
            for place in places:
                same = {i for i, x in enumerate(words) if x == words[place] and rows[w].windows[0][i] != 1}
                assert same <= places
    plain = Made(tiny_folder, mask_rate=0.2, whole_word=False)
    other = plain.task.collate(plain.rows(LONG, "好"), 0, "right")
    assert batch["places"].equal(other["places"]) and batch["input_ids"].equal(other["input_ids"])


def test_what_is_hidden_depends_on_the_block_and_the_number_alone(tiny_folder: Path) -> None:
    made = Made(tiny_folder)
    rows = made.rows(LONG, "好吃 the food")
    whole, alone = made.task.collate(rows, 0, "right"), made.task.collate(rows[1:2], 0, "right")
    assert whole.redrawn is not None and alone.redrawn is not None
    a, b = whole.redrawn(7), alone.redrawn(7)
    mine = a["place_owner"] == 1
    assert a["targets"][mine].tolist() == b["targets"].tolist()
    width = whole["input_ids"].shape[1]
    assert (a["places"][mine] - width).tolist() == b["places"].tolist()
    assert a["targets"].tolist() == whole.redrawn(7)["targets"].tolist() != whole.redrawn(8)["targets"].tolist()


def test_a_decoder_has_no_masks(tiny_folders: dict[str, Path]) -> None:
    task: Any = tasks.make("pretrain", {"whole_word": True}, {"text": "text"})
    with pytest.raises(RecipeError, match="whole_word"):
        task.bind("decoder", models.tokenizer(tiny_folders["decoder"]))
