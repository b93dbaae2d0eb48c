"""Tasks: what is learnt from a row and how it is judged. One file each; its name is the task's name.

A task module has `Options` (a pydantic model; every field has a description and a default), `Task` (below) and
`SAMPLES`: a tuple of `Sample`, small data sets on which the contract suite tunes a tiny model.

The model's own `loss` is never used: `loss_sum` returns a sum and `count` what it sums over. One place (tuning/loop.py)
divides, by the count of the whole update. See docs/design.md, rule 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from weitiao.core import plugins
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.example import Example, Row
from weitiao.models.spec import HeadSpec as HeadSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from pydantic import BaseModel

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model

Outputs = Sequence[Any]  # one entry a row, in the task's own form


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What the first rows (up to 20,000) say about one column."""

    name: str
    kind: Literal["text", "number", "list", "object", "empty"]  # the kind of at least 98 % of its filled values
    filled: float  # share of rows that have a value
    distinct: int  # distinct values among the sampled rows
    mean_chars: float
    integral: bool  # all numbers are whole
    examples: tuple[str, ...]  # three values, shortened
    separator: str = ""  # `,` `;` `|` or `/` when values look like lists of a few repeated names


@dataclass(frozen=True, slots=True)
class TableProfile:
    """What a task guesses from."""

    rows: int  # sampled rows
    columns: tuple[ColumnProfile, ...]

    def get(self, name: str) -> ColumnProfile | None:
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Guess:
    """A task's claim that a table is for it.

    Args:
        strength: 0 to 1; the strongest claim wins. 0.9: column names say so; 0.6: only the values do; below 0.5:
            possible, but to be taken only when the user names the task.
        columns: role to column name, e.g. {"text": "comment", "label": "star"}.
        options: what the table says about the task's Options, e.g. {"multi_label": True}.
        reason: one sentence in the user's language.
    """

    strength: float
    columns: Mapping[str, str]
    reason: str
    options: Mapping[str, Any] = field(default_factory=dict)


class Encoded(NamedTuple):  # a third of the time that a frozen dataclass takes to make
    """One example as token ids. Several windows where a long text was cut into windows; else exactly one.

    Args:
        windows: token ids with special tokens, each at most max_length long.
        types: token type ids of the same shapes, or () for models without them.
        target: the target as numbers, or None when unknown; for encoder-decoders also what the decoder reads.
        tokens_lost: how many tokens truncation cut.
        notes: what the task wants to find again when it reads the outputs (where tokens stand in the text).
        left_out: not to be learnt from: what it teaches does not fit into max_length.
    """

    windows: tuple[tuple[int, ...], ...]
    types: tuple[tuple[int, ...], ...]
    target: Any
    tokens_lost: int = 0
    notes: Any = None
    left_out: bool = False

    @property
    def length(self) -> int:
        """Tokens of the longest window: what padding is decided by."""
        return max(map(len, self.windows))

    def apart(self) -> list[Encoded]:
        """Each window as a row of its own, where the target and the notes, if there are any, have an entry for each
        (`HeadSpec.kind` "corpus")."""
        notes = [None] * len(self.windows) if self.notes is None else [(x,) for x in self.notes]
        return [Encoded((window,), (), (target,), notes=note)
                for window, target, note in zip(self.windows, self.target, notes, strict=True)]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is odd about a row that could be read and will be learnt from: for `weitiao check`.

    Args:
        code: one of those that doctor/sections/forms.py has a sentence for.
        role: of the input or target concerned, "" for the whole row.
        reason: what is wrong with this row, in the user's language.
    """

    code: str
    role: str
    reason: str


class Batch(dict[str, Any]):
    """Tensors of one micro-batch: what goes into the model under the names of `models.spec.INPUTS` (`input_ids`,
    `attention_mask` (W, T), …); `owner` (W,) says which of the B rows a window belongs to; `targets`, or absent; and
    whatever else the task wants to find again. Values that are no tensors stay where they are.

    `redrawn(number)`, where there is one, gives the tensors that training draws anew at each step, `number` being keyed
    by seed and step: a function of it and of each row alone, whatever else is in the batch. Everything but training
    takes the batch as it is."""

    redrawn: Callable[[int], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A tiny data set for the contract suite. `bad` rows must raise RowError in `read`; `kinds` of base models can
    learn it."""

    rows: tuple[Mapping[str, Any], ...]
    columns: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    bad: tuple[Mapping[str, Any], ...] = ()
    kinds: tuple[str, ...] = ("encoder",)


class Noun(NamedTuple):
    """What a task's targets are called in sentences: one of them, several of them, and in Chinese."""

    one: str
    many: str
    zh: str


