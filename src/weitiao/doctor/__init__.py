"""The data doctor, `weitiao check`: what is wrong with the data, row by row, before anything is tuned on it.

>>> checkup = check(Recipe.build({"data": {"train": ["reviews.csv"]}}))
>>> checkup.verdict, checkup.sections["labels"].findings[0].said
('look', '3 texts stand more than once with different labels (7 rows)')

The rows are read as `weitiao tune` reads them. What is looked for lies in `sections/`, one file a section, found by its
name; each gives findings with a verdict and states the threshold by which it came about. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from weitiao.core import personal, plugins
from weitiao.core.errors import WeitiaoError
from weitiao.core.i18n import t
from weitiao.core.seeds import rng
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

    from weitiao.doctor.fixing import Fixed
    from weitiao.doctor.store import Store
    from weitiao.models import Base

Verdict = Literal["good", "look", "stop"]
VERDICTS: tuple[Verdict, ...] = ("good", "look", "stop")
"""From the best to the worst."""
SHOWN = 20
"""Spots of one finding that are kept to be shown."""
_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Change:
    """What a person may decide to put in the place of a row's answer: a line of review.csv.

    Args:
        label: as the row has it; several labels with ` | ` between them (`core.text.joined`).
        suggested: what to put there, in the same form.
        probability: of the suggestion, by whoever made it; None where it has none.
    """

    label: str
    suggested: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """One row that a finding is about: the row that would be dropped or mended, were it dropped or mended.

    Of rows that belong together (duplicates, a training row in the test rows) each row that is one too many has a spot;
    the one that it repeats is named in `note`.

    Args:
        source: `file:line`.
        field: the column or role, "" for the whole row.
        text: what stands there, shortened by `excerpt`; personal data masked.
        note: what is wrong with it, in the user's language.
        change: what could be put there instead; None where there is nothing to propose.
    """

    source: str
    field: str = ""
    text: str = ""
    note: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a section found, good news included.

    Args:
        code: stable, `section.name`.
        verdict: good; look: read the rows; stop: do not tune on this.
        said: one sentence in the user's language, with the numbers.
        count, of: so many of so many (rows, unless `said` says otherwise).
        threshold: the sentence that states from where on it is "look" and "stop"; "" where there is none.
        spots: the first rows concerned, at most `SHOWN` (`Spots.shown`).
        do: what to do about it, "" where nothing is to be done.
        facts: numbers for programs and for the page's tables, as JSON.
        fix: what it adds to plan.toml (see doctor/fixing.py), e.g. {"drop": ["duplicates.exact"]}.
    """

    code: str
    verdict: Verdict
    said: str
    count: int
    of: int
    threshold: str = ""
    spots: tuple[Spot, ...] = ()
    do: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    fix: Mapping[str, Any] = field(default_factory=dict)


class Spots:
    """Takes every row that a finding is about; keeps the first few and hands all of them on (to findings.jsonl).

    >>> spots = seen.spots("shape.truncated")
    >>> spots.add(Spot("reviews.csv:7", "text", excerpt(text), "48 of 560 tokens are cut off"))
    >>> Finding("shape.truncated", "look", said, spots.count, rows, threshold, spots.shown, do)
    """

    def __init__(self, code: str, listener: Callable[[str, Spot], None]) -> None:
        self._code, self._listener = code, listener
        self._shown: list[Spot] = []
        self.count = 0

    def add(self, spot: Spot) -> None:
        """Constant memory, however many come."""
        self.count += 1
        if len(self._shown) < SHOWN:
            self._shown.append(spot)
        self._listener(self._code, spot)

    @property
    def shown(self) -> tuple[Spot, ...]:
        return tuple(self._shown)


@dataclass(frozen=True, slots=True)
class Reader:
    """The base model that `weitiao tune` would choose, with its tokenizer; its weights are read by whoever needs them.

    Args:
        base: name, kind and folder among others.
        tokenizer: transformers' fast tokenizer.
        max_length: tokens that tuning would read of a text (`model.max_length`).
    """

    base: Base
    tokenizer: Any
    max_length: int


