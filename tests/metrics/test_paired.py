"""Comparing two systems on the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from weitiao.metrics import paired


def rows(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([1, 1, 0, 0], [both, first, second, neither])
    b = np.repeat([1, 0, 1, 0], [both, first, second, neither])
    return a, b


@given(st.integers(0, 80), st.integers(0, 25), st.integers(0, 25), st.integers(0, 40))
def test_mcnemar_and_tango(both: int, first: int, second: int, neither: int) -> None:
    n = both + first + second + neither
    if n == 0:
        return
    a, b = rows(both, first, second, neither)
    got, back = paired.accuracy(a, b), paired.accuracy(b, a)
    assert got.difference == pytest.approx((first - second) / n) and got.n == n
    assert got.low is not None and got.high is not None
    assert -1 <= got.low <= got.difference <= got.high <= 1
    # Swapping the systems mirrors everything.
    assert back.low == pytest.approx(-got.high, abs=1e-6) and back.p == got.p
    if first + second:
        assert got.p == pytest.approx(stats.binomtest(first, first + second).pvalue)


def test_tango_is_the_inverse_of_its_test() -> None:
    """At the bounds the score statistic, its nuisance found by brute force, is ±1.96."""
    b, c, n = 12, 5, 60
    for bound in paired.tango(b, c, n):
        q = np.linspace(1e-9, (1 - bound) / 2 - 1e-9, 400_001)  # share of "only second" rows
        q = q[(q + bound > 0) & (2 * q + bound < 1)]
        likely = b * np.log(q + bound) + c * np.log(q) + (n - b - c) * np.log(1 - 2 * q - bound)
        best = q[likely.argmax()]
        z = (b - c - n * bound) / np.sqrt(n * (2 * best + bound * (1 - bound)))
        assert abs(z) == pytest.approx(1.96, abs=0.001)


def test_tango_covers_what_it_promises() -> None:
    random = np.random.default_rng(3)
    draws = random.multinomial(100, [0.1, 0.06, 0.84], size=1500)
    inside = [low <= 0.04 <= high for low, high in (paired.tango(int(b), int(c), 100) for b, c, _ in draws)]
    assert 0.935 < np.mean(inside) < 0.97


def test_equal_systems_differ_by_nothing() -> None:
    a, _ = rows(10, 0, 0, 5)
    got = paired.accuracy(a, a)
    assert (got.difference, got.p, got.verdict) == (0.0, 1.0, 0)
    assert got.low is not None and got.low < 0 < (got.high or 0)


@pytest.mark.parametrize(("first", "second", "verdict"), [(40, 10, 1), (10, 40, -1), (12, 10, 0)])
def test_the_verdict_needs_interval_and_test(first: int, second: int, verdict: int) -> None:
    assert paired.accuracy(*rows(100, first, second, 20)).verdict == verdict


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_micro_f1_difference_is_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    y, a, b = (random.integers(0, 2, (40, 3)) for _ in range(3))
    got = paired.micro_f1(y, a, b, resamples=300, seed=1)
    assert got.difference == pytest.approx(f1_score(y, a, average="micro") - f1_score(y, b, average="micro"))
    assert got.low is not None and got.high is not None and got.low <= got.difference <= got.high and 0 < got.p <= 1


def test_spearman_difference() -> None:
    random = np.random.default_rng(2)
    y = random.normal(size=120)
    good, bad = y + 0.3 * random.normal(size=120), y + 2 * random.normal(size=120)
    got = paired.spearman(y, good, bad, resamples=1000, seed=1)
    want = stats.spearmanr(y, good).statistic - stats.spearmanr(y, bad).statistic
    assert got.difference == pytest.approx(want) and got.verdict == 1 and got.p < 0.01
    assert paired.spearman(y, bad, good, resamples=1000, seed=1).verdict == -1
    assert paired.spearman(y, good, good, resamples=200, seed=1).verdict == 0


def test_few_rows_establish_nothing() -> None:
    y = np.arange(5.0)
    got = paired.spearman(y, y, -y, resamples=200, seed=1)
    assert got.low is None and got.verdict == 0


@pytest.mark.parametrize(("n", "least"), [(1, 1.0), (2, 0.5), (5, 0.0625)])
def test_equal_signs_of_few_rows_are_chance(n: int, least: float) -> None:
    with np.errstate(invalid="ignore"):  # without the only row there is no mean, and so no interval
        got = paired.mean("bits_per_byte", np.ones(n), np.arange(n) / 9 + 2.0, resamples=2000, seed=0)
    assert got.p == least and (n > 1 or got.low is None)


def test_the_mean_s_interval_is_scipy_s_bootstrap() -> None:
    random = np.random.default_rng(4)
    a = random.choice([0.0, 0.4, 2 / 3, 1.0], 150)
    b = np.clip(a - random.choice([0.0, 0.0, 0.5], 150), 0, 1)
    got = paired.mean("f1", a, b, resamples=4000, seed=1)
    want = stats.bootstrap(((a - b),), np.mean, n_resamples=4000, random_state=2).confidence_interval
    assert got.metric == "f1" and got.difference == pytest.approx((a - b).mean()) and got.n == 150
    assert got.low == pytest.approx(want.low, abs=0.005) and got.high == pytest.approx(want.high, abs=0.005)
    assert got.verdict == 1 and paired.mean("f1", b, a, resamples=500, seed=1).verdict == -1
    assert paired.mean("f1", a, a, resamples=500, seed=1).verdict == 0
