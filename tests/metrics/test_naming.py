"""How numbers read: shares in per cent, BLEU and its like in hundredths without a sign, the rest plain."""

from __future__ import annotations

import pytest

from weitiao.core import i18n
from weitiao.metrics import naming


@pytest.mark.parametrize(("name", "value", "shown", "span"), [
    ("accuracy", 0.8731, "87.3 %", "[87.3, 90.0] %"), ("exact_match", 0.8731, "87.3 %", "[87.3, 90.0] %"),
    ("bleu", 0.8731, "87.3", "[87.3, 90.0]"), ("rougeL", 0.8731, "87.3", "[87.3, 90.0]"), ("ter", 0.8731, "87.3", "[87.3, 90.0]"),
    ("spearman", 0.8731, "0.873", "[0.873, 0.900]"), ("length_ratio", 0.8731, "0.873", "[0.873, 0.900]")])
def test_numbers(name: str, value: float, shown: str, span: str) -> None:
    assert naming.number(name, value) == shown and naming.interval(name, value, 0.9) == span
    assert naming.interval(name, None, None) == ""


def test_axes_and_names() -> None:
    assert naming.tick("accuracy")(0.5) == "50 %" and naming.tick("bleu")(0.5) == "50" and naming.tick("mae")(0.5) == "0.5" and naming.tick("top3_accuracy")(0.5) == "50 %"
    assert naming.metric("perplexity") == "perplexity" and naming.metric("rouge1") == "ROUGE-1"
    i18n.use("zh")
    assert naming.metric("perplexity") == "困惑度" and naming.metric("f1_macro") == "宏平均 F1"


def test_every_metric_that_is_scored_is_known() -> None:
    """A metric without a name of its own would stand on the page as its key."""
    for name in ("f1_weighted", "recall_macro", "precision_micro", "top3_accuracy", "subset_accuracy", "lrap", "ter"):
        assert naming.both(name)[0] != name and naming.both(name)[1] != name
    assert naming.metric("top3_accuracy") == "among the first 3" and naming.number("top3_accuracy", 0.5) == "50.0 %"
    assert naming.bare("accuracy", 0.021, sign=True) == "+2.1" and naming.bare("r2", -0.021, sign=True) == "-0.021"
    assert naming.metric("new {metric}") == "new {metric}" and naming.number("new {metric}", 0.5) == "0.500"
