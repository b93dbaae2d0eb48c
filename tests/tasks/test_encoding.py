"""Texts as token ids: cut, counted, in windows, padded."""

from __future__ import annotations

from typing import Any

import pytest

from weitiao import tasks
from weitiao.core.errors import RecipeError, RowError
from weitiao.example import Example
from weitiao.tasks import Encoded, Task
from weitiao.tasks._shared import collate, encode_texts


def texts(*values: str) -> list[Example]:
    return [Example(str(i), {"text": v}, None, f"f:{i}") for i, v in enumerate(values)]


def pair(a: str, b: str) -> list[Example]:
    return [Example("0", {"text_a": a, "text_b": b}, None, "f:1")]


def words(n: int) -> str:
    return " ".join(["good"] * n)


def test_short_texts_are_what_the_tokenizer_says(tiny_tokenizer: Any) -> None:
    got = encode_texts(texts("the food", "好吃"), tiny_tokenizer, 64)
    want = tiny_tokenizer(["the food", "好吃"])["input_ids"]
    assert [list(x.windows[0]) for x in got] == want and all(x.lost == 0 for x in got)


def test_truncation_is_counted(tiny_tokenizer: Any) -> None:
    short, long = encode_texts(texts("good", words(30)), tiny_tokenizer, 12)
    assert len(long.windows) == 1 and len(long.windows[0]) == 12 and long.lost == 20 and short.lost == 0
    assert long.windows[0][0] == tiny_tokenizer.cls_token_id and long.windows[0][-1] == tiny_tokenizer.sep_token_id


def test_of_a_pair_the_longer_side_is_cut_first(tiny_tokenizer: Any) -> None:
    got = encode_texts(pair(words(20), "bad film"), tiny_tokenizer, 13)[0]
    film = tiny_tokenizer.convert_tokens_to_ids("film")
    assert film in got.windows[0] and len(got.windows[0]) == 13 and got.lost == 20 + 2 + 3 - 13
    assert sum(got.types[0]) == 3  # the second side and its separator


def test_windows_cover_every_token_and_overlap_by_a_quarter(tiny_tokenizer: Any) -> None:
    text = " ".join("abcdefghijklmnopqrstuvwxyz")
    got = encode_texts(texts(text), tiny_tokenizer, 10, windows=True)[0]
    whole = tiny_tokenizer(text)["input_ids"][1:-1]
    inner = [w[1:-1] for w in got.windows]
    assert all(len(w) <= 10 for w in got.windows) and got.lost == 0
    rebuilt = list(inner[0])
    for w in inner[1:]:
        assert list(w[:2]) == rebuilt[-2:]
        rebuilt += w[2:]
    assert rebuilt == whole
    assert len(got.types) == len(got.windows)


def test_windows_of_a_pair_repeat_the_shorter_side(tiny_tokenizer: Any) -> None:
    film = tiny_tokenizer.convert_tokens_to_ids("film")
    for a, b in ((words(40), "bad film"), ("bad film", words(40))):
        got = encode_texts(pair(a, b), tiny_tokenizer, 16, windows=True)[0]
        assert len(got.windows) > 2 and all(film in w and len(w) <= 16 for w in got.windows) and got.lost == 0
    both = encode_texts(pair(words(40), words(30)), tiny_tokenizer, 16, windows=True)[0]
    assert len(both.windows) == 1 and both.lost == 73 - 16  # neither side leaves room: truncated, and counted


def test_no_room_and_no_tokens_are_said(tiny_tokenizer: Any) -> None:
    with pytest.raises(RecipeError) as e:
        encode_texts(texts("good"), tiny_tokenizer, 3)
    assert "max_length" in e.value.what
    assert encode_texts([], tiny_tokenizer, 16) == []

    class Silent:
        """A decoder's tokenizer, which adds nothing to a text that it drops."""

        is_fast = False

        def num_special_tokens_to_add(self, pair: bool) -> int:
            return 0

        def __call__(self, texts: list[str], **_: Any) -> dict[str, Any]:
            return {"input_ids": [[] for _ in texts]}

    with pytest.raises(RowError) as bad:
        encode_texts(texts("\u200b"), Silent(), 16)
    assert bad.value.code == "row.no_tokens"


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding(side: str) -> None:
    rows = [Encoded(((2, 5, 3), (2, 6, 7, 3)), ((0, 0, 0), (0, 0, 1, 1)), 1), Encoded(((2, 3),), ((0, 1),), 0)]
    got = collate(rows, 9, side)
    right = side == "right"
    assert got["input_ids"].tolist() == ([[2, 5, 3, 9], [2, 6, 7, 3], [2, 3, 9, 9]] if right else
                                         [[9, 2, 5, 3], [2, 6, 7, 3], [9, 9, 2, 3]])
    assert got["attention_mask"].tolist() == [[int(x != 9) for x in row] for row in got["input_ids"].tolist()]
    assert got["owner"].tolist() == [0, 0, 1]
    assert got["token_type_ids"].sum() == 3


def test_rows_without_a_target_have_none_in_the_batch(tiny_tokenizer: Any) -> None:
    task: Task = tasks.make("classify", {}, {"text": "text", "label": "label"})
    task.restore({"labels": ["a", "b"], "multi_label": False, "weights": [], "threshold": 0.5})
    rows = task.encode([Example("0", {"text": "good"}, "b", ""), Example("1", {"text": "bad"}, None, "")], tiny_tokenizer, 16)
    assert [r.target for r in rows] == [1, None]
    assert "targets" not in task.collate(rows, 0, "right") and task.collate(rows[:1], 0, "right")["targets"].tolist() == [1]
