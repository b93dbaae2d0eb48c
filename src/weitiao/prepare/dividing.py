"""Cutting validation and test out of the training rows, so that nothing learnt is asked again.

Rows with equal folded inputs, and rows of one group, stay together: they are the units that move. Units are drawn
per label (shares stay equal), in an order that depends on the seed and on what they say, never on where they stand.

>>> parts = divide(examples, keys, strata, {"test": 0.2, "validation": 0.1}, seed=1)
>>> Counter(parts)
Counter({'train': 720, 'test': 200, 'validation': 80})
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core import seeds
from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.example import Example
from weitiao.prepare import comparing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Numbers = NDArray[np.int64]
    _Draw = Callable[[_Numbers, float, str], _Numbers]  # of the units that are left a share, for a part

_ENOUGH = 10  # rows of one set of labels that make it a stratum of its own


@dataclass(frozen=True, slots=True)
class Units:
    """Rows that stay together, in arrays: of ten million rows as many units are no objects.

    Args:
        of: (rows,) the number of each row's unit.
        keys: (units,) what they say, ascending, for an order that no row order changes.
        sizes: (units,) how many rows each has.
    """

    of: _Numbers
    keys: NDArray[np.bytes_]
    sizes: _Numbers

    def key(self, unit: int) -> str:
        """The name of a unit."""
        return bytes(self.keys[unit]).ljust(comparing.BYTES, b"\0").hex()

    def drawn(self, seed: int, *purpose: str, among: _Numbers | None = None) -> _Numbers:
        """The units (or those `among` them) in an order that the seed and the purpose decide."""
        chosen = np.arange(len(self.keys)) if among is None else np.sort(among)
        order = np.fromiter((seeds.key(seed, *purpose, self.key(i)) for i in chosen.tolist()), np.int64, len(chosen))
        return chosen[np.argsort(order, kind="stable")]


def divide(examples: Sequence[Example], keys: Sequence[bytes] | NDArray[np.bytes_], strata: Sequence[str],
           shares: Mapping[str, float], *, seed: int, group: str = "", time: str = "") -> list[str]:
    """The part of each row: train, or one of `shares`.

    Args:
        keys: per row; equal keys stay together (`comparing.key`).
        strata: per row; each part gets its share of each ("" everywhere: none).
        shares: what to cut, in this order, each a share of what is left; 0 cuts nothing.
        group: column (in `meta`) whose equal values stay together.
        time: column by which train is older than what is cut, and validation older than test.

    Raises DataError `data.too_few_rows` when a wanted part would be empty.
    """
    found = units(examples, keys, group)
    draw = _newest(found, _moments(examples, time)) if time else _stratified(found, strata, seed)
    names = ["train", *shares]
    taken = np.zeros(len(found.keys), np.int64)
    for number, (part, share) in enumerate(shares.items(), 1):
        if share:
            chosen = draw(np.flatnonzero(taken == 0), share, part)
            if not len(chosen):
                raise _too_few(len(examples), part)
            taken[chosen] = number
    return [names[i] for i in taken[found.of].tolist()]


def _too_few(rows: int, part: str) -> DataError:
    return DataError("data.too_few_rows",
                     t("{n} rows are too few to set some aside for {p}", "只有 {n} 行，不足以划出 {p} 部分",
                       n=rows, p=part),
                     expected=t("at least three rows of some label, with different texts (or of different groups)",
                                "至少某一标签有三行不同文本（或不同分组）的数据"),
                     fix=t("add rows, or give files with --validation and --test",
                           "请补充数据，或用 --validation 与 --test 给出文件"))


# -- units ---------------------------------------------------------------------------------------------------------

def units(examples: Sequence[Example], keys: Sequence[bytes] | NDArray[np.bytes_], group: str) -> Units:
    """The rows in units that must stay together; see `divide`. A unit of several keys (with groups) has its smallest
    one for a name."""
    different, of = np.unique(np.asarray(keys, comparing.KEY), return_inverse=True)
    of = of.astype(np.int64)
    if group:
        joined = _joined(of, [e.meta[group] for e in examples])
        first, of = np.unique(joined[of], return_inverse=True)
        different = different[first]
    return Units(of, different, np.bincount(of, minlength=len(different)))


def _joined(of: _Numbers, groups: Sequence[Any]) -> _Numbers:
    """Per key the smallest one that it hangs together with by its rows' groups."""
    from scipy import sparse
    from scipy.sparse import csgraph

    numbers: dict[Any, int] = {}
    group_of = np.fromiter((numbers.setdefault(x, len(numbers)) for x in groups), np.int64, len(groups))
    count = int(of.max(initial=-1)) + 1
    size = count + len(numbers)
    edges = sparse.coo_matrix((np.ones(len(of), np.bool_), (of, count + group_of)), shape=(size, size))
    _, part = csgraph.connected_components(edges, directed=False)
    smallest = np.full(size, size, np.int64)
    np.minimum.at(smallest, part[:count], np.arange(count))
    of_key: _Numbers = smallest[part[:count]]
    return of_key


# -- drawing -------------------------------------------------------------------------------------------------------

