"""Numbers: every metric against scipy's or scikit-learn's on random cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from weitiao.metrics.regression import Ranks, Statistic, quick, scores


def case(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.normal(size=n) * 3 + random.choice([0, 1e4])
    p = y + random.normal(size=n)
    return (np.round(p), np.round(y)) if random.random() < 0.5 else (p, y)  # ties in half of them


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(10, 80))
def test_values_are_scipys(seed: int, n: int) -> None:
    p, y = case(seed, n)
    got = {s.name: s for s in scores(p, y, seed=1, resamples=200)}
    assert next(iter(got)) == "spearman"
    assert got["spearman"].value == pytest.approx(stats.spearmanr(p, y).statistic)
    assert got["pearson"].value == pytest.approx(stats.pearsonr(p, y).statistic)
    assert got["r2"].value == pytest.approx(sk.r2_score(y, p))
    assert got["mae"].value == pytest.approx(sk.mean_absolute_error(y, p))
    assert got["rmse"].value == pytest.approx(sk.root_mean_squared_error(y, p))
    assert quick(p, y) == {k: pytest.approx(s.value) for k, s in got.items()}
    for s in got.values():
        assert s.low is None or s.high is None or s.low <= s.value <= s.high, s


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(5, 40))
def test_weighted_ranks_are_ranks_of_repeated_rows(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    values, counts = np.round(random.normal(size=n), 1), random.integers(0, 4, n)
    counts[0] = 1
    got = Ranks(values)(counts[None, :].astype(float))[0]
    want = stats.rankdata(np.repeat(values, counts)) - 0.5
    assert np.repeat(got, counts) == pytest.approx(want)


def test_spearman_of_resamples_is_scipys() -> None:
    p, y = case(8, 50)
    counts = np.random.default_rng(1).multinomial(50, [1 / 50] * 50, size=20)
    got = Statistic(p, y).spearman(counts.astype(float))
    for c, value in zip(counts, got, strict=True):
        assert value == pytest.approx(stats.spearmanr(np.repeat(p, c), np.repeat(y, c)).statistic)


def test_spearmans_interval_is_scipys() -> None:
    p, y = np.random.default_rng(1).normal(size=(2, 60))
    p = p + y

    def spearman(a: np.ndarray, b: np.ndarray) -> float:
        return stats.spearmanr(a, b).statistic

    want = stats.bootstrap((p, y), spearman, paired=True, vectorized=False, method="BCa", n_resamples=1500,
                           rng=np.random.default_rng(2)).confidence_interval
    got = scores(p, y, seed=2, resamples=20_000)[0]
    assert got.low == pytest.approx(want.low, abs=0.03) and got.high == pytest.approx(want.high, abs=0.03)


@pytest.mark.parametrize("value", [0.0, 0.1, 1234.5])
def test_constants_have_no_correlation_and_say_so(value: float) -> None:
    y = np.random.default_rng(0).normal(size=30)
    got = {s.name: s for s in scores(np.full(30, value), y, seed=0, resamples=100)}
    for name in ("spearman", "pearson"):
        assert (got[name].value, got[name].low) == (0.0, None) and "not defined" in got[name].signature
    assert got["mae"].low is not None
    flat = {s.name: s for s in scores(y, np.full(30, value), seed=0, resamples=100)}
    assert flat["r2"].value == 0.0 and "not defined" in flat["r2"].signature


def test_of_a_single_row_none_is_left_out() -> None:
    """No division by nothing (warnings are errors here), no interval, and the signature says that nothing is defined."""
    found = {s.name: s for s in scores(np.array([2.0]), np.array([5.0]), seed=1, resamples=100)}
    assert found["spearman"].low is None and found["spearman"].signature.startswith("not defined")
    assert (found["mae"].value, found["mae"].low) == (3.0, None)
