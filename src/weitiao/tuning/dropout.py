"""Dropout's random numbers: keyed by (seed, step, micro-batch), and on a CPU cut from a pool drawn in advance.

>>> dropout = Dropout(seed=1, pooled=True)
>>> with dropout.installed(model):             # nn.Dropout modules are stood in for, and put back at the end
...     dropout.start(step=0, index=0)         # before each forward pass; the same numbers after a resume
...     model(**batch)

Drawing a fresh mask for every activation is a tenth of a step on a CPU, so there the masks are slices, at random
places, of one long mask that is drawn anew every 64 updates.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from weitiao.core.seeds import key

POOL = 1 << 22  # elements: some tens of times what one activation of a short text needs
RENEW = 64  # updates
ALIGN = 64  # elements: slices begin where a cache line does


class Dropout:
    """The source of all of a run's dropout masks.

    Args:
        seed: the run's.
        pooled: cut masks from a pool. Not with activation checkpointing, which draws each mask twice and relies on
            torch's own generator for getting the same one.
    """

    def __init__(self, seed: int, *, pooled: bool) -> None:
        self.seed, self.pooled = seed, pooled
        self._places = random.Random(0)  # noqa: S311 - not for secrets
        self._age = -1
        self._pools: dict[tuple[float, torch.dtype], torch.Tensor] = {}

    def start(self, step: int, index: int) -> None:
        """Key everything random in the forward pass of micro-batch `index` of update `step`."""
        number = key(self.seed, "dropout", step, index)
        torch.manual_seed(number)
        self._places.seed(number)
        if self._age != step // RENEW:
            self._age = step // RENEW
            self._pools = {}

    def __call__(self, x: torch.Tensor, p: float) -> torch.Tensor:
        """`x` with each element zeroed with probability `p` and the others scaled by 1/(1−p)."""
        if p == 0:
            return x
        if not self.pooled:
            return nn.functional.dropout(x, p)
        return x * self._mask(x.numel(), p, x.dtype).view(x.shape)

    def _mask(self, n: int, p: float, dtype: torch.dtype) -> torch.Tensor:
        pool = self._pool(p, dtype)
        parts = []
        for size in [POOL] * (n // POOL) + [n % POOL]:
            place = self._places.randrange((POOL - size) // ALIGN + 1) * ALIGN
            parts.append(pool[place : place + size])
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _pool(self, p: float, dtype: torch.dtype) -> torch.Tensor:
        if (p, dtype) not in self._pools:
            # Its own generator: the pool must not depend on which pass of the 64 updates asks for it first.
            own = torch.Generator().manual_seed(key(self.seed, "dropout pool", self._age))
            self._pools[p, dtype] = torch.empty(POOL, dtype=dtype).bernoulli_(1 - p, generator=own).div_(1 - p)
        return self._pools[p, dtype]

    @contextmanager
    def installed(self, model: nn.Module) -> Iterator[None]:
        """Stand in for the model's nn.Dropout modules."""
        replaced = [(parent, name, child) for parent in model.modules() for name, child in parent.named_children()
                    if type(child) is nn.Dropout] if self.pooled else []
        for parent, name, child in replaced:
            setattr(parent, name, Pooled(self, child.p))
        try:
            yield
        finally:
            for parent, name, child in replaced:
                setattr(parent, name, child)


class Pooled(nn.Module):
    def __init__(self, source: Dropout, p: float) -> None:
        super().__init__()
        self.source, self.p = source, p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.source(x, self.p) if self.training else x
