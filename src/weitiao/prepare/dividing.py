"""Cutting validation and test out of the training rows, so that nothing learnt is asked again.

Rows with equal folded inputs, and rows of one group, stay together: they are the units that move. Units are drawn
per label (shares stay equal), in an order that depends on the seed and on what they say, never on where they stand.

>>> parts = divide(examples, keys, strata, {"test": 0.2, "validation": 0.1}, seed=1)
>>> Counter(parts)
Counter({'train': 720, 'test': 200, 'validation': 80})
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from weitiao.core import seeds
from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.example import Example

_ENOUGH = 10  # rows of one set of labels that make it a stratum of its own


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows that stay together.

    Args:
        rows: their indices.
        key: what they say, for an order that no row order changes.
        stratum: the most frequent one of its rows.
        time: the newest of its rows.
    """

    rows: tuple[int, ...]
    key: str
    stratum: str
    time: float


def divide(examples: Sequence[Example], keys: Sequence[bytes], strata: Sequence[str], shares: Mapping[str, float], *,
           seed: int, group: str = "", time: str = "") -> list[str]:
    """The part of each row: train, or one of `shares`.

    Args:
        keys: per row; equal keys stay together (`comparing.key`).
        strata: per row; each part gets its share of each ("" everywhere: none).
        shares: what to cut, in this order, each a share of what is left; 0 cuts nothing.
        group: column (in `meta`) whose equal values stay together.
        time: column by which train is older than what is cut, and validation older than test.

    Raises DataError `data.too_few_rows` when a wanted part would be empty.
    """
    found = units(examples, keys, strata, group, time)
    taken: dict[str, str] = {}
    for part, share in shares.items():
        if share:
            left = [u for u in found if u.key not in taken]
            chosen = _newest(left, share) if time else _stratified(left, share, seed, part)
            if not chosen:
                raise _too_few(len(examples), part)
            taken.update((u.key, part) for u in chosen)
    parts = ["train"] * len(examples)
    for unit in found:
        for row in unit.rows:
            parts[row] = taken.get(unit.key, "train")
    return parts


def _too_few(rows: int, part: str) -> DataError:
    return DataError("data.too_few_rows",
                     t("{n} rows are too few to set some aside for {p}", "只有 {n} 行，不足以划出 {p} 部分",
                       n=rows, p=part),
                     expected=t("at least three rows of some label, with different texts (or of different groups)",
                                "至少某一标签有三行不同文本（或不同分组）的数据"),
                     fix=t("add rows, or give files with --validation and --test",
                           "请补充数据，或用 --validation 与 --test 给出文件"))


# -- units ---------------------------------------------------------------------------------------------------------

def units(examples: Sequence[Example], keys: Sequence[bytes], strata: Sequence[str], group: str,
          time: str) -> list[Unit]:
    """The rows in units that must stay together; see `divide`."""
    rows: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(_clusters(examples, keys, group)):
        rows[name].append(i)
    moments = _moments(examples, time)
    # Counter keeps the order of first sight, so ties are broken by name, not by row order.
    return [Unit(tuple(r), name, min(Counter(strata[i] for i in r).items(), key=lambda x: (-x[1], x[0]))[0],
                 max(moments[i] for i in r)) for name, r in rows.items()]


def _clusters(examples: Sequence[Example], keys: Sequence[bytes], group: str) -> list[str]:
    """Per row the name of its unit: the key, or with groups the smallest name in its connected part."""
    names = [k.hex() for k in keys]
    if not group:
        return names
    parent: dict[str, str] = {}

    def root(x: str) -> str:
        while (above := parent.setdefault(x, x)) != x:
            parent[x] = parent.setdefault(above, above)
            x = above
        return x

    for name, example in zip(names, examples, strict=True):
        a, b = root(name), root(f"group:{example.meta[group]}")
        parent[max(a, b)] = min(a, b)
    return [root(name) for name in names]


# -- drawing -------------------------------------------------------------------------------------------------------

def _newest(units: Sequence[Unit], share: float) -> list[Unit]:
    """The newest units up to the share of rows; at least one, and never all."""
    wanted = _target(units, share)
    out: list[Unit] = []
    rows = 0
    for unit in sorted(units, key=lambda u: (-u.time, u.key))[:-1]:
        if out and rows + len(unit.rows) / 2 > wanted:
            break
        out.append(unit)
        rows += len(unit.rows)
    return out


def _stratified(units: Sequence[Unit], share: float, seed: int, part: str) -> list[Unit]:
    by_stratum: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        by_stratum[unit.stratum].append(unit)
    quotas = _quotas({s: us for s, us in sorted(by_stratum.items()) if len(us) > 1}, share, _target(units, share))
    return [u for s, quota in quotas.items() for u in _drawn(by_stratum[s], quota, seed, part)]


def _target(units: Sequence[Unit], share: float) -> int:
    return max(1, round(share * sum(len(u.rows) for u in units)))


def _quotas(strata: Mapping[str, Sequence[Unit]], share: float, target: int) -> dict[str, int]:
    """Rows to draw of each stratum: its share rounded down, what is missing by the largest remainder; then one for
    each stratum that got none, as long as these do not outnumber the target (many tiny strata, few rows)."""
    exact = {s: share * sum(len(u.rows) for u in units) for s, units in strata.items()}
    quotas = {s: int(x) for s, x in exact.items()}
    missing = max(0, min(target, len(exact) + sum(quotas.values())) - sum(quotas.values()))
    for s in sorted(exact, key=lambda s: (int(exact[s]) - exact[s], s))[:missing]:
        quotas[s] += 1
    none = [s for s, q in quotas.items() if not q]
    if len(none) <= target:
        quotas.update(dict.fromkeys(none, 1))
    return quotas


def _drawn(units: Sequence[Unit], quota: int, seed: int, part: str) -> list[Unit]:
    """Units of one stratum up to so many rows, one at least left over. Large clusters that overshoot are passed by."""
    out: list[Unit] = []
    rows = 0
    for unit in sorted(units, key=lambda u: (seeds.key(seed, "split", part, u.key), u.key)):
        if rows >= quota or len(out) == len(units) - 1:
            break
        if rows + len(unit.rows) / 2 <= quota:
            out.append(unit)
            rows += len(unit.rows)
    return out


# -- strata --------------------------------------------------------------------------------------------------------

def strata_of(names: Sequence[str]) -> list[str]:
    """The task's strata; a set of labels (names joined by U+001F) that occurs on fewer than 10 rows goes with its
    rarest label, since thousands of sets that occur once or twice cannot be shared out."""
    sets = Counter(names)
    parts = [name.split("\x1f") for name in names]
    labels = Counter(x for each in parts for x in each)
    return [name if sets[name] >= _ENOUGH else min(each, key=lambda x: (labels[x], x))
            for name, each in zip(names, parts, strict=True)]


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


def _moments(examples: Sequence[Example], time: str) -> list[float]:
    if not time:
        return [0.0] * len(examples)
    texts: list[Any] = [e.meta[time] for e in examples]
    dates = sum(_DATE.fullmatch(x) is not None for x in texts)
    if 0 < dates < len(texts):
        raise DataError("data.mixed_time", t("{d:,} dates and {n:,} plain numbers stand in one column",
                                             "该列混有 {d:,} 个日期和 {n:,} 个数字", d=dates, n=len(texts) - dates),
                        where=time, expected=t("one of the two", "只用其中一种"),
                        fix=t("write all of them alike", "请统一写法"))
    return [moment(x) or 0.0 for x in texts]
