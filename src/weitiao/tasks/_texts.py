"""The tasks whose answer is a text: one set of options and one class; a task's own file says what is its own (`Form`).

>>> Task = Answers(Form(instruction=("", ""), ...))
>>> task = Task(Options(num_beams=4), {"prompt": "question", "target": "answer"})

Loss stands on what the model must say alone, the token that ends it among it. Answers at evaluation are made with the
very settings of prediction; they are saved beside the weights, so that plain transformers gives the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import DataError, RowError
from weitiao.core.i18n import t
from weitiao.core.text import dominant_language
from weitiao.example import Example, Row
from weitiao.models.spec import HeadSpec
from weitiao.tasks import (
    Batch,
    Encoded,
    Fault,
    Guess,
    Noun,
    Outputs,
    TableProfile,
    _asked,
    _language,
    _render,
    _scoring,
    _speaker,
    _written,
)
from weitiao.tasks._render import Chat
from weitiao.tasks._speaker import Text

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model

_LONGEST = 3  # targets kept until a tokenizer tells how many tokens they are
_MARGIN = 1.25


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    instruction: str = "auto"
    """What is asked of the model beside each prompt (before a text to summarise, else behind the prompt); auto: what
    the task itself says, in the language of the texts."""
    template: Literal["auto", "plain"] = "auto"
    """How turns become text. auto: the model's own chat template where it has one; plain: weitiao's."""
    turns: Literal["every", "last"] = "every"
    """Which answers of a conversation are learnt: every one of the assistant's, or the last one only."""
    too_long: Literal["truncate", "drop", "stop"] = "truncate"
    """Rows longer than model.max_length: lose the beginning of their prompt (never of an answer), are left out, or
    stop the run."""
    packing: bool = False
    """Lay several rows end to end in one instead of padding them; they do not see one another (decoders only)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread evenly over all words."""
    metric: Literal["auto", "rougeL", "exact_match", "numeric_match", "bleu", "chrf"] = "auto"
    """What the verdict is about. auto: ROUGE-L; numeric_match: the number after ####, else the last one."""
    max_new_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Most tokens of an answer; auto: a quarter more than the longest training target has."""
    num_beams: Annotated[int, Field(ge=1)] = 1
    """Beam search over so many; 1: greedy, or sampling."""
    do_sample: bool = False
    """Draw words instead of taking the likeliest; the draws depend on the prompt alone."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of sampling: below 1 is more careful."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of sampling: only among the likeliest words that together have this probability (Holtzman et al. 2020)."""
    repetition_penalty: Annotated[float, Field(ge=1)] = 1.0
    """Divide the scores of words already said by this (Keskar et al. 2019); 1: off."""
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] = 0
    """No run of so many tokens is said twice; 0: off."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is a task's own.

    Args:
        guess: its claim to a table.
        noun: what it calls its targets.
        instruction: what it asks, in English and Chinese ("": nothing).
        baselines: names of weitiao.evaluate.baselines.
        varied: also score how varied answers are.
        keeps_start: a prompt that is too long loses its end, not its beginning.
    """

    guess: Callable[[TableProfile, Mapping[str, str]], Guess | None]
    noun: Noun
    instruction: tuple[str, str]
    baselines: tuple[str, ...]
    varied: bool = False
    keeps_start: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes the Task of a Form."""

    form: Form

    def __call__(self, options: Options, columns: Mapping[str, str]) -> Task:
        return Task(self.form, options, columns)

    def guess(self, profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """The form's claim."""
        return self.form.guess(profile, columns)


class Task:
    """See `weitiao.tasks.Task`. Targets of examples are a text, or a list of right ones; outputs are `Text`s."""

    likelihood: ClassVar[bool] = True
    calibrates: ClassVar[bool] = False
    watched: ClassVar[tuple[str, ...]] = ("perplexity",)

    def __init__(self, form: Form, options: Options, columns: Mapping[str, str]) -> None:
        self.form, self.options, self.columns = form, options, columns
        self.language = "en"
        self.longest: tuple[str, ...] = ()
        self.max_new_tokens = 0
        self.golden: list[Any] = []
        self.speaker: _speaker.Speaker | None = None

    @property
    def BASELINES(self) -> tuple[str, ...]:
        return self.form.baselines

    @property
    def noun(self) -> Noun:
        return self.form.noun

    @property
    def roles(self) -> tuple[str, ...]:
        return _asked.roles(self.columns)

    # -- data ------------------------------------------------------------------------------------------------------

    def guess(self, profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """The form's claim."""
        return self.form.guess(profile, columns)

    def read(self, row: Row) -> Example:
        """Raises RowError; see `_asked.read`."""
        inputs, target = _asked.read(row, self.columns)
        return Example(row.source, inputs, target, row.source)

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """See `_written.faults`."""
        return _written.faults(example.inputs, self.source(example), self.learnt(example.target))

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn the language and how long answers are. Raises DataError `data.no_labels`, `data.one_class`."""
        different = _asked.Different(_asked.learnt(e.target) for e in examples if e.target is not None)
        where = self.columns.get(_asked.TARGET, self.columns.get("messages", ""))
        if not different.count:
            raise DataError("data.no_labels", t("no row has an answer to learn", "没有任何一行带回答"), where=where,
                            fix=t("name the columns with --columns prompt=…,target=…",
                                  "请用 --columns prompt=…,target=… 指明各列"))
        if different.count > 1 and different.equal:
            raise DataError("data.one_class", t("all {n} training rows have the same answer",
                                                "全部 {n} 条训练数据的回答都一样", n=different.count), where=where,
                            expected=t("answers that differ", "不全相同的回答"),
                            fix=t("name the right column with --columns target=…",
                                  "请用 --columns target=… 指明正确的列"))
        self.language = dominant_language(_asked.learnt(e.target) for e in examples if e.target is not None)
        self.longest = different.longest[:_LONGEST]
        self.max_new_tokens = 0

    def bind(self, kind: str, tokenizer: Any) -> None:
        """Raises ModelError: `model.says_nothing`, `model.no_stop_token`, `model.template_refused`,
        `model.other_tokens`."""
        self.speaker = _speaker.meet(kind, tokenizer, self.options.template)
        if self.golden:
            _speaker.check_golden(self.speaker, self.golden)
        else:
            self.golden = _speaker.golden(self.speaker)
        if not self.max_new_tokens:
            sizes = [len(ids) for ids in tokenizer(list(self.longest), add_special_tokens=False)["input_ids"]]
            self.max_new_tokens = math.ceil(_MARGIN * max(sizes)) + 4

    def state(self) -> dict[str, Any]:
        return {"language": self.language, "max_new_tokens": self.max_new_tokens, "golden": self.golden,
                "longest": [] if self.max_new_tokens else list(self.longest)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.language, self.max_new_tokens = state["language"], state["max_new_tokens"]
        self.golden, self.longest = state["golden"], tuple(state["longest"])

    def strata(self, example: Example) -> str:
        """None: texts are split at random."""
        return ""

    def check_target(self, target: Any) -> None:
        """Any text can be learnt."""

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """Nothing to count: texts differ."""
        return {}

    def head(self) -> HeadSpec:
        return HeadSpec(0, kind="language", generation=self._generation() if self.speaker else {})

    def _generation(self) -> dict[str, Any]:
        o, speaker = self.options, self._speaker()
        drawn = {"temperature": o.temperature, "top_p": o.top_p, "top_k": 0} if o.do_sample else {
            "temperature": None, "top_p": None, "top_k": None}
        return {"max_new_tokens": self.max_new_tokens if o.max_new_tokens == "auto" else o.max_new_tokens,
                "max_length": None, "num_beams": o.num_beams, "do_sample": o.do_sample, **drawn,
                "repetition_penalty": o.repetition_penalty, "no_repeat_ngram_size": o.no_repeat_ngram_size,
                "eos_token_id": speaker.stop, "pad_token_id": speaker.tokenizer.pad_token_id}

    def _speaker(self) -> _speaker.Speaker:
        assert self.speaker is not None, "bind comes before numbers"
        return self.speaker

    # -- numbers ---------------------------------------------------------------------------------------------------

    def chat(self, example: Example) -> Chat:
        """The row as a conversation, with its answer where that is known."""
        own = self.form.instruction[1 if self.language == "zh" else 0]
        asked = own if self.options.instruction == "auto" else self.options.instruction
        answer = None if example.target is None else _asked.learnt(example.target)
        place = "before" if self.form.keeps_start else "behind"
        messages = _asked.chat(example.inputs, answer, **{place: asked})
        return Chat(messages, self.options.turns == "every", example.source, self.form.keeps_start)

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """See `_speaker.Speaker.encode`. Raises RowError `row.no_windows` when windows are asked for."""
        if windows:
            raise RowError("row.no_windows", "", t("what is written cannot be put together from windows: set "
                                                   "model.long_texts=truncate",
                                                   "生成任务不能切窗：请设 model.long_texts=truncate"))
        speaker = self._speaker()
        if speaker.kind == "decoder":  # answers need room behind the prompt
            room = tokenizer.model_max_length - int(self.head().generation["max_new_tokens"])
            max_length = min(max_length, max(8, room)) if all(e.target is None for e in examples) else max_length
        return speaker.encode([self.chat(e) for e in examples], max_length, self.options.too_long)

    def encode_after(self, shown: Sequence[Example], examples: Sequence[Example], max_length: int) -> list[Encoded]:
        """Prompts of `examples`, each after the `shown` rows with their answers, for a model that was not tuned."""
        speaker = self._speaker()
        before = tuple(m for e in shown for m in self.chat(e).messages)
        chats = [self.chat(replace(e, target=None)) for e in examples]
        chats = [replace(c, messages=(*[m for m in c.messages if m.role == "system"], *before,
                                      *[m for m in c.messages if m.role != "system"])) for c in chats]
        if not speaker.own:
            speaker = replace(speaker, renderer=_render.Plain(""))
        return speaker.encode(chats, max_length)

    def source(self, example: Example) -> str:
        """The text that the answer is about."""
        return _asked.source(example.inputs)

    def learnt(self, target: Any) -> str:
        """The answer that is learnt."""
        return _asked.learnt(target)

    def written(self, text: str) -> Text:
        """A text as an output."""
        return Text(text, True)

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
        return _language.collate(rows, self._speaker(), packing=1024 if self.options.packing else 0)

    def count(self, batch: Batch) -> float:
        return _language.count(batch)

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return _language.loss_sum(logits, batch, self.options.label_smoothing)

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        return _language.rows(logits, batch)

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        return self._speaker().answer(model, batch)

    # -- answers ---------------------------------------------------------------------------------------------------

    def calibrate(self, rows: Outputs, targets: Sequence[Any]) -> None:
        """Nothing beside the weights."""

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """`{"text", "stopped"}`; stopped: the model ended by itself and was not cut at max_new_tokens."""
        return [{"text": o.text, "stopped": o.stopped} for o in outputs]

    def specimen(self) -> dict[str, Any]:
        return {"text": "", "stopped": True}

    @property
    def metric(self) -> str:
        """Of the verdict."""
        return "rougeL" if self.options.metric == "auto" else self.options.metric

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0,
              resamples: int = 2000) -> list[Score]:
        """The chosen metric first, then ROUGE, BLEU, chrF, exact match, how many answers ended by themselves."""
        return _scoring.scores(outputs, [_asked.right(x) for x in targets], self.metric, self.language,
                               varied=self.form.varied, seed=seed, resamples=resamples)

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """Perplexity and bits per byte of the right answers (of several the first)."""
        return _language.score_rows(rows, seed=seed, resamples=resamples)

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *, seed: int = 0,
                resamples: int = 2000) -> Paired:
        """The metric of the verdict."""
        return _scoring.compare(first, second, [_asked.right(x) for x in targets], self.metric, self.language,
                                seed=seed, resamples=resamples)

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """Each row's own score: of BLEU its chrF, since BLEU says little of a single sentence."""
        return _scoring.per_row(outputs, [_asked.right(x) for x in targets], self.metric, self.language)

    def quick(self, rows: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        return _language.quick(rows)