class Task(Protocol):
    """One task with its options and what it has learnt from the training targets (`fit`).

    What a model says of rows is an `Outputs`: a sequence with one entry a row, in the task's own form (an array of
    logits, a list of spans, a text). Everything from `decode` on takes outputs, whoever made them: the tuned model or a
    baseline.
    """

    BASELINES: ClassVar[tuple[str, ...]]  # names of weitiao.evaluate.baselines that answer this task
    noun: ClassVar[Noun]
    likelihood: ClassVar[bool]  # is the probability of the right answer itself a score? then see `score_rows`

    @property
    def calibrates(self) -> bool:
        """Does `calibrate` learn anything with these options and rows? If not, it is not called."""

    @property
    def options(self) -> BaseModel: ...

    @property
    def columns(self) -> Mapping[str, str]:
        """Role to column."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The inputs of a row, in the order in which a person gives them."""

    @property
    def watched(self) -> tuple[str, ...]:
        """The names of `quick`'s metrics, the first one chooses the best step."""

    @staticmethod
    def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """Is this table for me? `columns` are the roles that the user named: they must be kept."""

    def read(self, row: Row) -> Example:
        """Check one row. A missing target column gives target None (prediction). Raises RowError."""

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """What is odd about a row that `read` has just made an example of: mended, doubtful, of no use."""

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn label names, class weights ... from the training rows. Raises DataError (`data.one_class` ...)."""

    def bind(self, kind: str, tokenizer: Any) -> None:
        """Meet the base model, before anything is encoded: its kind (encoder, decoder, encoder-decoder) and its
        tokenizer. Raises ModelError where this task and such a base do not go together."""

    def state(self) -> dict[str, Any]:
        """What `fit` and `calibrate` learnt, as JSON; `restore` takes it back."""

    def restore(self, state: Mapping[str, Any]) -> None: ...

    def strata(self, example: Example) -> str:
        """The name by which a split is stratified ("" for none); several names are joined by U+001F."""

    def check_target(self, target: Any) -> None:
        """Raises RowError `row.unknown_label` for a target that no training row has taught."""

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """What the targets are, for a person: {name: rows}, or {"min", "mean", "max"} of numbers, or {}."""

    def head(self) -> HeadSpec: ...

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """Token ids and numeric targets; `windows` cuts long texts into overlapping windows instead of truncating.
        Targets that `fit` has not seen raise RowError."""

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch: ...

    def count(self, batch: Batch) -> float:
        """What `loss_sum` sums over (rows, tokens, spans, or their weights); additive over micro-batches and ranks."""

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Sum of the losses in float32 (scalar). `logits` is what the model gave; see `HeadSpec.kind` for its shape."""

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        """What one forward pass says of each row of the batch, on the CPU."""

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        """The model's answers to a batch without targets: mostly one forward pass and `rows`."""

    def calibrate(self, rows: Outputs, targets: Sequence[Any]) -> None:
        """Learn from the validation rows what answers need beside the weights (a threshold); becomes part of
        `state`. Called once where `calibrates`, with the best step's `rows`, before the bundle is written."""

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """Predictions as a person reads them: {"label": ..., "probability": ..., "probabilities": {...}}."""

    def specimen(self) -> dict[str, Any]:
        """A prediction with all its keys and values of the right types, for the header of a table."""

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0, resamples: int = 2000) -> list[Score]:
        """All metrics, the primary one first, each with interval, n and signature."""

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """With `likelihood`: the scores of what a forward pass over inputs and right answers says ([] without)."""

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *, seed: int = 0,
                resamples: int = 2000) -> Paired:
        """The difference of the primary metric between two systems' outputs for the same rows."""

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """Per row: its share of the primary metric (1/0 for accuracy), for paired tests and error tables."""

    def quick(self, rows: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        """The cheap metrics of a validation during training, of `rows`, without intervals, primary first; `loss` is
        added by the caller. Larger is better unless the name is in weitiao.metrics.LOWER_IS_BETTER."""


class TextTask(Task, Protocol):
    """A task of which each row's answer is a few numbers (`HeadSpec.kind` "sequence"): linear models can learn it."""

    def numbers(self, targets: Sequence[Any]) -> NDArray[Any]:
        """Targets as the head's numbers: label numbers (n,), 0/1 (n, outputs), or standardised floats (n,)."""


def names() -> tuple[str, ...]:
    """All tasks, sorted."""
    return plugins.names(__name__)


def load(name: str) -> Any:
    """The module of that task: `Options`, `Task`, `SAMPLES`. Raises RecipeError `plugin.unknown`."""
    return plugins.load(__name__, name)


def make(name: str, options: Mapping[str, Any], columns: Mapping[str, str]) -> Task:
    """A task of that name. Raises RecipeError for options that it does not have."""
    module = load(name)
    task: Task = module.Task(module.Options(**options), dict(columns))
    return task


def read_all(task: Task, rows: Iterable[Row]) -> list[Example]:
    """Every row through `task.read`; the first bad one raises. For callers that have clean rows already."""
    return [task.read(r) for r in rows]


def baselines(task: Task, asked: Sequence[str] | Literal["auto"]) -> tuple[str, ...]:
    """The baselines of a task that the recipe asks for. Raises RecipeError for one that cannot answer it."""
    wanted = task.BASELINES if asked == "auto" else tuple(asked)
    if unfit := [name for name in wanted if name not in task.BASELINES]:
        raise RecipeError("recipe.bad_value", t("this task has no baseline {x!r}", "该任务没有基线 {x!r}", x=unfit[0]),
                          where="evaluate.baselines", expected=", ".join(task.BASELINES),
                          fix=plugins.nearest(unfit[0], task.BASELINES))
    return wanted
