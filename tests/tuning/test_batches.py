from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.tuning.batches import Batches, pack

sizes = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 3)), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 40), st.integers(1, 40), st.integers(1, 500), st.integers(0, 5))
def test_every_epoch_holds_every_row_once_within_the_limits(
        rows: list[tuple[int, int]], batch: int, micro: int, tokens: int, seed: int) -> None:
    order = Batches(rows, seed=seed, batch_size=batch, micro_batch_size=micro, micro_batch_tokens=tokens)
    for epoch in range(2):
        updates = [order(epoch * order.per_epoch + i) for i in range(order.per_epoch)]
        assert sorted(r for update in updates for m in update for r in m) == list(range(len(rows)))
        assert all(sum(map(len, u)) == batch for u in updates[:-1])
        for m in (m for update in updates for m in update):
            assert len(m) <= micro
            assert len(m) == 1 or sum(rows[r][1] for r in m) * max(rows[r][0] for r in m) <= tokens


def test_a_step_depends_on_nothing_but_seed_and_number() -> None:
    def make(seed: int = 3) -> Batches:
        return Batches([(i % 17 + 1, 1) for i in range(100)], seed=seed, batch_size=8, micro_batch_size=4,
                       micro_batch_tokens=64)

    forward, backward = make(), make()
    steps = range(40)
    assert [forward(s) for s in steps] == [backward(s) for s in reversed(steps)][::-1]
    assert make(4)(0) != make(3)(0)
    assert make()(0) != make()(make().per_epoch), "each epoch has an order of its own"


def test_micro_batches_do_not_change_which_rows_an_update_holds() -> None:
    lengths = [(i % 17 + 1, 1) for i in range(100)]
    one = Batches(lengths, seed=1, batch_size=16, micro_batch_size=16, micro_batch_tokens=9999)
    many = Batches(lengths, seed=1, batch_size=16, micro_batch_size=3, micro_batch_tokens=40)
    for step in range(20):
        assert sorted(chain(*one(step))) == sorted(chain(*many(step)))


def test_length_windows_save_most_of_the_padding_and_keep_lengths_in_no_order() -> None:
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(3.5, 0.7, 4000).astype(int), 4, 256)
    order = Batches([(int(n), 1) for n in lengths], seed=1, batch_size=16, micro_batch_size=16,
                    micro_batch_tokens=10**6)
    padded = sum(len(m) * max(lengths[m]) for s in range(order.per_epoch) for m in order(s))
    assert padded < 1.15 * lengths.sum()
    means = [np.mean(lengths[order(s)[0]]) for s in range(order.per_epoch)]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2


def test_halving_stops_at_one_row() -> None:
    order = Batches([(5, 1)] * 8, seed=1, batch_size=8, micro_batch_size=4, micro_batch_tokens=100)
    assert [order.halve() for _ in range(3)] == [True, True, False]
    assert [len(m) for m in order(0)] == [1] * 8


@pytest.mark.parametrize("rows", [[], [2, 0, 1]])
def test_pack_puts_short_rows_first(rows: list[int]) -> None:
    assert list(chain(*pack(rows, [(9, 1), (3, 1), (5, 1)], 2, 100))) == sorted(rows, key=lambda r: (9, 3, 5)[r])
