"""Spans counted as conlleval counts them: its published example, seqeval's, and cases computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weitiao.metrics import paired
from weitiao.metrics.spans import Counted, quick, row_f1, scores
from weitiao.tasks._tags import chunks


def value(found: list[Any], name: str) -> Any:
    return next(s for s in found if s.name == name)


# label: phrases in the data, found, correct; https://www.clips.uantwerpen.be/conll2000/chunking/output.html prints the
# sums 459, 539, 371 and the shares that these counts give.
PUBLISHED = {"ADJP": (6, 1, 0), "ADVP": (8, 11, 5), "NP": (262, 317, 206), "PP": (90, 107, 89), "SBAR": (6, 3, 2),
             "VP": (87, 100, 69)}
SHARES = {"ADJP": (0.0, 0.0, 0.0), "ADVP": (45.45, 62.50, 52.63), "NP": (64.98, 78.63, 71.16),
          "PP": (83.18, 98.89, 90.36), "SBAR": (66.67, 33.33, 44.44), "VP": (69.00, 79.31, 73.80)}


def test_conllevals_published_example() -> None:
    """Each phrase as a row of its own; 961 words, 838 of them right (87.20 %)."""
    truth: list[Any] = []
    given: list[Any] = []
    for label, (true, found, both) in PUBLISHED.items():
        one = (0, 1, label)
        truth += [[one]] * true + [[]] * (found - both)
        given += [[one]] * both + [[]] * (true - both) + [[one]] * (found - both)
    words = [(838, 961)] + [(0, 0)] * (len(truth) - 1)
    got = scores(Counted.of(truth, given, words), seed=1, resamples=50)
    for name, want in (("span_precision", 68.83), ("span_recall", 80.83), ("span_f1", 74.35), ("token_accuracy", 87.20)):
        assert round(100 * value(got, name).value, 2) == want
    for label, want_each in SHARES.items():
        for name, want in zip(("precision", "recall", "f1"), want_each, strict=True):
            assert round(100 * value(got, f"{name}[{label}]").value, 2) == want
    assert value(got, "recall[NP]").n == 262 and value(got, "precision[NP]").n == 317
    assert value(got, "span_f1_macro").value == pytest.approx(np.mean([x[2] for x in SHARES.values()]) / 100, abs=1e-4)


def test_seqevals_example() -> None:
    """https://github.com/chakki-works/seqeval: F1 0.50, micro and macro 0.50, MISC 0, PER 1."""
    truth = [chunks(["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"]), chunks(["B-PER", "I-PER", "O"])]
    given = [chunks(["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"]), chunks(["B-PER", "I-PER", "O"])]
    counted = Counted.of(truth, given, [(5, 7), (3, 3)])
    assert quick(counted) == {"span_f1": 0.5, "token_accuracy": 0.8}
    got = scores(counted, seed=1, resamples=20)
    assert value(got, "f1[MISC]").value == 0.0 and value(got, "f1[PER]").value == 1.0
    assert got[0].name == "span_f1" and value(got, "span_f1_macro").value == 0.5
    assert row_f1(counted).tolist() == [0.0, 1.0]


def test_nothing_to_find_and_nothing_given_is_right_but_adds_nothing() -> None:
    counted = Counted.of([[], [(0, 1, "x")]], [[], []], [(3, 3), (1, 2)])
    assert row_f1(counted).tolist() == [1.0, 0.0]
    assert quick(counted) == {"span_f1": 0.0, "token_accuracy": 0.8}
    assert quick(Counted.of([[]], [[]], [(0, 0)])) == {"span_f1": 0.0, "token_accuracy": 0.0}


def rows(random: np.random.Generator, n: int, share: float) -> tuple[list[Any], list[Any]]:
    truth = [[(k, k + 1, "ab"[k % 2]) for k in range(int(random.integers(0, 4)))] for _ in range(n)]
    given = [[x if random.random() < share else (9, 10, "a") for x in row] for row in truth]
    return truth, [sorted(set(row)) for row in given]


def test_interval_is_that_of_a_plain_bootstrap_over_rows() -> None:
    random = np.random.default_rng(3)
    truth, given = rows(random, 300, 0.7)
    got = scores(Counted.of(truth, given, [(1, 1)] * 300), seed=1, resamples=4000)[0]
    draws = []
    for _ in range(4000):
        pick = random.integers(0, 300, 300)
        true, found = sum(len(truth[i]) for i in pick), sum(len(given[i]) for i in pick)
        both = sum(len(set(truth[i]) & set(given[i])) for i in pick)
        draws.append(2 * both / (true + found))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert got.low == pytest.approx(low, abs=0.006) and got.high == pytest.approx(high, abs=0.006)


def test_a_better_system_is_told_apart_and_an_equal_one_is_not() -> None:
    random = np.random.default_rng(4)
    truth, good = rows(random, 200, 0.9)
    bad = [row[: len(row) // 2] for row in good]
    counts = [Counted.of(truth, given, [(1, 1)] * 200).sums for given in (good, bad)]
    got = paired.counted_f1("span_f1", *counts, resamples=500, seed=1)
    assert got.metric == "span_f1" and got.verdict == 1
    f1 = [2 * c[:, 2].sum() / (c[:, 0].sum() + c[:, 1].sum()) for c in counts]
    assert got.difference == pytest.approx(f1[0] - f1[1])
    assert paired.counted_f1("span_f1", counts[0], counts[0], resamples=500, seed=1).verdict == 0
