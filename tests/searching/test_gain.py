"""The gain over seeds and rows, against formulas computed here and against simulated truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from weitiao.searching.gain import Gain, gain, sentence
from weitiao.searching.trial import Judged

Array = np.ndarray[Any, Any]


def judged(rows: Array) -> Judged:
    """Of a number a row, each row a group of its own."""
    n = len(rows)
    return Judged(float(rows.mean()), {}, n, tuple(float(np.delete(rows, i).mean()) for i in range(n)))


def of_rows(default: Array, best: Array, metric: str = "accuracy") -> Gain:
    """(seeds, rows) each."""
    return gain(metric, [judged(x) for x in default], [judged(x) for x in best])


def test_both_sources_of_chance_are_counted() -> None:
    """Of a mean over rows the jackknife is s²/n, so all parts have a closed form."""
    random = np.random.default_rng(0)
    d = random.normal(0.3, 1, (1, 20)) + random.normal(0, 0.4, (4, 1)) + random.normal(0, 0.5, (4, 20))
    got = of_rows(np.zeros_like(d), d)
    rows, seeds = d.mean(0).var(ddof=1) / 20, d.mean(1).var(ddof=1) / 4
    both = (d.var(axis=1, ddof=1).mean() / 20 - rows) / 3
    variance = max(rows, seeds, rows + seeds - max(both, 0))
    freedom = (rows + seeds) ** 2 / (rows**2 / 19 + seeds**2 / 3)
    assert both > 0
    assert got.value == pytest.approx(d.mean())
    assert got.high - got.value == pytest.approx(stats.t.ppf(0.975, freedom) * variance**0.5)
    assert got.p == pytest.approx(2 * stats.t.sf(abs(d.mean()) / variance**0.5, freedom))
    assert (got.seeds, got.rows) == (4, 20)


def test_less_of_a_loss_is_a_gain() -> None:
    random = np.random.default_rng(1)
    a = random.normal(10, 1, (3, 20))
    b = a - 0.5 - random.normal(0, 0.01, (3, 20))
    got = of_rows(a, b, "perplexity")
    assert got.value == pytest.approx(0.5, abs=0.02) and got.established
    assert not of_rows(b, a, "perplexity").established


def test_rows_that_agree_on_luck_of_one_seed_establish_nothing() -> None:
    """One seed of three went wrong: over 1,000 pooled rows that would look certain."""
    default = np.ones((3, 1000))
    default[0, :600] = 0
    best = np.ones((3, 1000))
    assert not of_rows(default, best).established
    pooled = (best - default).mean(0)
    assert stats.ttest_1samp(pooled, 0).pvalue < 1e-10


def test_equal_recipes_have_no_gain() -> None:
    same = np.ones((3, 20))
    got = of_rows(same, same)
    assert (got.value, got.low, got.high, got.p) == (0, 0, 0, 1) and not got.established


@pytest.mark.parametrize("spread", [(0.3, 0.0, 0.1), (0.0, 0.02, 0.3), (0.2, 0.02, 0.3)])
def test_intervals_hold_the_truth(spread: tuple[float, float, float]) -> None:
    """1,000 simulated comparisons of 3 seeds on 60 rows: at least 93 % of the intervals hold the true gain."""
    random = np.random.default_rng(2)
    row, seed, both = spread
    hits = 0
    for _ in range(1000):
        d = 0.02 + random.normal(0, row, (1, 60)) + random.normal(0, seed, (3, 1)) + random.normal(0, both, (3, 60))
        got = of_groups(d, 20)
        hits += got.low <= 0.02 <= got.high
    assert hits >= 930


def of_groups(d: Array, groups: int) -> Gain:
    which = np.arange(d.shape[1]) % groups
    zero = [Judged(0.0, {}, d.shape[1], (0.0,) * groups)] * len(d)
    return gain("accuracy", zero, [Judged(float(x.mean()), {}, len(x), tuple(float(x[which != g].mean()) for g in range(groups)))
                                   for x in d])


def test_the_sentence_says_what_to_do() -> None:
    made: Sequence[Any] = ("accuracy", 0.012, 0.004, 0.020, 0.01, 5, 1000, 0.85, 0.862)
    got = sentence(Gain(*made), "", folded=False)
    assert got["outcome"] == "take"
    assert got["en"] == "the search gained +1.2 ± 0.8 points on 1,000 validation rows, 5 seeds (p=0.010): take it"
    open_ = sentence(Gain("spearman", 0.004, -0.001, 0.009, 0.09, 3, 300, 0.8, 0.804), "", folded=True)
    assert open_["outcome"] == "keep"
    assert open_["en"] == "the search gained +0.004 ± 0.005 Spearman correlation on 300 training rows in folds, 3 seeds (p=0.090): keep the default"
    assert "种子" in open_["zh"]
    assert sentence(None, "default", folded=False)["outcome"] == "keep"
    assert "time" in sentence(None, "time", folded=False)["en"]
