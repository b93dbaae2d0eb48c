"""How numbers read: shares in per cent, BLEU and its like in hundredths without a sign, the rest plain."""

from __future__ import annotations

import pytest

from weitiao.core import i18n
from weitiao.report import words


@pytest.mark.parametrize(("name", "value", "shown", "span"), [
    ("accuracy", 0.8731, "87.3 %", "[87.3, 90.0] %"), ("exact_match", 0.8731, "87.3 %", "[87.3, 90.0] %"),
    ("bleu", 0.8731, "87.3", "[87.3, 90.0]"), ("rougeL", 0.8731, "87.3", "[87.3, 90.0]"), ("ter", 0.8731, "87.3", "[87.3, 90.0]"),
    ("spearman", 0.8731, "0.873", "[0.873, 0.900]"), ("length_ratio", 0.8731, "0.873", "[0.873, 0.900]")])
def test_numbers(name: str, value: float, shown: str, span: str) -> None:
    assert words.number(name, value) == shown and words.interval(name, value, 0.9) == span
    assert words.interval(name, None, None) == ""


def test_axes_and_names() -> None:
    assert words.tick("accuracy")(0.5) == "50 %" and words.tick("bleu")(0.5) == "50" and words.tick("mae")(0.5) == "0.5"
    assert words.metric("perplexity") == "perplexity" and words.metric("rouge1") == "ROUGE-1"
    i18n.use("zh")
    assert words.metric("perplexity") == "困惑度" and words.metric("f1_macro") == "F1（宏平均）"
