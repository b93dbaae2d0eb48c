"""What stands on the page, ready to show: strings and charts, no decisions. `page.html.j2` lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup


class Card(NamedTuple):
    """A big number with its name above and a note below."""

    name: str
    value: str
    note: str


class MetricRow(NamedTuple):
    name: str
    value: str
    interval: str
    n: str
    signature: str


class ClassRow(NamedTuple):
    """One label; `share` is F1 in per cent, for the bar."""

    label: str
    rows: str
    share: float
    f1: str
    precision: str
    precision_interval: str
    recall: str
    recall_interval: str


class Cell(NamedTuple):
    """One field of the confusion matrix; `shade` is its share of the line, 0 to 1."""

    n: int
    shade: float
    percent: str
    right: bool


class Pair(NamedTuple):
    """`truth` was taken for `answer` n times."""

    truth: str
    answer: str
    n: int
    percent: str


@dataclass(frozen=True, slots=True)
class Confusion:
    """`cells` is empty where the matrix would be too large to read."""

    labels: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    pairs: tuple[Pair, ...]


class ErrorRow(NamedTuple):
    """A wrong answer; `place` is the short form of `source`."""

    text: str
    truth: str
    answer: str
    sure: str
    place: str
    source: str


@dataclass(frozen=True, slots=True)
class Errors:
    """The worst rows, a sentence about them, and the name of the column `sure`."""

    summary: str
    sureness: str
    rows: tuple[ErrorRow, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where answers are numbers: prediction against truth with a remark on it, and the residuals."""

    scatter: Markup
    note: str
    residuals: Markup


class Reject(NamedTuple):
    reason: str
    n: int


class Decision(NamedTuple):
    name: str
    value: str
    reason: str


class Fact(NamedTuple):
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Learning:
    """How training went: a sentence, the curve of the loss, and that of the metric ("" without validation rows)."""

    summary: str
    loss: Markup
    metric_name: str
    metric: Markup


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page. What a task does not have is empty."""

    run: str
    version: str
    created: str
    verdict: str
    verdict_note: str
    cards: tuple[Card, ...]
    test_rows: int
    comparison: Markup
    comparison_notes: tuple[str, ...]
    warnings: tuple[str, ...]
    metrics: tuple[MetricRow, ...]
    classes: tuple[ClassRow, ...]
    confusion: Confusion | None
    numbers: Numbers | None
    errors: Errors
    learning: Learning
    understood: tuple[str, ...]
    data_verdict: tuple[str, ...]
    rejects: tuple[Reject, ...]
    reject_examples: tuple[str, ...]
    decisions: tuple[Decision, ...]
    commands: str
    again: str
    facts: tuple[Fact, ...]
