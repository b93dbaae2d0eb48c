"""`weitiao check --fix plan.toml`: a mended copy of the files beside a log of every change; the files stay as they are.

    reviews.csv + plan.toml  →  DIR/reviews.csv  DIR/changes.jsonl

    {"source": "reviews.csv:17", "action": "rename", "field": "label", "before": "體育", "after": "体育"}
    {"source": "reviews.csv:23", "action": "relabel", "field": "label", "before": "体育", "after": "财经"}
    {"source": "reviews.csv:40", "action": "drop", "field": "", "before": "duplicates.exact", "after": ""}

csv stays csv (UTF-8, commas); every other format becomes JSON Lines with the same columns.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from weitiao import doctor
from weitiao.core import files, odd
from weitiao.core.errors import RecipeError, RunError
from weitiao.core.i18n import t
from weitiao.doctor import Seen, Spot
from weitiao.doctor.checking import Wanted
from weitiao.doctor.planning import Plan
from weitiao.doctor.relabelling import Relabelling
from weitiao.doctor.seeing import see
from weitiao.example import Row
from weitiao.formats import BadRow, File
from weitiao.prepare.understanding import Understood
from weitiao.recipe import Recipe

CHANGES = "changes.jsonl"
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of the data.

    Args:
        folder: of the copy.
        files: name of each copy to its rows.
        changes: action (repair, relabel, rename, drop) to rows.
        unreadable: rows that no reader could make anything of: they are not in the copy.
        idle: codes in the plan's `drop` that name no row, and rows to be labelled anew that do not exist: mistyped, or
            of another file.
    """

    folder: Path
    files: Mapping[str, int]
    changes: Mapping[str, int]
    unreadable: int
    idle: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"folder": str(self.folder), "files": dict(self.files), "changes": dict(self.changes),
                "unreadable": self.unreadable, "idle": list(self.idle)}

    def lines(self) -> list[str]:
        """For a person."""
        names = {"repair": t("repaired", "修正"), "relabel": t("labelled anew", "改标"), "rename": t("renamed", "改名"),
                 "drop": t("dropped", "删去")}
        done = ", ".join(f"{names[k]} {n:,}" for k, n in self.changes.items()) or t("nothing changed", "没有改动")
        lines = [t("rows: {d}", "行：{d}", d=done)]
        if self.unreadable:
            lines.append(t("{n:,} rows that cannot be read at all are not in the copy",
                           "{n:,} 行完全无法读取，未写入副本", n=self.unreadable))
        if self.idle:
            shown = ", ".join(self.idle[:_SHOWN]) + (" …" if len(self.idle) > _SHOWN else "")
            lines.append(t("no row is named by: {c}", "没有任何一行属于：{c}", c=shown))
        lines += [f"{self.folder / name}: {n:,}" for name, n in self.files.items()]
        return [*lines, t("every change: {f}", "全部改动：{f}", f=self.folder / CHANGES)]


class Change(NamedTuple):
    """One line of the log."""

    source: str
    action: str
    field: str
    before: str
    after: str


def fix(recipe: Recipe, plan: Plan, out: Path, thresholds: Mapping[str, Mapping[str, Any]], tokenizer: bool,
        progress: Callable[[str], None]) -> Fixed:
    """See `weitiao.doctor.fix`."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError("run.exists", t("this folder is not empty", "该目录不是空的"), where=str(out),
                       fix=t("choose another --out", "请换一个 --out"))
    sections = list(dict.fromkeys(code.partition(".")[0] for code in plan.drop))
    doomed: dict[str, str] = {}
    told: set[str] = set()

    def listen(code: str, spot: Spot) -> None:
        if code in plan.drop:
            told.add(code)
            doomed.setdefault(spot.source, code)

    with tempfile.TemporaryDirectory(prefix="weitiao-fix-") as scratch:
        progress(t("Reading …", "正在读取……"))
        seen, understood = see(recipe, Path(scratch), listen, tokenizer=tokenizer and "shape" in sections)
        mender = Mender(plan, seen)
        for name, options in (Wanted.of(sections, thresholds, tokenizer).sections if sections else {}).items():
            progress(t("Looking at: {x} …", "正在检查：{x}……", x=t(*doctor.load(name).TITLE)))
            for _ in doctor.load(name).look(seen, options):
                pass
    with files.new_folder(out) as folder:
        progress(t("Writing …", "正在写出……"))
        done = _copy(understood, folder, mender, doomed)
    return Fixed(out, *done, (*(code for code in plan.drop if code not in told), *mender.relabelled.unmet))


def _copy(understood: Understood, folder: Path, mender: Mender,
          doomed: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int], int]:
    """All files into the folder; see `Fixed`."""
    written: dict[str, int] = {}
    changed: Counter[str] = Counter()
    unreadable = 0
    with (folder / CHANGES).open("w", encoding="utf-8", errors="backslashreplace") as log:
        for file in (f for found in understood.found.values() for f in found):
            name = _free(file, written)
            written[name] = 0
            with (folder / name).open("w", encoding="utf-8", newline="", errors="surrogatepass") as out:
                write = _writer(out, csv_like=name.endswith(".csv"))
                for row in file.rows():
                    if isinstance(row, BadRow):
                        unreadable += 1
                        continue
                    values, changes = mender(row, doomed.get(row.source, ""))
                    changed.update({c.action for c in changes})
                    for change in changes:
                        log.write(json.dumps(change._asdict(), ensure_ascii=False) + "\n")
                    if values is not None:
                        write(values)
                        written[name] += 1
    return written, dict(changed), unreadable


def _free(file: File, taken: Mapping[str, int]) -> str:
    """The copy's name: that of the file, with a number where two files of two folders have one name."""
    stem = Path(file.source.shown).name.split(".")[0]
    ending = ".csv" if file.format in ("csv", "tsv", "xlsx") else ".jsonl"
    return next(name for i in range(1, len(taken) + 2)
                if (name := f"{stem}{'' if i == 1 else f'-{i}'}{ending}") not in taken)


