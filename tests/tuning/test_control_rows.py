"""Rows that hold what reads like a control token are counted and named."""

from __future__ import annotations

from pathlib import Path

from weitiao import models
from weitiao.example import Example
from weitiao.tuning import stage
from weitiao.tuning.loop import Rows


def test_every_text_of_a_row_is_looked_at(tiny_folder: Path) -> None:
    tokenizer = models.tokenizer(tiny_folder)
    examples = [Example("1", {"text": "good"}, "a", "f:1"), Example("2", {"text": "a [MASK] b"}, "a", "f:2"),
                Example("3", {"messages": [{"role": "user", "content": "hi [CLS]"}]}, "x", "f:3"),
                Example("4", {"prompt": "hi"}, ["a", "b [SEP]"], "f:4"), Example("5", {"text": "[ SEP ] </s>"}, 3.0, "f:5")]
    found = stage._control_rows(examples, Rows([], [], [], 0, "right"), tokenizer)
    assert found == (3, ["f:2", "f:3", "f:4"])
    assert "3 training rows" in stage._control_note(*found) and "f:2, f:3, f:4" in stage._control_note(*found)
    assert stage._control_note(0, []) == ""
