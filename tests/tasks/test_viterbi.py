"""The likeliest legal path and the probabilities of entities against the enumeration of all sequences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from weitiao.tasks._tags import chunks
from weitiao.tasks._viterbi import Chances, best, padded

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")


def legal(path: tuple[int, ...]) -> bool:
    for before, now in zip((0, *path), path, strict=False):
        if now and now % 2 == 0 and before not in (now, now - 1):
            return False
    return True


@pytest.mark.parametrize("seed", range(6))
def test_path_and_probabilities_are_those_of_the_enumeration(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [np.log(random.dirichlet(np.full(5, 0.4), n)) for n in (1, 5, 3, 0)]
    table = padded(rows, 5)
    paths, chances = best(table), Chances(table)
    for i, row in enumerate(rows):
        every = [p for p in product(range(5), repeat=len(row)) if legal(p)]
        weight = np.array([np.exp(sum(row[t, x] for t, x in enumerate(p))) for p in every])
        assert tuple(paths[i, : len(row)]) == every[int(weight.argmax())]
        assert not paths[i, len(row) :].any()
        found = [chunks([TAGS[x] for x in p]) for p in every]
        for entity in {e for each in found for e in each}:
            want = weight[[entity in each for each in found]].sum() / weight.sum()
            assert chances.of(i, entity[0], entity[1], "XY".index(entity[2])) == pytest.approx(want, rel=1e-9)


def test_a_certain_but_illegal_sequence_is_made_legal() -> None:
    logs = np.log(np.array([[0.30, 0.01, 0.67, 0.01, 0.01], [0.02, 0.01, 0.95, 0.01, 0.01]]))
    # I-X may not begin: O I-X is no way either, so B-X I-X (0.01 · 0.95) against O O (0.30 · 0.02).
    assert best(logs[None]).tolist() == [[1, 2]]


def test_long_certain_rows_do_not_overflow() -> None:
    logs = np.full((1, 3000, 5), -80.0)
    logs[0, :, 0] = 0.0
    logs[0, 100] = [-90, 0, -90, -90, -90]
    assert best(logs)[0].nonzero()[0].tolist() == [100]
    assert Chances(logs).of(0, 100, 101, 0) == pytest.approx(1.0)
