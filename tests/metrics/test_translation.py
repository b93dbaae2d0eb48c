"""BLEU, chrF and TER: equal to sacreBLEU's own corpus scores, with intervals, and never the wrong tokenizer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from weitiao.core.errors import DataError, MissingExtra
from weitiao.metrics import translation as tr

PREDICTED = ["The dog bit the man.", "It was not surprising.", "", "The man had just bitten him!"]
# The references of sacreBLEU's README, the second one missing for a row.
REFERENCES = [["The dog bit the man.", "The dog had bit the man."], ["It was not unexpected.", "No one was surprised."],
              ["Nothing to see here."], ["The man bit him first.", "The man had bitten the dog."]]
WORDS = st.lists(st.sampled_from(["a", "b", "c", "dog", "狗", "了", ",", "Ein"]), max_size=12).map(" ".join)
ENGINES = {"bleu": lambda: BLEU(tokenize="13a", force=True), "chrf": CHRF, "ter": TER}


def streams(references: list[list[str]]) -> list[list[str | None]]:
    return [[row[i] if i < len(row) else None for row in references] for i in range(max(map(len, references)))]


@pytest.mark.parametrize("metric", tr.METRICS)
def test_equals_sacrebleu_with_ragged_references_and_an_empty_answer(metric: tr.Metric) -> None:
    theirs = ENGINES[metric]().corpus_score(PREDICTED, streams(REFERENCES)).score / 100
    got = tr.corpus(PREDICTED, REFERENCES, metric, "en")
    assert got.value == pytest.approx(theirs, abs=1e-12) and got.value > 0
    assert "nrefs:var" in got.signature and "version:" in got.signature


def test_the_published_example_of_sacrebleu() -> None:
    """README of sacreBLEU 2.6.0, section "Using SacreBLEU from Python": 48.53."""
    references = [["The dog bit the man.", "The dog had bit the man."],
                  ["It was not unexpected.", "No one was surprised."],
                  ["The man bit him first.", "The man had bitten the dog."]]
    predicted = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
    assert round(100 * tr.corpus(predicted, references, "bleu", "en").value, 2) == 48.53


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(WORDS, st.lists(WORDS.filter(bool), min_size=1, max_size=3)), min_size=1, max_size=6))
def test_the_formulas_are_sacrebleus(rows: list[tuple[str, list[str]]]) -> None:
    predicted, references = [p for p, _ in rows], [r for _, r in rows]
    for metric in tr.METRICS:
        ours = tr.corpus(predicted, references, metric, "en", "char" if metric == "bleu" else "auto")
        engine = {"bleu": BLEU(tokenize="char", force=True), "chrf": CHRF(),
                  "ter": TER(normalized="asian" in ours.signature or "norm:yes" in ours.signature,
                             asian_support="asian:yes" in ours.signature)}[metric]
        assert ours.value == pytest.approx(engine.corpus_score(predicted, streams(references)).score / 100, abs=1e-9)


def test_equal_texts_are_perfect_in_every_language() -> None:
    for language, texts in (("zh", ["今天天气很好，我们去公园散步。", "他昨天没有来上课。"]),
                            ("en", ["The weather is fine today.", "He did not come to class."]),
                            ("th", ["วันนี้อากาศดีมาก", "เราไปเดินเล่นในสวนกัน"])):
        got = {s.name: s.value for s in tr.scores(texts, [[x] for x in texts], language, seed=0, resamples=50)}
        assert got == {"bleu": pytest.approx(1), "chrf": pytest.approx(1), "ter": 0}, language


def test_an_english_tokenizer_on_chinese_is_refused() -> None:
    for language, asked in (("en", "auto"), ("zh", "13a"), ("zh", "intl")):
        with pytest.raises(DataError) as e:
            tr.corpus(["很好"], [["很好吃"]], "bleu", language, asked)
        assert e.value.code == "metric.wrong_tokenizer" and "--target" in str(e.value)
    tr.check([["很好吃"]], "zho_Hans")
    assert tr.corpus(["很好吃"], [["很好吃"]], "bleu", "zh", "char").signature.count("tok:char")


def test_chinese_ter_counts_characters_not_whole_sentences() -> None:
    assert tr.corpus(["我喜欢吃苹果"], [["我喜欢吃香蕉"]], "ter", "zh").value == pytest.approx(2 / 6)


@pytest.mark.parametrize(("code", "wanted"), [("zh", "zh"), ("zh-CN", "zh"), ("zho_Hant", "zh"), ("cmn", "zh"), ("de", "13a"),
                                              ("ja_XX", "ja-mecab"), ("kor_Hang", "ko-mecab"), ("tha_Thai", "char")])
def test_the_language_chooses_the_tokenizer(code: str, wanted: str) -> None:
    assert tr.tokenizer(code) == wanted
    assert tr.tokenizer(code, "flores200") == "flores200"


def test_a_missing_tokenizer_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from sacrebleu.tokenizers import tokenizer_ja_mecab

    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    with pytest.raises(MissingExtra) as e:
        tr.check([["猫がいる"]], "ja")
    assert "weitiao[ja]" in str(e.value)


def test_skipping_empty_answers_would_flatter() -> None:
    """Two of three answers are empty: the score must be far below that of the one that is there."""
    texts = ["A man sleeps on a green sofa."] * 3
    whole = tr.scores([texts[0], "", ""], [[x] for x in texts], "en", seed=0, resamples=50)
    assert whole[0].value < 0.2 and whole[1].value < 0.5 and whole[2].value == pytest.approx(2 / 3)
    assert whole[0].n == 3


def test_intervals_hold_the_value_and_are_repeatable() -> None:
    predicted = [f"a man number {i} walks in park {i % 3}" for i in range(40)]
    references = [[f"a man number {i} runs in park {i % 5}"] for i in range(40)]
    got = tr.scores(predicted, references, "en", seed=1, resamples=300)
    assert got == tr.scores(predicted, references, "en", seed=1, resamples=300)
    for s in got:
        assert s.low is not None and s.high is not None and s.low < s.value < s.high and s.signature.endswith("seed=1")


def test_the_interval_covers_as_often_as_it_says() -> None:
    """200 draws of 60 rows from 3,000: the interval of BLEU holds the BLEU of all of them 95 % of the time (binomial
    bounds of 200 draws: 0.91 to 0.98)."""
    random = np.random.default_rng(0)
    counts = np.column_stack([random.poisson(lam, 3000) for lam in (12, 12, 7, 4, 2, 1, 12, 11, 10, 9)]).astype(float)
    counts[:, 0] = counts[:, 6]
    counts[:, 2:6] = np.minimum(counts[:, 2:6], counts[:, 6:])
    truth = tr.Corpus("bleu", counts, "").value
    held = 0
    for i in range(200):
        got = tr._score(tr.Corpus("bleu", counts[random.choice(3000, 60)], ""), seed=i, resamples=400)
        held += got.low <= truth <= got.high  # type: ignore[operator]
    assert 0.90 <= held / 200 <= 0.99


def test_paired_comparison_on_the_same_resamples() -> None:
    references = [[f"a man number {i} runs in park {i % 5} with {i % 7} dogs"] for i in range(60)]
    good = [r[0] if i % 3 else r[0].replace("runs", "walks") for i, r in enumerate(references)]
    bad = [r[0].replace("man", "woman").replace("dogs", "cats") for r in references]
    better = tr.compare(good, bad, references, "en", seed=0, resamples=400)
    assert better.metric == "bleu" and better.verdict == 1
    assert better.difference == pytest.approx(tr.corpus(good, references, "bleu", "en").value -
                                              tr.corpus(bad, references, "bleu", "en").value)
    worse = tr.compare(bad, good, references, "en", seed=0, resamples=400)
    assert worse.verdict == -1 and worse.difference == pytest.approx(-better.difference)
    same = tr.compare(good, good, references, "en", seed=0, resamples=400)
    assert same.difference == 0 and same.verdict == 0 and same.p == 1


def test_a_row_by_itself_is_sacrebleus_sentence_chrf() -> None:
    mine = tr.per_row(PREDICTED, REFERENCES, "en")
    theirs = [CHRF().sentence_score(p, r).score / 100 for p, r in zip(PREDICTED, REFERENCES, strict=True)]
    assert mine == pytest.approx(theirs) and mine[2] == 0