@dataclass(frozen=True)
class Seen:
    """The data as the sections see it: every row that could be read, cleaned as the recipe says.

    Args:
        name: the task's name; its options and its columns (role to column) are the task's own.
        task: fitted on the training rows, of many on 20,000 of them; unfitted where it refuses them.
        store: the rows on disk.
        refused: the error with which the task refuses its training rows, as `weitiao tune` would.
        unused: columns that the task does not use; their values stand in `Example.meta` as text ("" where empty).
        reader: the tokenizer, None where there is none or the user wants none.
        no_reader: why there is no reader, in the user's language.
        files: one entry a file as in prepare/report.json (part, file, format, rows, rejected, read_as).
        rejects: the rows that could not be read, by code (`row.empty`, …).
        faults: what the task found odd while reading, by code (`weitiao.tasks.Fault`).
        seed: of whatever is drawn.
        listener: gets every spot.
        group: column (in `Example.meta`) whose equal values belong together, "" without one.
    """

    name: str
    task: Task
    store: Store
    refused: WeitiaoError | None = None
    unused: tuple[str, ...] = ()
    reader: Reader | None = None
    no_reader: str = ""
    files: tuple[Mapping[str, Any], ...] = ()
    rejects: Mapping[str, Spots] = field(default_factory=dict)
    faults: Mapping[str, Spots] = field(default_factory=dict)
    seed: int = 1
    listener: Callable[[str, Spot], None] = lambda code, spot: None
    group: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """Those of train, validation, test that have rows; before any split everything is "train"."""
        return self.store.parts

    def count(self, part: str) -> int:
        """Rows of a part."""
        return self.store.count(part)

    @property
    def total(self) -> int:
        """Rows of all parts."""
        return sum(map(self.count, self.parts))

    @property
    def labelled(self) -> bool:
        """Does the task learn label names? `task.tally([example.target])` gives those of a row."""
        return bool(self.task.head().labels)

    @cached_property
    def places(self) -> bool:
        """Are answers places in a text, which must not be changed under them?"""
        return self.task.head().kind in ("span", "tokens")

    @cached_property  # asked for each row
    def writes(self) -> bool:
        """Is the target a text, or several right ones?"""
        return self.task.head().kind == "language"

    def rows(self, part: str) -> Iterator[list[Example]]:
        """The rows of a part in their order, some thousand at a time; may be asked for again and again."""
        return self.store.rows(part)

    def all(self, parts: Sequence[str] = ()) -> Iterator[tuple[str, Example]]:
        """Every row of these parts (all, where none is named) with its part's name, train first."""
        for part in parts or self.parts:
            for chunk in self.rows(part):
                for example in chunk:
                    yield part, example

    def sample(self, most: int, parts: Sequence[str] = ()) -> list[tuple[str, Example]]:
        """At most so many rows of these parts (all, where none is named), drawn by the seed, in their order."""
        import numpy as np

        counts = [self.count(part) for part in parts or self.parts]
        if sum(counts) <= most:
            return list(self.all(parts))
        chosen = np.sort(rng(self.seed, "doctor").choice(sum(counts), most, replace=False))
        out, before = [], 0
        for part, count in zip(parts or self.parts, counts, strict=True):
            here = chosen[(chosen >= before) & (chosen < before + count)] - before
            out += [(part, example) for example in self.store.some(part, here)]
            before += count
        return out

    def keys(self, part: str) -> NDArray[np.uint64]:
        """(rows,) of a part: equal for rows whose inputs are equal when folded (`prepare.comparing.key`)."""
        return self.store.keys(part)

    def texts(self, example: Example) -> Iterator[tuple[str, str]]:
        """Role and text of all that a person wrote in a row: the inputs (of a conversation each turn), and the target
        where that is a text."""
        for role, value in example.inputs.items():
            if isinstance(value, str):
                yield role, value
            else:
                yield from ((role, str(turn["content"])) for turn in value)
        if self.writes and example.target is not None:
            said = [example.target] if isinstance(example.target, str) else example.target
            yield from (("target", text) for text in said)

    def column(self, role: str) -> str:
        """The column of a role, for `Spot.field`; the role itself where no single column holds it."""
        return self.task.columns.get(role, role)

    def spots(self, code: str) -> Spots:
        """A collector for the rows of one finding."""
        return Spots(code, self.listener)


