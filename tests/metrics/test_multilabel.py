"""Several labels a row: every number against scikit-learn's on random cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from weitiao.metrics.multilabel import best_threshold, lraps, quick, scores


def case(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = (random.random((n, k)) < 0.3).astype(np.int64)
    y[0], y[1] = 0, 1  # every label is true somewhere, and one row has none
    p = np.round(1 / (1 + np.exp(-random.normal(size=(n, k)) - 2 * y + 1)), random.choice([1, 6]))  # ties, too
    return p, y


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(12, 50), st.integers(2, 6))
def test_values_are_scikit_learns(seed: int, n: int, k: int) -> None:
    p, y = case(seed, n, k)
    labels = tuple("abcdef"[:k])
    got = {s.name: s for s in scores(p, y, labels, threshold=0.5, seed=1, resamples=200)}
    said = (p >= 0.5).astype(np.int64)
    assert next(iter(got)) == "f1_micro"
    for average in ("macro", "micro", "weighted"):
        for name, metric in (("f1", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)):
            want = metric(y, said, average=average, zero_division=0)
            assert got[f"{name}_{average}"].value == pytest.approx(want)
    assert got["subset_accuracy"].value == sk.accuracy_score(y, said)
    assert got["hamming_loss"].value == pytest.approx(sk.hamming_loss(y, said))
    assert got["lrap"].value == pytest.approx(sk.label_ranking_average_precision_score(y, p))
    assert got["roc_auc"].value == pytest.approx(sk.roc_auc_score(y, p, average="macro"))
    assert got["pr_auc"].value == pytest.approx(sk.average_precision_score(y, p, average="macro"))
    # scikit-learn's own bound: certain and wrong costs −ln ε, not infinity.
    want = np.mean([sk.log_loss(y[:, i], p[:, i], labels=[0, 1]) for i in range(k)])
    assert got["log_loss"].value == pytest.approx(want, rel=1e-6)
    f1 = sk.f1_score(y, said, average=None, zero_division=0)
    assert [got[f"f1[{x}]"].value for x in labels] == pytest.approx(list(f1))
    fast = quick(p, y, 0.5)
    assert fast == {m: pytest.approx(got[m].value) for m in ("f1_micro", "f1_macro", "lrap")}
    for s in got.values():
        assert s.low is None or s.high is None or s.low - 1e-9 <= s.value <= s.high + 1e-9, s


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(5, 40))
def test_no_threshold_is_better_than_the_best(seed: int, n: int) -> None:
    p, y = case(seed, n, 3)
    best = best_threshold(p, y)
    top = quick(p, y, best)["f1_micro"]
    assert all(quick(p, y, t)["f1_micro"] <= top + 1e-12 for t in np.linspace(0.05, 0.95, 46))


def test_a_threshold_without_truths_is_the_usual_one() -> None:
    assert best_threshold(np.array([[0.2, 0.9]]), np.array([[0, 0]])) == 0.5


def test_rows_with_no_or_all_labels_rank_perfectly() -> None:
    p = np.array([[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])
    assert lraps(p, np.array([[0, 0], [1, 1], [1, 0]])).tolist() == [1.0, 1.0, 0.5]


def test_nothing_true_and_nothing_given() -> None:
    got = {s.name: s for s in scores(np.full((20, 2), 0.1), np.zeros((20, 2), np.int64), ("a", "b"), threshold=0.5,
                                     seed=0, resamples=100)}
    assert got["f1_micro"].value == 0.0 and got["f1_micro"].low is None
    assert got["subset_accuracy"].value == 1.0 and got["roc_auc"].low is None
