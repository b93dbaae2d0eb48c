"""Randomness that is a pure function of what it is for, so that resuming needs no generator state.

>>> key(1, "dropout", 7, 0) == key(1, "dropout", 7, 0)
True
"""

from __future__ import annotations

import hashlib

import numpy as np


def key(seed: int, *purpose: str | int) -> int:
    """A 63-bit number from the seed and what it is for, e.g. `key(seed, "dropout", step, micro_step)`.

    Stable across machines, processes and versions (BLAKE2b of the text form; Python's own `hash` is salted).
    """
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def rng(seed: int, *purpose: str | int) -> np.random.Generator:
    """NumPy's generator for that purpose."""
    return np.random.default_rng(key(seed, *purpose))
