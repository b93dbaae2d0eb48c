"""Which rows make up which update: a pure function of (seed, step), so that resuming needs no loader state.

>>> order = Batches([(12, 1), (7, 1), (9, 1)], seed=1, batch_size=2, micro_batch_size=2, micro_batch_tokens=8192)
>>> order(0), order(1)                 # micro-batches of row numbers; each epoch holds every row exactly once
([[1, 2]], [[0]])

Rows of about one length stand together, or a third of the work on mixed lengths would be padding. Sorting the whole
set would tie what a row is learnt beside to its length, so rows are sorted only within a window of shuffled rows and
the window's batches are shuffled again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from weitiao.core.seeds import rng

WINDOW = 32  # batches sorted together: a tenth of padding on very mixed lengths, 2.4 times the tokens without it


class Batches:
    """The micro-batches of every update.

    Args:
        sizes: per row (tokens of its longest window, number of its windows).
        seed: decides the order.
        batch_size: rows of one update; the last update of an epoch may hold fewer.
        micro_batch_size: rows of one forward pass at most.
        micro_batch_tokens: padded tokens of one forward pass at most; a single longer row is alone.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], *, seed: int, batch_size: int, micro_batch_size: int,
                 micro_batch_tokens: int) -> None:
        self.sizes, self.seed, self.batch_size = sizes, seed, batch_size
        self.micro_batch_size, self.micro_batch_tokens = micro_batch_size, micro_batch_tokens
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    @property
    def per_epoch(self) -> int:
        """Updates of one epoch."""
        return -(-len(self.sizes) // self.batch_size)

    def __call__(self, step: int) -> list[list[int]]:
        """The micro-batches of the update numbered `step` (from 0), as row numbers."""
        epoch, index = divmod(step, self.per_epoch)
        return list(pack(self._epoch(epoch)[index], self.sizes, self.micro_batch_size, self.micro_batch_tokens))

    def halve(self) -> bool:
        """Let a forward pass hold half as many rows and tokens; False when it holds one row already."""
        if self.micro_batch_size == 1:
            return False
        self.micro_batch_size = max(1, self.micro_batch_size // 2)
        self.micro_batch_tokens = max(1, self.micro_batch_tokens // 2)
        return True

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        random = rng(self.seed, "order", epoch)
        rows = random.permutation(len(self.sizes))
        # The rows that do not fill a batch come last, as they were drawn: a sort would always pick the longest ones.
        full = len(rows) // self.batch_size * self.batch_size
        lengths = np.fromiter((length for length, _ in self.sizes), np.int32, len(self.sizes))
        batches: list[NDArray[np.int64]] = []
        span = WINDOW * self.batch_size
        for start in range(0, full, span):
            window = rows[start : min(start + span, full)]
            window = window[np.argsort(lengths[window], kind="stable")]
            cut = np.split(window, len(window) // self.batch_size)
            batches += [cut[i] for i in random.permutation(len(cut))]
        return batches + ([rows[full:]] if full < len(rows) else [])


def pack(rows: Sequence[int] | NDArray[np.int64], sizes: Sequence[tuple[int, int]], most_rows: int,
         most_tokens: int) -> Iterator[list[int]]:
    """Rows in forward passes of at most `most_rows` rows and `most_tokens` padded tokens, short rows first."""
    batch: list[int] = []
    windows = 0
    for row in sorted(map(int, rows), key=lambda i: (sizes[i][0], i)):
        length, count = sizes[row]
        if batch and (len(batch) == most_rows or (windows + count) * length > most_tokens):
            yield batch
            batch, windows = [], 0
        batch.append(row)
        windows += count
    if batch:
        yield batch