def _newest(found: Units, moments: NDArray[np.float64]) -> _Draw:
    """The newest units up to the share of rows; at least one, and never all. A unit is as new as its newest row."""
    newest = np.full(len(found.keys), -np.inf)
    np.maximum.at(newest, found.of, moments)

    def draw(left: _Numbers, share: float, part: str) -> _Numbers:
        order = left[np.argsort(-newest[left], kind="stable")][:-1]
        sizes = found.sizes[order]
        before = np.cumsum(sizes) - sizes
        over = before + sizes / 2 > _target(found, left, share)
        over[:1] = False
        return order[: int(np.argmax(over))] if over.any() else order

    return draw


@dataclass(frozen=True, slots=True)
class _Strata:
    """Of each unit the most frequent stratum of its rows (of equally frequent ones the first by name)."""

    names: list[str]
    of: _Numbers

    @classmethod
    def of_rows(cls, found: Units, strata: Sequence[str]) -> _Strata:
        names = sorted(set(strata))
        number = {name: i for i, name in enumerate(names)}
        codes = np.fromiter((number[x] for x in strata), np.int64, len(strata))
        pairs, counts = np.unique(found.of * len(names) + codes, return_counts=True)
        unit, code = np.divmod(pairs, len(names))
        order = np.lexsort((code, -counts, unit))
        return cls(names, code[order][np.flatnonzero(np.diff(unit[order], prepend=-1))])


def _stratified(found: Units, names: Sequence[str], seed: int) -> _Draw:
    """Of each stratum its share, in an order that the seed decides."""
    strata = _Strata.of_rows(found, names)

    def draw(left: _Numbers, share: float, part: str) -> _Numbers:
        kinds = strata.of[left]
        order = np.argsort(kinds, kind="stable")
        borders = np.searchsorted(kinds[order], np.arange(len(strata.names) + 1))
        members = {i: left[order[borders[i] : borders[i + 1]]] for i in range(len(strata.names))}
        rows = {i: int(found.sizes[units].sum()) for i, units in members.items() if len(units) > 1}
        quotas = _quotas(rows, share, _target(found, left, share))
        return np.concatenate([np.empty(0, np.int64), *(
            _drawn(found, found.drawn(seed, "split", part, among=members[i]), quota) for i, quota in quotas.items())])

    return draw


def _target(found: Units, left: _Numbers, share: float) -> int:
    return max(1, round(share * int(found.sizes[left].sum())))


def _quotas(rows: Mapping[int, int], share: float, target: int) -> dict[int, int]:
    """Rows to draw of each stratum, of which so many are there: its share rounded down, what is missing by the largest
    remainder; then one for each stratum that got none, as long as these do not outnumber the target (many tiny strata,
    few rows)."""
    exact = {s: share * n for s, n in rows.items()}
    quotas = {s: int(x) for s, x in exact.items()}
    missing = max(0, min(target, len(exact) + sum(quotas.values())) - sum(quotas.values()))
    for s in sorted(exact, key=lambda s: (int(exact[s]) - exact[s], s))[:missing]:
        quotas[s] += 1
    none = [s for s, q in quotas.items() if not q]
    if len(none) <= target:
        quotas.update(dict.fromkeys(none, 1))
    return quotas


def _drawn(found: Units, order: _Numbers, quota: int) -> _Numbers:
    """Units of one stratum, in this order, up to so many rows, one at least left over. Large clusters that overshoot
    are passed by."""
    out: list[int] = []
    rows = 0
    for unit, size in zip(order.tolist(), found.sizes[order].tolist(), strict=True):
        if rows >= quota or len(out) == len(order) - 1:
            break
        if rows + size / 2 <= quota:
            out.append(unit)
            rows += size
    return np.array(out, np.int64)


# -- strata --------------------------------------------------------------------------------------------------------

def strata_of(names: Sequence[str]) -> list[str]:
    """The task's strata; a set of labels (names joined by U+001F) that occurs on fewer than 10 rows goes with its
    rarest label, since thousands of sets that occur once or twice cannot be shared out."""
    sets = Counter(names)
    labels: Counter[str] = Counter()
    for name, count in sets.items():
        labels.update(dict.fromkeys(name.split("\x1f"), count))
    kinds = {name: name if count >= _ENOUGH else min(name.split("\x1f"), key=lambda x: (labels[x], x))
             for name, count in sets.items()}
    return [kinds[name] for name in names]


# -- time ----------------------------------------------------------------------------------------------------------

_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[T ]?(.*)")


def moment(text: str) -> float | None:
    """A number, or a date such as 2024-3-5, 2024/03/05 17:20, 2024年3月5日 as seconds; None for anything else."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return _number(text)
    year, month, day, rest = match.groups()
    try:
        when = datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}" + (f"T{_clock(rest)}" if rest else ""))
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _clock(text: str) -> str:
    """`9:05` as `09:05`."""
    return text if not re.match(r"\d:", text) else f"0{text}"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _moments(examples: Sequence[Example], time: str) -> NDArray[np.float64]:
    dates, out = 0, np.zeros(len(examples))
    for i, example in enumerate(examples):
        dates += _DATE.fullmatch(example.meta[time]) is not None
        out[i] = moment(example.meta[time]) or 0.0
    if 0 < dates < len(out):
        raise DataError("data.mixed_time", t("{d:,} dates and {n:,} plain numbers stand in one column",
                                             "该列混有 {d:,} 个日期和 {n:,} 个数字", d=dates, n=len(out) - dates),
                        where=time, expected=t("one of the two", "只用其中一种"),
                        fix=t("write all of them alike", "请统一写法"))
    return out
