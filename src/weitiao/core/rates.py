"""How fast this machine's CPU multiplies matrices, from some milliseconds of it.

>>> rates(384)     # operations a second
{'fp32': 37.4e9, 'bf16': 0.5e9}

A CPU without bf16 units may multiply bfloat16 by hand, at a seventieth of its float32 rate; the full product would
then take seconds for an answer that a small one gives. So bf16 goes on to the full product only where a small one
keeps up.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache

ROWS, FEW = 512, 4
GAIN = 1.3  # bf16 must be faster by this factor: less is not worth its rounding
_BEHIND = 4.0  # times as slow as float32 on few rows: nowhere seen on a CPU that has bf16 units


def gain(width: int) -> float:
    """How many times as fast as in fp32 such a product is in bf16."""
    found = rates(width)
    return found["bf16"] / found["fp32"]


@lru_cache
def rates(width: int) -> dict[str, float]:
    """Operations a second of the largest product of a layer of that width, in fp32 and in bf16.

    Turn by turn, and the fastest of each: on a busy machine all other times tell of the neighbours.
    """
    small = _fastest(FEW, width, ("fp32", "bf16"), turns=3)
    if small["bf16"] * _BEHIND < small["fp32"]:
        return {**_fastest(ROWS, width, ("fp32",), turns=12), "bf16": small["bf16"]}
    return _fastest(ROWS, width, ("fp32", "bf16"), turns=12)


def _fastest(rows: int, width: int, kinds: tuple[str, ...], *, turns: int) -> dict[str, float]:
    import torch

    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    seconds = dict.fromkeys(kinds, math.inf)
    for _ in range(turns):
        for kind in kinds:
            a = torch.ones(rows, width, dtype=dtypes[kind])
            b = torch.ones(width, 4 * width, dtype=dtypes[kind])
            start = time.perf_counter()
            a @ b
            seconds[kind] = min(seconds[kind], time.perf_counter() - start)
    return {kind: 2 * rows * width * 4 * width / s for kind, s in seconds.items()}
