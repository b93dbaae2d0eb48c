"""ROC-AUC and PR-AUC with their influences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from weitiao.metrics.ranking import average_precision, roc_auc, scores

BOTH = pytest.mark.parametrize(("metric", "reference"), [(roc_auc, sk.roc_auc_score),
                                                         (average_precision, sk.average_precision_score)])


def case(seed: int, n: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.random(n) < 0.4
    truth[:2] = [True, False]
    score = random.normal(size=n) + truth
    return (np.round(score) if ties else score), truth


@BOTH
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(4, 60), ties=st.booleans())
def test_areas_are_scikit_learns(metric: Callable[..., Any], reference: Callable[..., float], seed: int, n: int,
                                 ties: bool) -> None:
    score, truth = case(seed, n, ties)
    assert metric(score, truth)[0] == pytest.approx(reference(truth, score))


@BOTH
@pytest.mark.parametrize("ties", [False, True])
def test_influence_is_the_derivative_by_a_rows_weight(metric: Callable[..., Any], reference: Callable[..., float],
                                                      ties: bool) -> None:
    score, truth = case(4, 40, ties)
    influence = metric(score, truth)[1]
    for i in range(40):
        more, less = (np.where(np.arange(40) == i, 1 + d, 1.0) for d in (1e-5, -1e-5))
        slope = (reference(truth, score, sample_weight=more) - reference(truth, score, sample_weight=less)) / 2e-5
        assert influence[i] == pytest.approx(slope, abs=1e-7)
    assert influence.sum() == pytest.approx(0, abs=1e-9)


@BOTH
def test_spread_is_the_bootstraps(metric: Callable[..., Any], reference: Callable[..., float]) -> None:
    score, truth = case(9, 400)
    random = np.random.default_rng(0)
    drawn = [metric(score[i], truth[i])[0] for i in random.integers(0, 400, size=(600, 400))]
    assert np.sqrt((metric(score, truth)[1] ** 2).sum()) == pytest.approx(np.std(drawn), rel=0.1)


def test_labels_without_both_values_are_left_out() -> None:
    score, truth = case(2, 50)
    two = scores(np.stack([score, score], 1), np.stack([truth, np.zeros(50, bool)], 1))
    assert two[0].value == pytest.approx(roc_auc(score, truth)[0]) and "macro over 1 labels" in two[0].signature


def test_a_perfect_ranking_has_no_interval() -> None:
    got = scores(np.arange(20.0)[:, None], (np.arange(20) > 9)[:, None])[0]
    assert (got.value, got.low) == (1.0, None) and "perfect" in got.signature
