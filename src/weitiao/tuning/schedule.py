"""The learning rate as a pure function of the step.

>>> [round(factor(s, steps=10, warmup=2, kind="linear"), 2) for s in (0, 1, 2, 6, 9)]
[0.5, 1.0, 1.0, 0.5, 0.12]
"""

from __future__ import annotations

import math
from typing import Literal

Kind = Literal["linear", "cosine", "constant"]


def factor(step: int, *, steps: int, warmup: int, kind: Kind) -> float:
    """What the peak rate is multiplied by at update `step` of `steps`, both counted from 0; never 0.

    It rises by equal parts over the `warmup` updates, then falls to 0 at `steps`: straight (linear), along half a
    cosine wave (cosine; Loshchilov & Hutter 2017, without restarts), or not at all (constant).
    """
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / max(1, steps - warmup)
    if kind == "constant":
        return 1.0
    return left if kind == "linear" else 0.5 * (1 - math.cos(math.pi * left))
