"""Seconds of forward and backward passes, learnt from a few of them and told for all others.

>>> speed = Speed()
>>> for work, seconds in measured:
...     speed.add(work, seconds)
>>> speed.seconds(work_of_the_whole_run)
Seconds(wall=61.2, cpu=60.8)

A pass costs a + b · tokens + c · tokens · length, padding counted: overhead, matrix products, attention. The three
numbers, none of them negative, are those with the least squared relative error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weitiao.tuning.batches import Batches

_MOST = 2000  # updates that are looked at for what a run will have to do; more are drawn at equal distances

Work = NDArray[np.float64]  # (updates, passes, padded tokens, padded tokens · length)


@dataclass(frozen=True, slots=True)
class Seconds:
    """On the wall, and of a processor: the latter stays the same where others are at work on the machine."""

    wall: float
    cpu: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __mul__(self, factor: float) -> Seconds:
        return Seconds(self.wall * factor, self.cpu * factor)


class Stopwatch:
    """`Seconds` since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Seconds:
        return Seconds(time.perf_counter() - self._wall, time.process_time() - self._cpu)


class Speed:
    """What was measured so far; at least one `add` before `seconds`."""

    def __init__(self) -> None:
        self._work: list[Work] = []
        self._took: list[Seconds] = []

    def __len__(self) -> int:
        return len(self._work)

    def add(self, work: Work, took: Seconds) -> None:
        """So much work took so long."""
        self._work.append(work)
        self._took.append(took)

    def seconds(self, work: Work) -> Seconds:
        """For other work."""
        return Seconds(self._told(work, [t.wall for t in self._took]), self._told(work, [t.cpu for t in self._took]))

    def _told(self, work: Work, took: Sequence[float]) -> float:
        from scipy.optimize import nnls

        found, seconds = np.stack(self._work), np.maximum(np.asarray(took), 1e-6)
        scale = np.maximum(found.max(0), 1e-9)
        factors, _ = nnls(found / scale / seconds[:, None], np.ones(len(seconds)))
        return float(work / scale @ factors)


def work(passes: Iterable[Sequence[int]], sizes: Sequence[tuple[int, int]], updates: int = 0) -> Work:
    """Of forward passes over rows of those numbers. `sizes`: per row (tokens of the longest window, windows)."""
    total = np.zeros(4)
    for rows in passes:
        length = max(sizes[i][0] for i in rows)
        tokens = length * sum(sizes[i][1] for i in rows)
        total += (0, 1, tokens, tokens * length)
    total[0] = updates
    return total


def of_steps(batches: Batches, first: int, last: int) -> Work:
    """Of the updates numbered `first` to `last` − 1."""
    if last <= first:
        return np.zeros(4)
    chosen = np.unique(np.linspace(first, last - 1, min(_MOST, last - first)).round().astype(int)).tolist()
    seen = sum((work(batches(step), batches.sizes, 1) for step in chosen), np.zeros(4))
    return seen * ((last - first) / len(chosen))
