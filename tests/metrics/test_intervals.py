"""Intervals against scipy's and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from weitiao.metrics.intervals import bca, bootstrap, mean_score, resample, share_score, wilson


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(case: tuple[int, int]) -> None:
    hits, n = case
    want = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    got = wilson(hits, n)
    assert got.low == pytest.approx(want.low, abs=1e-12) and got.high == pytest.approx(want.high, abs=1e-12)


def test_wilson_is_not_empty_when_all_are_right() -> None:
    got = wilson(30, 30)
    assert got.high == 1.0 and got.low is not None and 0.85 < got.low < 0.95


def test_wilson_covers_what_it_promises() -> None:
    random = np.random.default_rng(7)
    inside = 0
    for hits in random.binomial(200, 0.9, size=2000):
        got = wilson(int(hits), 200)
        assert got.low is not None and got.high is not None
        inside += got.low <= 0.9 <= got.high
    assert 0.94 < inside / 2000 < 0.97


@pytest.mark.parametrize("seed", range(3))
def test_bca_of_a_mean_is_scipys(seed: int) -> None:
    values = np.random.default_rng(seed).exponential(size=80)  # skewed: percentile and BCa differ
    want = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(1))
    got = mean_score("x", values, resamples=20_000, seed=1)
    assert got.value == pytest.approx(values.mean())
    assert got.low == pytest.approx(want.confidence_interval.low, rel=0.015)
    assert got.high == pytest.approx(want.confidence_interval.high, rel=0.015)


def test_bca_of_a_statistic_that_is_no_mean_is_scipys() -> None:
    values = np.random.default_rng(3).lognormal(size=60)

    def spread(x: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.var(x, axis=axis)

    def of_counts(counts: np.ndarray) -> np.ndarray:
        n = counts.sum(1)
        return (counts @ values**2 / n - (counts @ values / n) ** 2)[:, None]

    want = stats.bootstrap((values,), spread, method="BCa", n_resamples=20_000, rng=np.random.default_rng(2))
    got = bootstrap(["var"], of_counts, np.ones(60, np.int64), resamples=20_000, seed=2)["var"]
    assert got.low == pytest.approx(want.confidence_interval.low, rel=0.03)
    assert got.high == pytest.approx(want.confidence_interval.high, rel=0.03)


def test_rows_in_one_cell_are_rows_all_the_same() -> None:
    """60 rows of three values: as three cells and as 60 cells the same value, acceleration and (nearly) interval."""
    values = np.array([0.0, 1.0, 5.0])
    cells = np.array([40, 15, 5])
    rows = np.repeat(values, cells)
    few = resample(lambda c: (c @ values / c.sum(1))[:, None], cells, resamples=20_000, seed=1)
    many = resample(lambda c: (c @ rows / c.sum(1))[:, None], np.ones(60, np.int64), resamples=20_000, seed=1)
    assert few.value == pytest.approx(many.value) and few.acceleration == pytest.approx(many.acceleration)
    a, b = bca(few)[0], bca(many)[0]
    assert a.low == pytest.approx(b.low, abs=0.03) and a.high == pytest.approx(b.high, abs=0.03)


def test_leaving_out_blocks_estimates_the_same_acceleration(monkeypatch: pytest.MonkeyPatch) -> None:
    import weitiao.metrics.intervals as module

    values = np.random.default_rng(5).exponential(size=900)
    cells = np.ones(900, np.int64)

    def mean(counts: np.ndarray) -> np.ndarray:
        return (counts @ values / counts.sum(1))[:, None]

    exact = resample(mean, cells, resamples=100, seed=1)
    monkeypatch.setattr(module, "_MOST_LEFT_OUT", 10)
    monkeypatch.setattr(module, "_BLOCKS", 450)
    blocks = resample(mean, cells, resamples=100, seed=1)
    assert "blocks=450" in blocks.how and "blocks" not in exact.how
    # a falls with the root of the rows: both are small, and of one sign.
    assert blocks.acceleration == pytest.approx(exact.acceleration, abs=0.01) and blocks.acceleration > 0


def test_a_constant_has_no_interval_and_says_why() -> None:
    got = mean_score("x", np.ones(50), resamples=100, seed=0)
    assert got.value == 1.0 and got.low is None and got.high is None and "same value" in got.signature


def test_few_rows_have_no_bootstrap_interval() -> None:
    got = mean_score("x", np.arange(9.0), resamples=100, seed=0)
    assert got.low is None and "fewer than 10" in got.signature


def test_a_share_of_nothing_is_zero_and_says_why() -> None:
    got = share_score("recall[x]", 0, 0, "0 by convention")
    assert (got.value, got.low, got.n) == (0.0, None, 0) and got.signature.startswith("0 by convention")


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(10, 60))
def test_an_interval_holds_its_value_for_means(seed: int, n: int) -> None:
    got = mean_score("x", np.random.default_rng(seed).normal(size=n), resamples=500, seed=0)
    assert got.low is not None and got.high is not None and got.low <= got.value <= got.high
    assert got == mean_score("x", np.random.default_rng(seed).normal(size=n), resamples=500, seed=0)
