"""A column of numbers in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from weitiao.core.numbers import Numbers


def test_what_was_added_is_read_back_also_in_between(tmp_path: Path) -> None:
    numbers = Numbers(tmp_path / "n", "Q")
    assert numbers.read().tolist() == []
    numbers.extend([2**63, 1])
    assert numbers.read().tolist() == [2**63, 1]
    numbers.extend(range(200_000))
    assert len(numbers) == 200_002
    assert np.array_equal(numbers.read()[2:], np.arange(200_000))
    assert (tmp_path / "n").stat().st_size == 8 * 200_002


@pytest.mark.parametrize("value", [-1, 2**32])
def test_a_number_that_does_not_fit_is_refused(tmp_path: Path, value: int) -> None:
    with pytest.raises(OverflowError):
        Numbers(tmp_path / "n", "I").extend([value])