def _writer(out: IO[str], *, csv_like: bool) -> Callable[[Mapping[str, Any]], None]:
    """Writes one row."""
    if not csv_like:
        return lambda values: print(json.dumps(dict(values), ensure_ascii=False), file=out)
    table: list[csv.DictWriter[str]] = []

    def write(values: Mapping[str, Any]) -> None:
        if not table:
            table.append(csv.DictWriter(out, list(values), extrasaction="ignore", restval=""))
            table[0].writeheader()
        table[0].writerow(values)

    return write


class Mender:
    """Changes one row as the plan says.

    Raises RecipeError: `check.moves_places` for repairs where answers are places in a text, `check.no_labels` for
    renaming where a task has no labels of whole rows, and as `Relabelling` does.
    """

    def __init__(self, plan: Plan, seen: Seen) -> None:
        self._plan, task = plan, seen.task
        if plan.repair and seen.places:
            raise RecipeError("check.moves_places",
                              t("repair would move the places of the answers in their texts",
                                "repair 会使答案在文本中的位置错位"), where="repair", expected="drop",
                              fix=t("drop such rows, or mend texts and places together",
                                    "请删去这些行，或一并修正文本与位置"))
        if plan.rename and (seen.places or not seen.labelled):
            raise RecipeError("check.no_labels", t("this task has no labels that could be renamed",
                                                   "该任务没有可改名的标签"), where="rename",
                              expected=t("classification", "分类任务"), fix=t("leave it out", "请去掉这一项"))
        self.relabelled = Relabelling(plan, seen)
        self._label = task.columns.get("label", "")
        self._separator = str(task.options.model_dump().get("separator", ""))
        self._texts = [c for role, c in task.columns.items() if role != "label"]

    def __call__(self, row: Row, doom: str) -> tuple[dict[str, Any] | None, list[Change]]:
        """The row's new values (None: dropped) and what was changed."""
        if doom:
            return None, [Change(row.source, "drop", "", doom, "")]
        values, changes = dict(row.values), []
        for step in (self._repaired, self._relabelled, self._renamed):
            for action, column, new in step(row.source, values):
                changes.append(Change(row.source, action, column, _shown(values[column]), _shown(new)))
                values[column] = new
        return values, changes

    def _repaired(self, _: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
        if self._plan.repair:
            for column in self._texts:
                if column in values and (new := self._mended(values[column])) != values[column]:
                    yield "repair", column, new

    def _mended(self, value: Any) -> Any:
        """A text, or all texts inside a list or an object."""
        if isinstance(value, str):
            return odd.mend(value, self._plan.repair)
        if isinstance(value, list):
            return [self._mended(x) for x in value]
        return {k: self._mended(x) for k, x in value.items()} if isinstance(value, dict) else value

    def _relabelled(self, source: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
        if self._label in values:
            new = self.relabelled(source, values[self._label])
            if new != values[self._label]:
                yield "relabel", self._label, new

    def _renamed(self, _: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
        if self._plan.rename and self._label in values:
            new = self._name(values[self._label])
            if new != values[self._label]:
                yield "rename", self._label, new

    def _name(self, value: Any) -> Any:
        """A label, a list of labels, or labels with a separator between them."""
        names = self._plan.rename
        if isinstance(value, list):
            return [self._name(x) for x in value]
        if not isinstance(value, str):
            return value
        if value.strip() in names:
            return names[value.strip()]
        parts = value.split(self._separator) if self._separator else [value]
        if not any(part.strip() in names for part in parts):
            return value
        return self._separator.join(names.get(part.strip(), part) for part in parts)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
