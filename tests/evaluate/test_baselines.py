"""The simple systems: they learn what is there, take what they are given, and never see the test rows."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weitiao import tasks
from weitiao.core.errors import MissingExtra
from weitiao.evaluate import baselines
from weitiao.evaluate.baselines import _linear as linear
from weitiao.evaluate.baselines._features import Features
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.tasks import Task

CHINESE = {"好": ["很好吃", "味道不错", "服务热情", "送得快", "喜欢"], "差": ["太难吃", "味道很差", "服务冷淡", "送得慢", "讨厌"]}
ENGLISH = {"good": ["good", "great", "love", "happy", "clean"], "bad": ["bad", "awful", "hate", "sad", "dirty"]}


def reviews(words: dict[str, list[str]], n: int, seed: int, join: str = " ") -> list[Example]:
    r = random.Random(seed)
    filler = ["的", "了", "我", "这家", "真是"] if not join else ["the", "movie", "was", "it", "of"]
    out = []
    for i in range(n):
        name = list(words)[i % 2]
        parts = [r.choice(filler) for _ in range(4)] + [r.choice(words[name])]
        r.shuffle(parts)
        out.append(Example(str(i), {"text": join.join(parts)}, name, f"f:{i}"))
    return out


def pairs(n: int, seed: int) -> list[Example]:
    """Two texts and how much of the second stands in the first."""
    r = random.Random(seed)
    vocabulary = [a + b for a in "bcdfgklm" for b in "aeiou"]
    out = []
    for i in range(n):
        a = r.sample(vocabulary, 6)
        common = r.randint(0, 6)
        b = a[:common] + r.sample([w for w in vocabulary if w not in a], 6 - common)
        r.shuffle(b)
        out.append(Example(str(i), {"text_a": " ".join(a), "text_b": " ".join(b)}, float(common), f"f:{i}"))
    return out


def task_for(train: list[Example], name: str = "classify", **options: Any) -> Task:
    roles = {r: r for r in train[0].inputs}
    task = tasks.make(name, options, {**roles, "label": "label"})
    task.fit(train)
    return task


def answer(name: str, task: Task, train: list[Example], test: list[Example], recipe: Recipe | None = None, *,
           bf16: bool = False) -> baselines.Baseline:
    case = baselines.Case(task, train, test, recipe or Recipe(), "cpu", bf16)
    return baselines.load(name).make(case)  # type: ignore[no-any-return]


def quick(task: Task, got: baselines.Baseline, rows: list[Example]) -> dict[str, float]:
    assert np.shape(got.outputs) == (len(rows), task.head().outputs)
    return task.quick(got.outputs, [e.target for e in rows])


def test_majority_gives_the_most_frequent_label() -> None:
    train = reviews(ENGLISH, 10, 0) + reviews(ENGLISH, 2, 1)[:1]
    task = task_for(train)
    got = answer("majority", task, train, reviews(ENGLISH, 8, 2))
    assert {p["label"] for p in task.decode(got.outputs)} == {"good"}


def test_majority_of_sets_and_numbers() -> None:
    train = [Example("", {"text": "x"}, y, "") for y in (("a",), ("a", "b"), ("c", "a"), ())]
    task = task_for(train, multi_label=True)
    assert task.decode(answer("majority", task, train, train[:1]).outputs)[0]["labels"] == ["a"]
    train = pairs(20, 0)
    task = task_for(train, "regress")
    mean = float(np.mean([e.target for e in train]))
    assert task.decode(answer("majority", task, train, train[:1]).outputs)[0]["value"] == pytest.approx(mean)


@pytest.mark.parametrize(("words", "join", "how"), [(CHINESE, "", "characters 1-2"), (ENGLISH, " ", "words 1-2, characters 2-4")])
def test_tfidf_learns_words(words: dict[str, list[str]], join: str, how: str) -> None:
    train, test = reviews(words, 200, 0, join), reviews(words, 100, 1, join)
    task = task_for(train)
    got = answer("tfidf", task, train, test)
    assert how in got.how and got.train_rows == 200
    assert quick(task, got, test)["accuracy"] > 0.95
    again = answer("tfidf", task, train, test)
    assert np.array_equal(got.outputs, again.outputs)


def test_tfidf_with_several_labels_has_its_own_threshold() -> None:
    r = random.Random(0)
    rows = []
    for i in range(300):
        names = [w for w in ("fast", "tasty", "cheap") if r.random() < 0.2]
        filler = [r.choice(["the", "a", "food", "was", "it", "this", "that"]) for _ in range(5)]
        rows.append(Example(str(i), {"text": " ".join(filler + names)}, tuple(names), ""))
    task = task_for(rows[:200], multi_label=True)
    got = answer("tfidf", task, rows[:200], rows[200:])
    assert quick(task, got, rows[200:])["f1_micro"] > 0.95


def test_tfidf_of_pairs_sees_what_they_have_in_common() -> None:
    train, test = pairs(300, 0), pairs(100, 1)
    task = task_for(train, "regress")
    got = answer("tfidf", task, train, test)
    assert "overlap" in got.how and "ridge" in got.how
    assert quick(task, got, test)["spearman"] > 0.9


def test_words_are_segmented_when_asked_for() -> None:
    texts = [("我喜欢这部电影",), ("这家的菜很好吃",)]
    words, _ = Features.fit(texts, outputs=2, words=True)
    vocabulary = set(words.vectorizers[0].vocabulary_)
    assert {"喜欢", "电影", "好吃"} <= vocabulary and "欢" not in vocabulary
    lean, matrix = Features.fit(texts, outputs=2, stop_words=True)
    assert "的" not in lean.vectorizers[0].vocabulary_ and "no stop words" in lean.how and matrix.shape[0] == 2


def test_texts_of_stop_words_only_are_rows_too() -> None:
    features, matrix = Features.fit([("the of",), ("and",)], outputs=60_000_000, stop_words=True)
    assert matrix.shape[0] == 2 and features([("food",)]).shape[0] == 1


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, options in (("rjieba", {"words": True}), ("stopwordsiso", {"stop_words": True})):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtra) as e:
            Features.fit([("很好吃",)], outputs=2, **options)
        assert "weitiao[zh]" in e.value.fix


@pytest.mark.parametrize("n", [4, 19, 40])
def test_few_rows_and_missing_classes_are_no_obstacle(n: int) -> None:
    train = reviews(ENGLISH, n, 0)
    train[0] = Example("0", {"text": "odd one out"}, "rare", "")
    task = task_for(train)
    got = answer("tfidf", task, train, train)
    assert np.isfinite(got.outputs).all() and quick(task, got, train)["accuracy"] > 0.5


def test_a_sample_of_one_class_predicts_it() -> None:
    x = np.eye(3)
    model = linear.sparse(x, np.array([2, 2, 2]), 4, "single_label_classification", 1.0)
    assert model(x).argmax(1).tolist() == [2, 2, 2]


@pytest.mark.parametrize("kind", ["single_label_classification", "multi_label_classification", "regression"])
def test_dense_models_are_scikit_learns(kind: linear.Kind) -> None:
    from sklearn.linear_model import LogisticRegression, Ridge

    r = np.random.default_rng(0)
    x = r.normal(size=(300, 5)) * [1, 10, 0.1, 1, 1] + [0, 3, 0, 0, 0]
    z = (x - x.mean(0)) / x.std(0)
    w = r.normal(size=(5, 3))
    strength = 0.01
    if kind == "regression":
        y = z @ w[:, 0] + r.normal(size=300)
        # mean squared error + strength/2 |w|² is Ridge's objective over n: alpha = n strength / 2
        want = Ridge(alpha=300 * strength / 2).fit(z, y).predict(z)
        assert linear.dense(x, y, 1, kind, strength)(x)[:, 0] == pytest.approx(want, abs=1e-3)
        return
    if kind == "single_label_classification":
        y = (z @ w + r.normal(size=(300, 3))).argmax(1)
        oracle = LogisticRegression(C=1 / (300 * strength), tol=1e-8, max_iter=1000).fit(z, y)
        got = linear.dense(x, y, 3, kind, strength)(x)
        assert got - got.mean(1, keepdims=True) == pytest.approx(oracle.decision_function(z), abs=5e-3)
        return
    y = (z @ w > 0.5).astype(np.int64)
    got = linear.dense(x, y, 3, kind, strength)(x)
    for k in range(3):
        oracle = LogisticRegression(C=1 / (300 * strength), tol=1e-8, max_iter=1000).fit(z, y[:, k])
        assert got[:, k] == pytest.approx(oracle.decision_function(z), abs=5e-3)


def test_moving_a_threshold_changes_no_answer() -> None:
    logits = np.linspace(-3, 3, 50)[:, None]
    said = 1 / (1 + np.exp(-logits)) >= 0.2
    assert np.array_equal(1 / (1 + np.exp(-linear.shift(logits, 0.2, 0.5))) >= 0.5, said)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_frozen_encoder_beats_chance(tiny_folder: Path, bf16: bool) -> None:
    train, test = reviews(ENGLISH, 200, 0), reviews(ENGLISH, 60, 1)
    task = task_for(train)
    recipe = Recipe.build({"model": {"name": str(tiny_folder), "max_length": 32}})
    got = answer("frozen", task, train, test, recipe, bf16=bf16)
    assert quick(task, got, test)["accuracy"] > 0.8 and "frozen" in got.how and got.train_rows == 200


def test_the_frozen_encoder_reads_no_more_than_its_budget(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines.load("frozen"), "TRAIN_TOKENS", 1200)
    train = reviews(ENGLISH, 300, 0)
    task = task_for(train)
    recipe = Recipe.build({"model": {"name": str(tiny_folder), "max_length": 32}})
    got = answer("frozen", task, train, train[:10], recipe, bf16=False)
    assert 100 <= got.train_rows < 200


def test_word_vectors_learn_what_goes_together() -> None:
    train, test = reviews(ENGLISH, 200, 0), reviews(ENGLISH, 100, 1)
    task = task_for(train)
    got = answer("vectors", task, train, test)
    assert quick(task, got, test)["accuracy"] > 0.9 and got.train_rows == 200
    chinese = reviews(CHINESE, 200, 0, ""), reviews(CHINESE, 100, 1, "")
    assert quick(task_for(chinese[0]), answer("vectors", task_for(chinese[0]), *chinese), chinese[1])["accuracy"] > 0.9


def test_word_vectors_are_pointwise_mutual_information() -> None:
    from scipy.sparse import csr_matrix

    from weitiao.evaluate.baselines.vectors import _mutual, _pairs, _reduced

    pairs = _pairs([[0, 1, 2], [1, 0]], 3)
    assert pairs.toarray().tolist() == [[0, 2, 1], [2, 0, 1], [1, 1, 0]]
    smooth = np.array([3, 3, 2]) ** 0.75
    want = np.log(2 / 8 / (3 / 8 * smooth[1] / smooth.sum()))  # words 0 and 1 stand beside each other twice of 8 times
    assert _mutual(pairs)[0, 1] == pytest.approx(want)
    square = np.random.default_rng(0).random((6, 6))
    left, sizes, _ = np.linalg.svd(square)
    assert np.abs(_reduced(csr_matrix(square), 0)) == pytest.approx(np.abs(left * np.sqrt(sizes)))


def test_word_vectors_of_texts_without_a_common_word() -> None:
    train = [Example(str(i), {"text": f"word{i}"}, "ab"[i % 2], f"f:{i}") for i in range(30)]
    task = task_for(train)
    assert len(answer("vectors", task, train, train[:3]).outputs) == 3


def test_word_vectors_of_pairs_and_numbers() -> None:
    train = pairs(120, 0)
    task = task_for(train, "regress")
    assert quick(task, answer("vectors", task, train, train[:20]), train[:20])["spearman"] > 0
