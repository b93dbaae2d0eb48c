"""From files to checked Examples: every row is read by the task, cleaned, given its id; every bad one is rejected.

>>> checker = Checker(task, Data(), {})
>>> read_part("train", files, checker, rejects).examples[0].source
'reviews.csv:2'
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

    examples: list[Example]
    files: list[dict[str, Any]]


def read_part(part: str, found: Sequence[File], checker: Checker, rejects: Rejects) -> Part:
    """Every row of these files.

    Raises DataError: `data.missing_column`, `data.empty_file`, `data.too_many_bad_rows`, `data.duplicate_id`, and
    what the formats raise.
    """
    out = Part([], [])
    ids: dict[str, str] = {}
    for file in found:
        out.files.append({"part": part, **_read_file(file, checker, rejects, ids, out.examples)})
    return out


def _read_file(file: File, checker: Checker, rejects: Rejects, ids: dict[str, str],
               examples: list[Example]) -> dict[str, Any]:
    """Append the file's examples; `ids` holds each id of the part with its place."""
    source, share = file.source, checker.data.max_bad_share
    rows, bad, doubled = 0, _Bad(rejects), _Bad(rejects)
    there: dict[str, None] = {}
    for row in file.rows():
        rows += 1
        if isinstance(row, BadRow):
            bad.add(row)
            continue
        if rows <= _COLUMNS_KNOWN_AFTER:
            there.update(dict.fromkeys(row.values))
        elif rows == _COLUMNS_KNOWN_AFTER + 1:
            require(list(there), checker.columns, source.shown)
        try:
            example = checker(row)
        except RowError as e:
            bad.add(BadRow(row.file, row.line, e.field, e.code, e.reason, _raw(row)))
            continue
        if (first := ids.setdefault(example.id, example.source)) != example.source:
            reason = t("the id {i!r} also stands at {p}", "id {i!r} 已出现在 {p}", i=example.id, p=first)
            doubled.add(BadRow(row.file, row.line, checker.data.id, "row.duplicate_id", reason, _raw(row)))
            continue
        examples.append(example)
    if not rows:
        raise empty(source)
    if there:
        require(list(there), checker.columns, source.shown)
    stop_if_too_many(bad.count, rows, share, bad.first, source.shown)
    stop_if_too_many(doubled.count, rows, share, doubled.first, source.shown, "data.duplicate_id")
    return {"file": source.shown, "format": file.format, "sha256": files.sha256(source.path), "rows": rows,
            "rejected": bad.count + doubled.count, "read_as": dict(source.facts)}


class _Bad:
    """The bad rows of one file, passed on to rejected.jsonl."""

    def __init__(self, rejects: Rejects) -> None:
        self._rejects = rejects
        self.count = 0
        self.first: list[BadRow] = []

    def add(self, bad: BadRow) -> None:
        self._rejects.add(bad)
        self.count += 1
        if len(self.first) < 3:
            self.first.append(bad)


def _raw(row: Row) -> str:
    return json.dumps(dict(row.values), ensure_ascii=False, default=str)[:_MAX_RAW]
