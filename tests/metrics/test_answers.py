"""Answers against published evaluation examples, against plain re-computations, and on hand-made cases."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.metrics import answers

# The examples of the metric cards of huggingface/datasets (metrics/squad/README.md): prediction, right answers, scores.
PUBLISHED = [
    ("1976", ["1976"], 1.0, 1.0),
    ("1999", ["1976"], 0.0, 0.0),
    ("Beyonce", ["Beyoncé and Bruno Mars"], 0.0, 0.0),
    ("Beyoncé and Bruno Mars", ["Beyoncé and Bruno Mars"], 1.0, 1.0),
]
SQUAD = [  # given, right, exact, f1: worked out by hand
    ("The Normans!", ["normans"], 1.0, 1.0),
    ("10th and 11th centuries", ["in the 10th and 11th centuries", "10th"], 0.0, 8 / 9),
    ("France", ["France", "in France"], 1.0, 1.0),
    ("a king of France", ["the King of Spain"], 0.0, 2 / 3),
    ("U.S.", ["US"], 1.0, 1.0),
    ("", ["France"], 0.0, 0.0),
    ("", [], 1.0, 1.0),
    ("France", [], 0.0, 0.0),
    ("", ["the"], 0.0, 0.0),
    ("the", ["The"], 1.0, 1.0),
    ("—", ["—"], 1.0, 1.0),
    ("dog dog", ["dog"], 0.0, 2 / 3),
]
CMRC = [
    ("黄伯汉", ["黄伯汉"], 1.0, 1.0),
    ("黄伯汉先生", ["黄伯汉"], 0.0, 0.75),
    ("《泡泡堂》", ["泡泡堂"], 1.0, 1.0),
    ("2006年6月21日动工", ["2006年6月21日"], 0.0, 2 * 6 / (6 + 8)),
    ("由Nexon Korea开发", ["Nexon Korea"], 0.0, 2 * 2 / (2 + 5)),
    ("甲乙丙丁戊", ["甲乙丁戊"], 0.0, 2 * 2 / 9),  # a run, not a subsequence: 丁戊 or 甲乙
    ("NEXON", ["nexon"], 1.0, 1.0),
    ("", ["踢爆"], 0.0, 0.0),
    ("。", ["踢爆"], 0.0, 0.0),
    ("", ["。"], 0.0, 0.0),
    ("", [], 1.0, 1.0),
    ("12,320平方米", ["12,320平方米"], 1.0, 1.0),
]


@pytest.mark.parametrize(("given_answer", "right", "exact", "f1"), [*PUBLISHED, *SQUAD])
def test_the_squad_way(given_answer: str, right: list[str], exact: float, f1: float) -> None:
    assert answers.exact(right, given_answer, "squad") == exact
    assert answers.f1(right, given_answer, "squad") == pytest.approx(f1)


@pytest.mark.parametrize(("given_answer", "right", "exact", "f1"), CMRC)
def test_the_cmrc_way(given_answer: str, right: list[str], exact: float, f1: float) -> None:
    assert answers.exact(right, given_answer, "cmrc2018") == exact
    assert answers.f1(right, given_answer, "cmrc2018") == pytest.approx(f1)


@settings(max_examples=200, deadline=None)
@given(st.text("甲乙丙丁", min_size=1, max_size=12), st.text("甲乙丙丁", min_size=1, max_size=12))
def test_the_longest_run_is_that_of_difflib(a: str, b: str) -> None:
    size = SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size
    assert answers.f1([a], b, "cmrc2018") == pytest.approx(2 * size / (len(a) + len(b)))


def test_the_language_of_the_answers_decides() -> None:
    assert answers.way([["泡泡堂"], [], ["1998年"]]) == "cmrc2018"
    assert answers.way([["France"], ["1998"], []]) == "squad"
    assert answers.way([[], []]) == "squad"


def test_scores_of_all_rows_and_of_either_kind() -> None:
    right: list[list[str]] = [["France"], ["10th century"], [], [], ["Rollo"]] * 4
    given_answers = ["France", "10th", "", "France", ""] * 4
    found = {s.name: s for s in answers.scores(right, given_answers, seed=1, resamples=500)}
    assert list(found) == ["f1", "exact_match", "f1_answerable", "exact_match_answerable", "accuracy_unanswerable"]
    assert found["f1"].value == pytest.approx((1 + 2 / 3 + 1 + 0 + 0) / 5)
    assert found["exact_match"].value == pytest.approx(2 / 5)
    assert found["f1_answerable"].value == pytest.approx((1 + 2 / 3) / 3) and found["f1_answerable"].n == 12
    assert found["accuracy_unanswerable"].value == 0.5 and found["accuracy_unanswerable"].n == 8
    assert found["f1"].low is not None and "squad; bca95" in found["f1"].signature
    assert found["exact_match"].signature == "squad; wilson95"
    plain = answers.scores([["a"], ["b"]], ["a", "c"], seed=1, resamples=500)
    assert [s.name for s in plain] == ["f1", "exact_match"]


def brute(doubt: Any, answered: Any, silent: Any, at: float) -> float:
    return float(np.mean([a if d <= at else s for d, a, s in zip(doubt, answered, silent, strict=True)]))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1, max_size=15))
def test_the_threshold_is_the_best_of_all(rows: list[tuple[int, float, bool]]) -> None:
    doubt, answered = [float(d) for d, _, _ in rows], [0.0 if none else a for _, a, none in rows]
    silent = [float(none) for _, _, none in rows]
    at = answers.best_threshold(doubt, answered, silent)
    best = max(brute(doubt, answered, silent, c + 0.5) for c in range(-7, 7))
    assert brute(doubt, answered, silent, at) == pytest.approx(best)
