"""Killed with SIGKILL at random moments, also during saves, the resumed run ends with the bytes of a whole one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import target
from killing import Runs


def test_three_kills(tiny_folder: Path, tmp_path: Path) -> None:
    tally = Runs("classification", str(tiny_folder), 1, tmp_path).survive(3, random.Random(3))
    assert (tally.kills, tally.identical, tally.different, tally.stuck) == (3, tally.runs, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", target.KINDS)
def test_ten_kills(kind: str, ranks: int, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    runs = Runs(kind, str(tiny_folders[target.KINDS[kind].base]), ranks, tmp_path)
    tally = runs.survive(10, random.Random(10))
    assert (tally.identical, tally.different, tally.stuck) == (tally.runs, 0, 0) and tally.in_a_save
