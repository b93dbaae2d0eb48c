"""ROUGE against Lin's published examples and the package rouge-score 0.1.2, and in Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.metrics import rouge

# F1 of ROUGE-1, -2, -L by rouge-score 0.1.2 (RougeScorer(["rouge1", "rouge2", "rougeL"]).score_multi, no stemmer).
PACKAGE = [
    ("The quick brown fox jumps over the lazy dog",
     ["The quick brown dog jumps on the log.", "A fast brown fox leaps over a sleeping dog"],
     (0.705882352941, 0.266666666667, 0.588235294118)),
    ("", ["something"], (0.0, 0.0, 0.0)),
    ("one", ["one"], (1.0, 0.0, 1.0)),
    ("testing one two", ["testing"], (0.5, 0.0, 0.5)),
    ("It's 3.5 km to St. John's, isn't it?", ["its 3.5 km to st johns - is it not?"],
     (0.545454545455, 0.4, 0.545454545455)),
    ("a b c d e f g a b", ["a c e g b a", "b a b a"], (0.8, 0.181818181818, 0.666666666667)),
    ("Name : The Eagle, food: English_food!", ["The Eagle serves English food."],
     (0.727272727273, 0.444444444444, 0.727272727273)),
]
TEXTS = st.text(alphabet="ab 猫狗。,ä1", max_size=14)


def three(prediction: str, *references: str) -> tuple[float, ...]:
    return tuple(float(v[0]) for v in rouge.per_row([prediction], [references]).values())


@pytest.mark.parametrize(("prediction", "references", "wanted"), PACKAGE)
def test_english_equals_rouge_score(prediction: str, references: list[str], wanted: tuple[float, ...]) -> None:
    assert three(prediction, *references) == pytest.approx(wanted, abs=1e-11)


def test_lins_example() -> None:
    """Lin 2004, section 3.1: against "police killed the gunman", ROUGE-L is 3/4 for S2 and 2/4 for S3; their
    ROUGE-2 is the same, 1/3 ("the gunman")."""
    assert three("police kill the gunman", "police killed the gunman")[1:] == pytest.approx((1 / 3, 3 / 4))
    assert three("the gunman kill police", "police killed the gunman")[1:] == pytest.approx((1 / 3, 2 / 4))


def test_equal_chinese_texts_are_perfect() -> None:
    """rouge-score gives 0.0 here: its tokenizer keeps a to z and 0 to 9 only."""
    assert three("今天天气很好。", "今天天气很好") == (1, 1, 1)
    assert three("我喜欢苹果", "我不喜欢香蕉") == pytest.approx((6 / 11, 2 / 9, 6 / 11))


def test_mixed_texts_count_characters_and_whole_words() -> None:
    assert rouge.tokens("用Python3写的，ＡＢＣ！café_x") == ["用", "python3", "写", "的", "abc", "café", "x"]
    assert rouge.tokens("ひらがな・カタカナ、한국어 단어") == [*"ひらがな", *"カタカナ", "한국어", "단어"]
    assert rouge.tokens("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert rouge.tokens("？！…") == []


@given(TEXTS, TEXTS)
def test_invariants(a: str, b: str) -> None:
    there, back = three(a, b), three(b, a)
    assert there == pytest.approx(back)
    assert all(0 <= x <= 1 for x in there) and there[2] <= there[0] + 1e-12
    if rouge.tokens(a):
        assert three(a, a)[0] == three(a, a)[2] == 1
    assert all(x >= y for x, y in zip(three(a, b, a), there, strict=True))


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert rouge.common_subsequence(a, b) == table[-1][-1]


def test_scores_and_comparison() -> None:
    references = [[f"the number {i} of many words"] for i in range(30)]
    good = [r[0] if i % 4 else "" for i, r in enumerate(references)]
    bad = ["the words"] * 30
    got = rouge.scores(good, references, seed=0, resamples=300)
    assert [s.name for s in got] == list(rouge.METRICS)
    assert got[0].value == pytest.approx(22 / 30) and got[0].n == 30  # the empty ones count as wrong
    assert all(s.low is not None and s.low < s.value and "tok:characters+words" in s.signature for s in got)
    assert rouge.quick(good, references)["rougeL"] == pytest.approx(got[2].value)
    assert rouge.compare(good, bad, references, seed=0, resamples=300).verdict == 1
    assert rouge.compare(bad, bad, references, seed=0, resamples=300).verdict == 0
