"""Bits per byte and perplexity: ratios of sums, by hand; and that less is better."""

from __future__ import annotations

import math

import numpy as np
import pytest

from weitiao.evaluate._sentences import sentence
from weitiao.metrics import likelihood
from weitiao.metrics.likelihood import Cost


def costs(n: int, scale: float = 1.0, seed: int = 0) -> list[Cost]:
    random = np.random.default_rng(seed)
    return [Cost(scale * float(random.uniform(20, 40)), int(random.integers(5, 9)), int(random.integers(20, 30)))
            for _ in range(n)]


def test_ratios_of_sums_not_means_of_ratios() -> None:
    rows = [Cost(math.log(2) * 8, 4, 8), Cost(math.log(2) * 2, 1, 1)]
    got = likelihood.quick(rows)
    assert got["bits_per_byte"] == pytest.approx(10 / 9)
    assert got["perplexity"] == pytest.approx(2 ** (10 / 5))


def test_intervals_hold_the_value_and_the_signature_says_what_was_asked() -> None:
    bits, perplexity = likelihood.scores(costs(40), seed=1, resamples=500, note="every token")
    assert (bits.name, perplexity.name) == ("bits_per_byte", "perplexity")
    for score in (bits, perplexity):
        assert score.low is not None and score.high is not None and score.low < score.value < score.high
        assert score.n == 40 and score.signature.startswith("every token; bca95")
    again = np.array(costs(40))
    draws = [r[:, 0].sum() / math.log(2) / r[:, 2].sum()
             for r in (again[np.random.default_rng(i).integers(0, 40, 40)] for i in range(2000))]
    assert (bits.low, bits.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), rel=0.02)


def test_less_is_better() -> None:
    better, worse = costs(40), costs(40, scale=1.1)
    got = likelihood.compare(better, worse, seed=1, resamples=500)
    assert got.metric == "bits_per_byte" and got.difference < 0 and got.verdict == 1
    assert likelihood.compare(worse, better, seed=1, resamples=500).verdict == -1
    assert likelihood.compare(better, better, seed=1, resamples=500).verdict == 0
    said = sentence(likelihood.scores(better, seed=1, resamples=500, note="")[0], got, "untouched")
    assert said["outcome"] == "better" and said["en"].startswith("fine-tuning beats the untouched base by 0.")
    assert "bits per byte" in said["en"] and "低" in said["zh"]


def test_nothing_foreseen_is_no_error() -> None:
    assert likelihood.quick([Cost(0.0, 0, 0)]) == {"bits_per_byte": 0.0, "perplexity": 1.0}
