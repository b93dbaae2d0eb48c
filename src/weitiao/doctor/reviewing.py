"""review.csv: doubtful labels for a person to decide about, the most doubtful first, and what was decided.

    source,text,label,suggested,probability,decision
    reviews.csv:17,味道很好,negative,positive,0.9712,

>>> decisions(Path("checkup/review.csv"))
{'reviews.csv:17': Decision(label='positive', where='checkup/review.csv:2:decision')}

A person writes into `decision` the label that is right, or `ok` where the suggested one is; where nothing is written
nothing changes. A spreadsheet may have saved it as whatever weitiao reads: another encoding, semicolons, xlsx.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from weitiao import formats
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.doctor import Spot
from weitiao.formats import BadRow

REVIEW = "review.csv"
COLUMNS = ("source", "text", "label", "suggested", "probability", "decision")
_ACCEPTED = "ok"


class Decision(NamedTuple):
    """The label that a person wants a row to have, and where that was said."""

    label: str
    where: str


@contextmanager
def writing(path: Path) -> Iterator[Callable[[Spot], None]]:
    """Takes every spot and writes a line for those with a change; without any there is no file. With a byte-order mark,
    without which Excel reads Chinese as noise."""
    with path.open("w", encoding="utf-8-sig", newline="", errors="backslashreplace") as out:
        table = csv.writer(out)

        def note(spot: Spot) -> None:
            if spot.change is None:
                return
            if not out.tell():
                table.writerow(COLUMNS)
            p = spot.change.probability
            table.writerow([spot.source, spot.text, spot.change.label, spot.change.suggested,
                            "" if p is None else f"{p:.4f}", ""])

        yield note
        empty = not out.tell()
    if empty:
        path.unlink()


def decisions(path: Path) -> dict[str, Decision]:
    """Source of each decided row to its decision.

    Raises RecipeError `check.bad_review` for a file without these columns, a row that cannot be read, or a row with two
    decisions; DataError as `weitiao.formats.find` and reading do.
    """
    out: dict[str, Decision] = {}
    for file in formats.find([path]):
        for row in file.rows():
            if isinstance(row, BadRow):
                raise _bad(t("cannot be read: {e}", "无法读取：{e}", e=row.reason), f"{row.file}:{row.line}")
            if missing := [c for c in ("source", "suggested", "decision") if c not in row.values]:
                raise _bad(t("the column {c} is missing", "缺少列 {c}", c=missing[0]), str(path))
            source, decided = _cell(row.values["source"]), _cell(row.values["decision"])
            if not decided:
                continue
            label = _cell(row.values["suggested"]) if decided.casefold() == _ACCEPTED else decided
            if out.setdefault(source, Decision(label, f"{row.source}:decision")).label != label:
                raise _bad(t("{s} is decided twice", "{s} 有两个不同的决定", s=source), row.source)
    return out


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _bad(what: str, where: str) -> RecipeError:
    return RecipeError("check.bad_review", t("no review that could be followed: {w}", "无法采用的审阅表：{w}", w=what),
                       where=where, expected=", ".join(COLUMNS),
                       fix=t("start from the review.csv that weitiao check … --out DIR writes, and fill in its last "
                             "column alone", "请用 weitiao check … --out 目录 写出的 review.csv，只填写最后一列"))
