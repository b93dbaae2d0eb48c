"""Exact and numeric match, variety and length, perplexity and bits per byte."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.metrics import matching, wording


@pytest.mark.parametrize(("text", "wanted"), [
    ("He has 3 + 4 = 7 apples.\n#### 7", 7), ("#### 1,234", 1234), ("####-12.50 dollars", Fraction(-25, 2)),
    ("so 5 - 3 is 2", 2), ("10-3", 3), ("it fell to -3 degrees", -3), ("minus \u22124", -4), ("costs -$5.", -5),
    ("costs $-5.", -5), ("costs ￥１，２００。", 1200), (".5", Fraction(1, 2)), ("0.50", Fraction(1, 2)),
    ("共有１２个", 12), ("1,2345", 2345), ("version 1.2.", Fraction(6, 5)), ("#### unknown, say 8", 8),
    ("the answer is 9 #### none", 9), ("none", None), ("", None), ("3.14159 or 2,000,000.75", Fraction(200000075, 100)),
])
def test_the_result_of_a_text(text: str, wanted: int | Fraction | None) -> None:
    assert matching.result(text) == wanted


@given(st.integers(-10**9, 10**9))
def test_any_way_to_write_a_number(n: int) -> None:
    assert matching.result(f"so it is {n:,}.") == matching.result(f"#### {n}.00") == n


def test_numeric_match() -> None:
    got = matching.numeric_match(["so 7.0", "", "no number", "7 then 8", "#### 1,000"],
                                [["#### 7"], ["#### 7"], ["#### 7"], ["#### 7"], ["x\n#### 1000", "y"]])
    assert got.value == 2 / 5 and got.n == 5 and got.low is not None and "wilson95" in got.signature
    # A reference without a number can be met by none, an answer without a number meets none.
    assert not matching.numeric(["no"], [["none"]]).any()


def test_exact_match() -> None:
    got = matching.exact_match(["  Paris. ", "", "巴黎！", "ＰＡＲＩＳ", "the  big cat", "-5", "."],
                              [["paris"], [""], ["巴黎"], ["Paris"], ["The big , cat", "the big cat"], ["5"], ["!"]])
    assert got.value == 4 / 7 and got.n == 7
    assert matching.normalise("Wait , what ?") == "wait, what"


@given(st.text(max_size=20))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = matching.normalise(text)
    assert matching.normalise(once) == once


def test_distinct_and_length() -> None:
    assert wording.distinct(["a a b", "a b"], 1) == 2 / 5
    assert wording.distinct(["a a b", "a b"], 2) == 2 / 3
    assert wording.distinct(["", "。"], 1) == 0
    assert wording.distinct(["很好很好"], 1) == 0.5
    got = {s.name: s for s in wording.scores(["a b c"] * 20, [["a b", "a b c d e"]] * 10 + [["a b c d"]] * 10, seed=0,
                                             resamples=200)}
    assert got["length_ratio"].value == pytest.approx(60 / 60)
    assert got["distinct1"].low is None and "no interval" in got["distinct1"].signature
