"""From files to checked Examples: every row is read by the task, cleaned, given its id; every bad one is rejected.

>>> checker = Checker(task, Data(), {})
>>> read_part("train", files, checker, rejects, folder).examples[0].source
'reviews.csv:2'
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weitiao import tasks
from weitiao.bundle import clean_example
from weitiao.core import files
from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.example import Example, Row
from weitiao.formats import BadRow, File, empty
from weitiao.prepare.choosing import require
from weitiao.prepare.dividing import moment
from weitiao.prepare.rejects import Rejects, stop_if_too_many
from weitiao.prepare.sources import part_of
from weitiao.recipe import Data
from weitiao.splits import Holder

_MAX_RAW = 500  # characters of a bad row that are kept
_COLUMNS_KNOWN_AFTER = 1000  # rows: JSON objects may leave keys out


@dataclass(frozen=True, slots=True)
class Checker:
    """Makes a row an Example or raises RowError.

    Args:
        task: reads inputs and target.
        data: names the columns for id, group and time.
        clean: the recipe's cleaning options.
        split: the column that says train, validation or test, or "".
    """

    task: tasks.Task
    data: Data
    clean: Mapping[str, Any]
    split: str = ""

    @property
    def columns(self) -> list[str]:
        """All columns that a file must have."""
        extra = (self.data.id, self.data.group, self.data.time, self.split)
        return list(dict.fromkeys([*self.task.columns.values(), *filter(None, extra)]))

    def __call__(self, row: Row) -> Example:
        example = self.task.read(row)
        if example.target is None:
            columns, noun = self.task.columns, self.task.noun
            where = next((columns[role] for role in ("label", "target", "answer", "messages") if role in columns), "")
            raise RowError("row.no_label", where, t("no {w} is given", "没有{z}", w=noun.one, z=noun.zh))
        example = clean_example(example, self.clean)
        meta = {c: _filled(row, c) for c in (self.data.group, self.data.time, self.split) if c}
        if self.data.time and moment(meta[self.data.time]) is None:
            raise RowError("row.bad_time", self.data.time, t(
                "{x!r} is neither a number nor a date", "{x!r} 不是数字或日期", x=meta[self.data.time]))
        if self.split and part_of(meta[self.split]) is None:
            raise RowError("row.bad_split", self.split, t(
                "{x!r} means neither train, validation nor test", "{x!r} 不表示 train、validation 或 test",
                x=meta[self.split]))
        return replace(example, id=_filled(row, self.data.id) if self.data.id else row.source, meta=meta)


def _filled(row: Row, column: str) -> str:
    """The value of a column that must not be empty."""
    value = row.values.get(column)
    text = "" if value is None else str(value).strip()
    if not text:
        raise RowError("row.empty", column, t("nothing stands in this column", "该列为空"))
    return text


@dataclass(frozen=True, slots=True)
class Part:
    """The good rows of some files, and what is known of each file (as in report.json)."""

    examples: Sequence[Example]
    files: list[dict[str, Any]]


def read_part(part: str, found: Sequence[File], checker: Checker, rejects: Rejects, folder: Path) -> Part:
    """Every row of these files; many rows lie in `folder`.

    Raises DataError: `data.missing_column`, `data.empty_file`, `data.too_many_bad_rows`, `data.duplicate_id`, and
    what the formats raise.
    """
    facts: list[dict[str, Any]] = []
    holder = Holder(folder / f"{part}.parquet")
    ids: dict[str, str] = {}
    for file in found:
        reading = Reading(file, checker, rejects.add)
        doubled = _Bad(rejects.add)
        for row, example in reading:
            # Without a column for it a row's id is its place, which is its own.
            if checker.data.id and (first := ids.setdefault(example.id, example.source)) != example.source:
                reason = t("the id {i!r} also stands at {p}", "id {i!r} 已出现在 {p}", i=example.id, p=first)
                doubled.add(BadRow(row.file, row.line, checker.data.id, "row.duplicate_id", reason, _raw(row)))
            else:
                holder.add(example)
        share, name = checker.data.max_bad_share, file.source.shown
        stop_if_too_many(reading.rejected, reading.rows, share, reading.first, name)
        stop_if_too_many(doubled.count, reading.rows, share, doubled.first, name, "data.duplicate_id")
        facts.append({"part": part, **reading.facts(doubled.count)})
    return Part(holder.close(), facts)


class Reading:
    """One file row by row in constant memory: iterate once, then ask what it was like.

    >>> reading = Reading(file, checker, rejects.add)
    >>> for row, example in reading:
    ...     ...
    >>> reading.rows, reading.rejected
    (300, 2)
    """

    def __init__(self, file: File, checker: Checker, reject: Callable[[BadRow], None]) -> None:
        self._file, self._checker, self._bad = file, checker, _Bad(reject)
        self.rows = 0

    def __iter__(self) -> Iterator[tuple[Row, Example]]:
        """Each good row with what became of it; bad ones go to `reject`. Raises DataError `data.missing_column`,
        `data.empty_file`, and what the format raises."""
        source, columns = self._file.source, self._checker.columns
        there: dict[str, None] = {}
        for row in self._file.rows():
            self.rows += 1
            if isinstance(row, BadRow):
                self._bad.add(row)
                continue
            if self.rows <= _COLUMNS_KNOWN_AFTER:
                there.update(dict.fromkeys(row.values))
            elif self.rows == _COLUMNS_KNOWN_AFTER + 1:
                require(list(there), columns, source.shown)
            try:
                example = self._checker(row)
            except RowError as e:
                self._bad.add(BadRow(row.file, row.line, e.field, e.code, e.reason, _raw(row)))
                continue
            yield row, example
        if not self.rows:
            raise empty(source)
        if there:
            require(list(there), columns, source.shown)

    @property
    def rejected(self) -> int:
        """Bad rows so far."""
        return self._bad.count

    @property
    def first(self) -> list[BadRow]:
        """The first of them."""
        return self._bad.first

    def facts(self, doubled: int = 0) -> dict[str, Any]:
        """The file as in report.json; `doubled` rows more were rejected by the caller."""
        source = self._file.source
        return {"file": source.shown, "format": self._file.format, "sha256": files.sha256(source.path),
                "rows": self.rows, "rejected": self.rejected + doubled, "read_as": dict(source.facts)}


class _Bad:
    """The bad rows of one file, passed on."""

    def __init__(self, reject: Callable[[BadRow], None]) -> None:
        self._reject = reject
        self.count = 0
        self.first: list[BadRow] = []

    def add(self, bad: BadRow) -> None:
        self._reject(bad)
        self.count += 1
        if len(self.first) < 3:
            self.first.append(bad)


def _raw(row: Row) -> str:
    return json.dumps(dict(row.values), ensure_ascii=False, default=str)[:_MAX_RAW]
