"""Times are told from measured ones; the work of a schedule is counted as it will be done."""

from __future__ import annotations

import numpy as np
import pytest

from weitiao.tuning import speed
from weitiao.tuning.batches import Batches
from weitiao.tuning.speed import Seconds, Speed

SIZES = [(3 + (i * 7) % 50, 1 + i % 2) for i in range(103)]


def seconds(work: speed.Work) -> float:
    """A made-up machine: 10 ms an update, 2 ms a pass, 1 ms a token, 5 µs a token and token of its length."""
    return float(work @ (1e-2, 2e-3, 1e-3, 5e-6))


def schedule() -> Batches:
    return Batches(SIZES, seed=1, batch_size=8, micro_batch_size=4, micro_batch_tokens=120)


def test_padding_windows_and_passes_are_counted() -> None:
    got = speed.work([[0, 1], [2]], [(10, 1), (7, 2), (4, 1)], updates=1)
    assert got.tolist() == [1, 2, 30 + 4, 300 + 16]


def test_a_machine_that_follows_the_model_is_foretold_exactly() -> None:
    batches, told = schedule(), Speed()
    for step in range(9):
        work = speed.work(batches(step), SIZES, 1)
        told.add(work, Seconds(seconds(work), 2 * seconds(work)))
    whole = speed.of_steps(batches, 9, 40)
    brute = sum(seconds(speed.work(batches(step), SIZES, 1)) for step in range(9, 40))
    got = told.seconds(whole)
    assert seconds(whole) == pytest.approx(brute)
    assert got.wall == pytest.approx(brute, rel=1e-3) and got.cpu == pytest.approx(2 * brute, rel=1e-3)


def test_a_length_that_was_not_measured_is_foretold_from_three_others() -> None:
    """Measured on rows of 8, 200 and 400 tokens, told for one of 60."""
    told = Speed()
    for length in (8, 200, 400):
        work = speed.work([[0]], [(length, 1)])
        told.add(work, Seconds(seconds(work), seconds(work)))
    middle = speed.work([[0]], [(60, 1)])
    assert told.seconds(middle).wall == pytest.approx(seconds(middle), rel=1e-3)


def test_long_schedules_are_sampled_and_nothing_left_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = schedule()
    exact = speed.of_steps(batches, 0, 1300)
    monkeypatch.setattr(speed, "_MOST", 100)
    assert np.allclose(speed.of_steps(batches, 0, 1300), exact, rtol=0.05)
    assert speed.of_steps(batches, 5, 5).sum() == 0
