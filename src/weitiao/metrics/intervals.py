"""95 % intervals: Wilson's for shares, the bias-corrected and accelerated bootstrap (BCa) for everything else.

>>> wilson(90, 100)
Interval(low=0.8256..., high=0.9447..., how='wilson95')

The bootstrap never touches rows. Rows that are equal in all that a metric looks at form one cell (for accuracy and
F1: one cell of the confusion matrix), a resample is a vector of cell counts, and a metric is a function of many such
vectors at once. So 2,000 resamples of 10,000 rows cost two or three matrix products.

Sources: Wilson 1927; Efron 1987, "Better Bootstrap Confidence Intervals" (BCa).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core import seeds
from weitiao.metrics import Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Z95 = 1.959963984540054
FEWEST = 10  # rows below which no bootstrap is tried: its intervals are far too narrow there
_MOST_LEFT_OUT = 2000  # cells that the jackknife leaves out one by one; beyond, whole blocks of rows
_BLOCKS = 1000
_ENTRIES = 4_000_000  # counts held at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval; None with the reason in `how` where there is none."""

    low: float | None
    high: float | None
    how: str


@dataclass(frozen=True, slots=True)
class Resampled:
    """What a bootstrap saw of m numbers.

    Args:
        value: (m,) on the rows themselves.
        draws: (B, m) on the resamples.
        acceleration: (m,) by the jackknife.
        rows: how many rows were resampled.
        how: for the signature.
    """

    value: Array
    draws: Array
    acceleration: Array
    rows: int
    how: str


Statistic = Callable[[Any], Any]  # counts (b, cells) -> values (b, m), row by row


def wilson(hits: int, n: int) -> Interval:
    """Wilson's score interval of hits / n. It is never empty, not even at 0 or n hits."""
    if n == 0:
        return Interval(None, None, "no interval: no rows")
    p, z2 = hits / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At 0 and n hits the bound is 0 or 1 exactly; floating point would miss it by 1e-17.
    return Interval(0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half, "wilson95")


def resample(statistic: Statistic, cells: NDArray[np.int64], *, resamples: int, seed: int) -> Resampled:
    """Bootstrap of `statistic` over rows that fall into cells.

    Args:
        statistic: maps counts (b, cells) to values (b, m), each row by itself.
        cells: how many rows each cell holds; all ones where every row is a cell of its own.
        resamples: B.
        seed: decides the resamples.
    """
    rows = int(cells.sum())
    random = seeds.rng(seed, "bootstrap")
    owner = np.repeat(np.arange(len(cells)), cells)
    step = max(1, _ENTRIES // len(cells))
    draws = []
    for start in range(0, resamples, step):
        b = min(step, resamples - start)
        # Both draw from the same distribution; which one is faster depends on how many rows share a cell.
        few = len(cells) * 4 < rows
        counts = random.multinomial(rows, cells / rows, size=b) if few else _draw_rows(random, owner, len(cells), b)
        draws.append(statistic(counts.astype(np.float64)))
    value = statistic(cells[None, :].astype(np.float64))[0]
    # Of a single row none can be left out.
    acceleration, blocks = _acceleration(statistic, cells, random) if rows > 1 else (np.zeros_like(value), 0)
    how = f"bca95,B={resamples},seed={seed}" + (f",jackknife blocks={blocks}" if blocks else "")
    return Resampled(value, np.concatenate(draws), acceleration, rows, how)


def _draw_rows(random: np.random.Generator, owner: NDArray[np.int64], cells: int, b: int) -> NDArray[np.int64]:
    picks = owner[random.integers(0, len(owner), size=(b, len(owner)))] + (np.arange(b) * cells)[:, None]
    return np.bincount(picks.ravel(), minlength=b * cells).reshape(b, cells)


def _acceleration(statistic: Statistic, cells: NDArray[np.int64], random: np.random.Generator) -> tuple[Array, int]:
    """Efron's a = Σ U³ / (6 (Σ U²)^1.5), U the jackknife's differences. Rows of one cell have the same U, so it is
    computed once a cell; with very many cells rows are left out in random blocks (their number is returned)."""
    if len(cells) <= _MOST_LEFT_OUT:
        left_out, times, blocks = np.eye(len(cells)), cells.astype(np.float64), 0
    else:
        owner = np.repeat(np.arange(len(cells)), cells)
        block = random.permutation(len(owner)) % _BLOCKS
        flat = np.bincount(block * len(cells) + owner, minlength=_BLOCKS * len(cells))
        left_out, times, blocks = flat.reshape(_BLOCKS, len(cells)).astype(np.float64), np.ones(_BLOCKS), _BLOCKS
    step = max(1, _ENTRIES // len(cells))
    values = np.concatenate([statistic(cells - left_out[i : i + step]) for i in range(0, len(left_out), step)])
    u = (times @ values) / times.sum() - values
    squares, cubes = times @ u**2, times @ u**3
    return np.divide(cubes, 6 * squares**1.5, out=np.zeros_like(cubes), where=squares > 1e-300), blocks


def bca(got: Resampled) -> list[Interval]:
    """The BCa interval of each of the m numbers."""
    from scipy.special import ndtr, ndtri

    if got.rows < FEWEST:
        return [Interval(None, None, f"no interval: fewer than {FEWEST} rows")] * len(got.value)
    b = len(got.draws)
    out = []
    for value, draws, a in zip(got.value, got.draws.T, got.acceleration, strict=True):
        if np.ptp(draws) <= 1e-12 * max(1.0, abs(float(value))):
            out.append(Interval(None, None, "no interval: every resample gives the same value"))
            continue
        below = ((draws < value).sum() + (draws <= value).sum()) / (2 * b)
        z0 = ndtri(np.clip(below, 0.5 / b, 1 - 0.5 / b))
        ends = z0 + np.array([-Z95, Z95])
        low, high = np.quantile(draws, ndtr(z0 + ends / (1 - a * ends)))
        # Where nearly all resamples lie on one side (macro averages over rare labels do), the correction overshoots.
        outside = not low <= value <= high
        how = got.how + (", widened to hold the value" if outside else "")
        out.append(Interval(min(float(low), float(value)), max(float(high), float(value)), how))
    return out


def bootstrap(names: list[str], statistic: Statistic, cells: NDArray[np.int64], *, resamples: int,
              seed: int) -> dict[str, Score]:
    """A Score for each number of `statistic`, in the order of `names`."""
    got = resample(statistic, cells, resamples=resamples, seed=seed)
    intervals = bca(got)
    return {name: scored(name, float(value), interval, got.rows)
            for name, value, interval in zip(names, got.value, intervals, strict=True)}


def mean_score(name: str, per_row: Array, *, resamples: int, seed: int, note: str = "") -> Score:
    """The mean of a number that every row has, with its BCa interval."""
    values, cells = np.unique(per_row, return_counts=True)
    found = bootstrap([name], lambda counts: (counts @ values / counts.sum(1))[:, None], cells,
                      resamples=resamples, seed=seed)[name]
    # The sum in row order, which is what everybody else computes, not that in the order of values.
    return scored(name, float(per_row.mean()), Interval(found.low, found.high, found.signature), len(per_row), note)


def share_score(name: str, hits: int, n: int, note: str = "") -> Score:
    """hits / n with Wilson's interval; 0 where n is 0, and `note` says why."""
    return scored(name, hits / n if n else 0.0, wilson(hits, n), n, note)


def scored(name: str, value: float, interval: Interval, n: int, note: str = "") -> Score:
    """A Score whose signature is the interval's, after a note."""
    return Score(name, value, interval.low, interval.high, n, f"{note}; {interval.how}" if note else interval.how)
