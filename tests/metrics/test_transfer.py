"""LogME against the evidence of the Gaussian process that the linear model is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from weitiao.metrics.transfer import columns, logme


def _features(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) * np.linspace(0.2, 2, d) + 0.3


def _brute(features: np.ndarray, y: np.ndarray) -> float:
    """max over α, β of log N(y; 0, F F'/α + I/β) / n: y's own density once w is integrated out."""
    n = len(y)

    def negative(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        return -multivariate_normal.logpdf(y, np.zeros(n), features @ features.T / alpha + np.eye(n) / beta) / n

    grid = [(a, b) for a in np.linspace(-6, 8, 8) for b in np.linspace(-4, 8, 8)]
    start = min(grid, key=lambda x: negative(np.array(x)))
    return -minimize(negative, np.array(start), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}).fun


@pytest.mark.parametrize(("n", "d"), [(40, 5), (20, 30)])
def test_logme_is_the_largest_evidence(n: int, d: int) -> None:
    features = _features(n, d)
    y = features[:, 0] - 0.5 * features[:, -1] + 0.3 * np.random.default_rng(1).normal(size=n)
    assert logme(features, y) == pytest.approx(_brute(features, y), abs=1e-5)


def test_logme_of_labels_is_the_mean_over_one_column_a_label() -> None:
    features, labels = _features(60, 6), np.random.default_rng(2).integers(0, 3, 60)
    features[:, 0] += labels
    want = np.mean([_brute(features, (labels == k).astype(float)) for k in range(3)])
    assert logme(features, labels) == pytest.approx(want, abs=1e-4)


def test_logme_prefers_features_that_know_the_labels() -> None:
    labels = np.random.default_rng(3).integers(0, 2, 200)
    noise = _features(200, 8)
    known = noise.copy()
    known[:, 1] += 2 * labels
    assert logme(known, labels) > logme(noise, labels) + 0.05


def test_logme_survives_what_features_explain_wholly_and_not_at_all() -> None:
    features = _features(30, 4)
    for y in (features[:, 0], np.zeros(30), np.ones(30)):
        assert np.isfinite(logme(features, y))
    assert np.isfinite(logme(np.zeros((30, 4)), features[:, 0]))


def test_several_labels_a_row_are_columns() -> None:
    several = np.array([[0, 1], [1, 1], [1, 0]])
    assert columns(several).tolist() == several.tolist()
    assert columns(np.array([5, 2, 5])).tolist() == [[0, 1], [1, 0], [0, 1]]  # labels 0, 1, 3, 4 do not occur
    assert columns(np.array([0.5, -1.0])).tolist() == [[0.5], [-1.0]]
