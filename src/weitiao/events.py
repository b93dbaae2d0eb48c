"""What a run tells whoever listens while it works: small facts, no printing. The screen turns them into lines.

>>> def listen(event: Event) -> None:
...     if isinstance(event, Validated) and event.best:
...         print(event.step, event.metrics)
>>> weitiao.tune("reviews.csv", on_event=listen)

Lines are sentences in the user's language, ready to show; numbers stay numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage (prepare, select, tune, evaluate or report; search or confirm) has work to do in `folder` and begins."""

    stage: str
    folder: str


@dataclass(frozen=True, slots=True)
class Understood:
    """Task, columns, labels with counts, language, and why."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataVerdict:
    """What is wrong with which rows."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Base model, method, steps, time, memory, disk."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes of a file that is being fetched. `total` is 0 while it is unknown."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Progress:
    """One optimiser update is done.

    Args:
        step, steps: updates done and planned.
        loss: the update's mean loss.
        learning_rate: the rate it was made with.
        rows_per_second: since the run or its resumption began.
        seconds_left: at that speed, validations included.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    rows_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Validated:
    """The validation rows were scored after `step` updates; `best` when no earlier step was better."""

    step: int
    steps: int
    metrics: Mapping[str, float]
    best: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial of a search has ended.

    Args:
        number: from 0, which is the default recipe.
        state: "done"; "pruned": it was behind the others; "cut": the time ran out; "failed": training could not go on.
        metric, value: the validation metric it reached (None: it never came to a validation).
        best: no trial before was better.
        settings: what was tried, by the recipe's keys.
        seconds: it took.
        seconds_left: for searching, after it.
    """

    number: int
    state: str
    metric: str
    value: float | None
    best: bool
    settings: Mapping[str, object]
    seconds: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Note:
    """Anything else worth a line, e.g. that a damaged checkpoint was passed over."""

    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score with its interval beside the baselines', and the run's folder."""

    lines: tuple[str, ...]
    folder: str


Event = StageStarted | Understood | DataVerdict | Plan | Download | Progress | Validated | Tried | Note | Verdict
