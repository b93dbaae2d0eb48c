"""One label a row: every number against scikit-learn's on random cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from weitiao.metrics import Score
from weitiao.metrics.singlelabel import confusion, ece, in_top, quick, scores


def case(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    z = random.normal(size=(n, k))
    y = random.integers(0, k, n)
    z[np.arange(n), y] += random.choice([0.0, 1.0, 3.0])
    p = np.exp(z)
    return p / p.sum(1, keepdims=True), y


def named(p: np.ndarray, y: np.ndarray, top_k: int = 3) -> dict[str, Score]:
    labels = tuple("abcdefgh"[: p.shape[1]])
    return {s.name: s for s in scores(p, y, labels, top_k=top_k, seed=1, resamples=200)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(12, 60), st.integers(2, 6))
def test_values_are_scikit_learns(seed: int, n: int, k: int) -> None:
    p, y = case(seed, n, k)
    given_, got = p.argmax(1), named(p, y)
    assert got["accuracy"].value == sk.accuracy_score(y, given_)
    for average in ("macro", "micro", "weighted"):
        for name, metric in (("f1", sk.f1_score), ("precision", sk.precision_score), ("recall", sk.recall_score)):
            assert got[f"{name}_{average}"].value == pytest.approx(metric(y, given_, average=average, zero_division=0))
    assert got["mcc"].value == pytest.approx(sk.matthews_corrcoef(y, given_), abs=1e-12)
    assert got["log_loss"].value == pytest.approx(sk.log_loss(y, p, labels=range(k)))
    assert np.array_equal(confusion(y, given_, k), sk.confusion_matrix(y, given_, labels=range(k)))
    each = sk.precision_recall_fscore_support(y, given_, labels=range(k), zero_division=0)
    for i, name in enumerate("abcdef"[:k]):
        assert got[f"precision[{name}]"].value == pytest.approx(each[0][i])
        assert got[f"recall[{name}]"].value == pytest.approx(each[1][i])
        assert got[f"f1[{name}]"].value == pytest.approx(each[2][i])
        assert got[f"recall[{name}]"].n == each[3][i]
    if k > 3:
        assert got["top3_accuracy"].value == pytest.approx(sk.top_k_accuracy_score(y, p, k=3, labels=range(k)))
    assert quick(p, y) == {"accuracy": got["accuracy"].value, "f1_macro": pytest.approx(got["f1_macro"].value)}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_areas_are_scikit_learns(seed: int, k: int) -> None:
    p, y = case(seed, 60, k)
    got = named(p, y)
    truth = np.eye(k)[y]
    p, truth = (p[:, 1:], truth[:, 1:]) if k == 2 else (p, truth)
    assert got["roc_auc"].value == pytest.approx(sk.roc_auc_score(truth, p, average="macro"))
    assert got["pr_auc"].value == pytest.approx(sk.average_precision_score(truth, p, average="macro"))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(12, 80), st.integers(2, 5))
def test_every_value_lies_in_its_interval(seed: int, n: int, k: int) -> None:
    for s in [*named(*case(seed, n, k)).values(), *named(*case(seed, 12, 8)).values()]:
        assert np.isfinite(s.value) and s.signature
        assert s.low is None or s.high is None or s.low - 1e-9 <= s.value <= s.high + 1e-9, s


def test_the_accuracy_comes_first() -> None:
    p, y = case(1, 40, 3)
    assert scores(p, y, ("a", "b", "c"), top_k=3, seed=0, resamples=100)[0].name == "accuracy"


def test_macro_f1_interval_is_that_of_resampled_rows() -> None:
    """The cells' bootstrap against scipy's, which draws rows."""
    from scipy import stats

    p, y = case(11, 150, 3)
    both = np.stack([y, p.argmax(1)], axis=1)
    index = np.arange(150)

    def f1(i: np.ndarray) -> float:
        table = confusion(both[i, 0], both[i, 1], 3)
        return (2 * np.diagonal(table) / (table.sum(0) + table.sum(1))).mean()

    want = stats.bootstrap((index,), f1, vectorized=False, method="BCa", n_resamples=9000, rng=np.random.default_rng(3))
    got = next(s for s in scores(p, y, ("a", "b", "c"), top_k=3, seed=3, resamples=20_000) if s.name == "f1_macro")
    assert got.low == pytest.approx(want.confidence_interval.low, abs=0.012)
    assert got.high == pytest.approx(want.confidence_interval.high, abs=0.012)


def test_undefined_cases_have_a_stated_value() -> None:
    y = np.zeros(20, np.int64)
    p = np.tile([0.6, 0.3, 0.1], (20, 1))
    got = named(p, y)
    assert got["accuracy"].value == 1.0 and got["accuracy"].high == 1.0 and got["accuracy"].low is not None
    assert got["mcc"].value == 0.0
    assert (got["roc_auc"].value, got["roc_auc"].low) == (0.5, None) and "not defined" in got["roc_auc"].signature
    assert got["recall[b]"].value == 0.0 and "never true" in got["recall[b]"].signature
    assert got["precision[c]"].value == 0.0 and "never given" in got["precision[c]"].signature
    assert got["f1_macro"].value == 1.0 and got["f1_macro"].low is None


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    y = np.array([0, 1, 0, 1])
    # bin of 0.9: sure 1.8, right 1; of 0.6: 0.6 and 1; of 0.7: 0.7 and 1
    assert ece(p, y) == pytest.approx((abs(1.8 - 1) + 0.4 + 0.3) / 4)


def test_of_equal_probabilities_the_first_labels_are_on_top() -> None:
    p = np.full((4, 4), 0.25)
    assert in_top(p, np.arange(4), 2).tolist() == [True, True, False, False]
    assert in_top(p, np.arange(4), 1).tolist() == (p.argmax(1) == np.arange(4)).tolist()