class Section(Protocol):
    """A module in doctor/sections."""

    TITLE: tuple[str, str]
    """English, Chinese."""
    Options: type[BaseModel]
    """Thresholds; every field has a default and a sentence."""

    def look(self, seen: Seen, options: Any) -> Iterator[Finding]:
        """What it finds, in the order in which a person should read it. Nothing where it does not concern the task."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one section found; its verdict is the worst of its findings'."""

    name: str
    title: str
    verdict: Verdict
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Checkup:
    """What `check` found.

    Args:
        task: its name; `reason`: why this task, with its columns.
        reason: a sentence in the user's language.
        rows: rows by part.
        base: name of the base model whose tokenizer was used, "" for none.
        sections: by name, the worst first.
        folder: where report.json, findings.jsonl, plan.toml and page.html lie; None where nothing was written.
    """

    task: str
    reason: str
    rows: Mapping[str, int]
    base: str
    sections: Mapping[str, Looked]
    folder: Path | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of the sections'."""
        return worst(s.verdict for s in self.sections.values())

    def as_dict(self) -> dict[str, Any]:
        """As JSON: report.json and `--json`."""
        return {"verdict": self.verdict, "task": self.task, "reason": self.reason, "rows": dict(self.rows),
                "base": self.base, "sections": [asdict(s) for s in self.sections.values()]}


def check(recipe: Recipe, *, out: Path | None = None, sections: Sequence[str] = (),
          thresholds: Mapping[str, Mapping[str, Any]] | None = None, tokenizer: bool = True,
          progress: Callable[[str], None] = lambda line: None) -> Checkup:
    """Look at the data of a recipe. Nothing is changed.

    Args:
        recipe: sections data, clean, task, model and the seed are used.
        out: a folder for report.json, findings.jsonl (every row concerned), plan.toml, page.html and, where labels are
            doubtful, review.csv, written whole or not at all; it must be new, empty, or that of an earlier check. None:
            nothing is written.
        sections: names; all where none is given.
        thresholds: section to option to value.
        tokenizer: False: do without a base model's tokenizer.
        progress: gets a line whenever another part of the work begins.

    Raises:
        DataError: what keeps `weitiao tune` from reading the data at all.
        RecipeError: `plugin.unknown`, `check.bad_threshold`, wrong settings.
        ModelError: for a base model that the recipe names.
        RunError: `run.exists`, `disk.write_failed`.
    """
    from weitiao.doctor import checking  # which needs the nouns above

    return checking.check(recipe, out, checking.Wanted.of(sections, thresholds or {}, tokenizer), progress)


def fix(recipe: Recipe, plan: Path, out: Path, *, thresholds: Mapping[str, Mapping[str, Any]] | None = None,
        tokenizer: bool = True, progress: Callable[[str], None] = lambda line: None) -> Fixed:
    """A mended copy of the data with a log of every change; nothing is changed in place.

    Args:
        recipe: as for `check`.
        plan: a TOML file, see `doctor.planning.Plan`; `check` proposes one.
        out: a new or empty folder.
        thresholds, tokenizer, progress: as for `check`, for the findings whose rows are dropped.

    Raises:
        RecipeError: `check.bad_plan`, `check.moves_places`, `check.no_labels`, `plugin.unknown`, `recipe.unreadable`.
        RunError, DataError, ModelError: as `check` does.
    """
    from weitiao.doctor import fixing, planning  # which need the nouns above

    return fixing.fix(recipe, planning.Plan.read(plan), out, thresholds or {}, tokenizer, progress)


def names() -> tuple[str, ...]:
    """All sections, sorted."""
    return plugins.names(f"{__name__}.sections")


def load(name: str) -> ModuleType:
    """The section of that name, see `Section`. Raises RecipeError `plugin.unknown`."""
    return plugins.load(f"{__name__}.sections", name)


def worst(verdicts: Iterator[Verdict]) -> Verdict:
    """The worst one; good where there is none."""
    return max(verdicts, key=VERDICTS.index, default="good")


def judge(value: float, look: float, stop: float = float("inf")) -> Verdict:
    """good up to `look`, look up to `stop`, both included."""
    return "stop" if value > stop else "look" if value > look else "good"


def excerpt(text: str, at: int = 0) -> str:
    """At most 160 characters on one line, those around the place `at`; personal data in them is masked."""
    text = personal.mask(text)
    start = max(0, min(at - _EXCERPT // 2, len(text) - _EXCERPT))
    cut = text[start : start + _EXCERPT]
    return ("…" if start else "") + " ".join(cut.split()) + ("…" if start + _EXCERPT < len(text) else "")


def share(count: int, of: int) -> str:
    """`12 of 340 (3.5 %)` in the user's language."""
    return t("{c:,} of {n:,} ({p})", "{c:,} / {n:,}（{p}）", c=count, n=of, p=percent(count / of if of else 0.0))


def percent(value: float) -> str:
    """`3.5 %`, `0.02 %`, `97.3 %`: digits that mean something."""
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.3g} %"
