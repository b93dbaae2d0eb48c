"""Extractive question answering: the answer to a question is a piece of a given passage, or there is none.

    {"question": "In what country is Normandy?", "context": "… Normandy, a region in France. …",
     "answers": {"text": ["France"], "answer_start": [159]}}

Rows come flat, as above or with a plain answer (`answer`, and `answer_start` where it is known), or nested in the files
of SQuAD, CMRC 2018 and DRCD. How answers are read and put where they stand: `_answers`. A passage is always read whole,
in windows that overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import DataError, ModelError, RowError
from weitiao.core.i18n import t
from weitiao.example import Example, Row
from weitiao.models.spec import HeadSpec
from weitiao.tasks import (
    Batch,
    Encoded,
    Fault,
    Guess,
    Noun,
    Outputs,
    Sample,
    TableProfile,
    _answers,
    _reading,
    _shared,
    _spans,
)

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model

_IMPOSSIBLE = "is_impossible"  # SQuAD 2's own name; whoever has such a column means it


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    stride: Annotated[int, Field(ge=0)] = 128
    """Tokens of the passage that neighbouring windows share; at most a quarter of a window is."""
    n_best: Annotated[int, Field(ge=1, le=100)] = 5
    """How many likely answers a prediction lists."""
    max_answer: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Characters of the longest answer that is given; auto: the longest one among the training rows."""
    threshold: float | Literal["auto"] = "auto"
    """Where training holds questions without an answer: how much likelier (in logits) that may be than the best answer
    while the answer is still given; auto: what gives the best F1 on the validation rows, 0 before that is known."""


class Task:
    """See `weitiao.tasks.Task`. Targets are `{"text", "answer_start", "moved"}`, empty lists where there is no answer;
    outputs are tuples of `_spans.Span`, the best first."""

    BASELINES: ClassVar[tuple[str, ...]] = ("blind", "sentence", "typed")
    noun: ClassVar[Noun] = Noun("answer", "answers", "答案")
    likelihood: ClassVar[bool] = False

    def __init__(self, options: Options, columns: Mapping[str, str]) -> None:
        self.options, self.columns = options, columns
        self.abstains = False
        self.longest = 0 if options.max_answer == "auto" else options.max_answer
        self.threshold = 0.0 if options.threshold == "auto" else options.threshold

    @property
    def roles(self) -> tuple[str, ...]:
        return "question", "context"

    @property
    def watched(self) -> tuple[str, ...]:
        return "f1", "exact_match"

    @property
    def calibrates(self) -> bool:
        return self.abstains and self.options.threshold == "auto"

    # -- data ------------------------------------------------------------------------------------------------------

    @staticmethod
    def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """A table with a question, a passage and an answer, by their names."""
        return _reading.guess(profile, columns)

    def read(self, row: Row) -> Example:
        """Question, passage and answers of one row. Raises RowError: see `_answers.read_answers`."""
        inputs = {role: _shared.read_text(row, self.columns[role]) for role in self.roles}
        return Example(row.source, inputs, self._target(row, inputs["context"]), row.source)

    def _target(self, row: Row, context: str) -> Mapping[str, Any] | None:
        column, start = self.columns.get("answer", ""), self.columns.get("start", "")
        none = _answers.says_none(row.values.get(_IMPOSSIBLE), _IMPOSSIBLE)
        if none:
            return _answers.none()
        if column not in row.values:
            return None
        target = _answers.read_answers(row.values[column], row.values.get(start), context, column)
        if none is False and not target["text"]:
            raise RowError("row.no_answer", column, t("no answer is given although {c} is false",
                                                      "{c} 为 false，却没有给出答案", c=_IMPOSSIBLE))
        return target

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """Answers that were moved to where they stand, and answers beside others that stand nowhere."""
        target = example.target
        for _ in range(target["moved"]):
            yield Fault("answer_moved", "answer", t("not at the place that is given", "不在所给的位置上"))
        for text, place in zip(target["text"], target["answer_start"], strict=True):
            if place < 0:
                yield Fault("answer_missing", "answer", t("stands nowhere in the passage: {x}", "段落中没有：{x}",
                                                          x=text))

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn the length of the longest answer, and whether questions may have none. Raises DataError
        `data.no_answers`."""
        targets = [e.target for e in examples if e.target is not None]
        answers = [text for x in targets for text in x["text"]]
        if not answers:
            raise DataError("data.no_answers", t("no row has an answer", "没有任何一行带有答案"),
                            where=self.columns.get("answer", ""), expected=t("answers that stand in their passages",
                                                                             "出现在段落中的答案"),
                            fix=t("name the columns with --columns question=…,context=…,answer=…",
                                  "请用 --columns question=…,context=…,answer=… 指明各列"))
        self.abstains = any(not x["text"] for x in targets)
        if self.options.max_answer == "auto":
            self.longest = max(map(len, answers))

    def bind(self, kind: str, tokenizer: Any) -> None:
        """An encoder whose tokenizer gives offsets. Raises ModelError `model.no_spans`."""
        if kind != "encoder" or not tokenizer.is_fast:
            raise ModelError("model.no_spans", t("this model cannot say where in a passage an answer stands",
                                                 "该模型无法指出答案在段落中的位置"), where="model.name",
                             expected=t("an encoder whose tokenizer knows the places of its tokens",
                                        "编码器，且其分词器能给出词元在原文中的位置"),
                             fix=t("choose another model; see: weitiao models", "请换一个模型；见：weitiao models"))

    def state(self) -> dict[str, Any]:
        return {"abstains": self.abstains, "longest": self.longest, "threshold": self.threshold}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.abstains, self.longest, self.threshold = state["abstains"], state["longest"], state["threshold"]

    def strata(self, example: Example) -> str:
        """Questions without an answer are a stratum of their own."""
        return "" if example.target is None or example.target["text"] else "no answer"

    def check_target(self, target: Any) -> None:
        """Every answer can be given."""

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """Questions with and without an answer, answers that were moved to where they stand, and answers beside
        others that stand nowhere in the passage."""
        found = {t("questions with an answer", "有答案的问题"): sum(bool(x["text"]) for x in targets),
                 t("without one", "无答案的问题"): sum(not x["text"] for x in targets),
                 t("answers moved to where they stand", "位置有误、已改到原文处的答案"):
                     sum(x["moved"] for x in targets),
                 t("further answers that do not stand in the passage", "不在段落中的其他答案"):
                     sum(place < 0 for x in targets for place in x["answer_start"])}
        return {name: count for name, count in found.items() if count}

    def head(self) -> HeadSpec:
        return HeadSpec(2, kind="span")

    # -- numbers ---------------------------------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """Windows of question and passage, whatever `windows` says; the target is, per window, the first and last
        token of the answer that most annotators gave, the null token twice where it is not in the window."""
        cuts = _spans.cut([(e.inputs["question"], e.inputs["context"]) for e in examples], tokenizer, max_length,
                          self.options.stride)
        return [Encoded(c.ids, c.types, self._tokens(e.target, c.places), c.lost, (e.inputs["context"], c.places))
                for e, c in zip(examples, cuts, strict=True)]

    def _tokens(self, target: Any, places: Sequence[_spans.Place]) -> tuple[tuple[int, int], ...] | None:
        if target is None:
            return None
        stated = [(p, text) for text, p in zip(target["text"], target["answer_start"], strict=True) if p >= 0]
        if not stated:
            return tuple((place.null, place.null) for place in places)
        start, text = Counter(stated).most_common(1)[0][0]
        return tuple(place.tokens(start, start + len(text)) for place in places)

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
        """Beside the tokens: `allowed` (W, T), where an answer may begin or end; `targets` (W, 2); `notes`, per row."""
        import numpy as np
        import torch

        batch = _shared.collate(rows, pad_id, pad_side)
        width = batch["input_ids"].shape[1]
        shifts = [width - len(w) if pad_side == "left" else 0 for r in rows for w in r.windows]
        allowed = np.zeros(batch["input_ids"].shape, bool)
        for i, (place, by) in enumerate(zip((p for r in rows for p in r.notes[1]), shifts, strict=True)):
            allowed[i, by + place.null] = True
            allowed[i, by + place.first : by + place.first + len(place.starts)] = True
        batch |= {"allowed": torch.from_numpy(allowed), "notes": [r.notes for r in rows]}
        if all(r.target is not None for r in rows):
            batch["targets"] = torch.tensor([pair for r in rows for pair in r.target]) + torch.tensor(shifts)[:, None]
        return batch

    def count(self, batch: Batch) -> float:
        """Windows."""
        return float(len(batch["owner"]))

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Σ over windows of (CE of the start + CE of the end) / 2, over the passage's tokens and the null token."""
        import torch.nn.functional as F

        scores = logits.float().masked_fill(~batch["allowed"][:, :, None], float("-inf"))
        return F.cross_entropy(scores, batch["targets"], reduction="sum") / 2

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        """The best spans of each row over all its windows."""
        mask = batch["attention_mask"].bool().cpu().numpy()
        numbers = logits.float().cpu().numpy()
        windows = iter(range(len(numbers)))
        out = []
        for context, places in batch["notes"]:
            found = [span for place, w in zip(places, windows, strict=False) for span in _spans.best(
                numbers[w][mask[w]], place, context, most=self.longest, n_best=self.options.n_best)]
            out.append(_spans.merged(found, self.options.n_best))
        return out

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        return _shared.forward(self, model, batch)

    # -- answers ---------------------------------------------------------------------------------------------------

    def calibrate(self, rows: Outputs, targets: Sequence[Any]) -> None:
        """The threshold with the best F1 on these (validation) rows, where questions may have no answer."""
        self.threshold = self._best_threshold(rows, targets)

    def _best_threshold(self, rows: Outputs, targets: Sequence[Any]) -> float:
        """The one in use where none is to be chosen."""
        from weitiao.metrics import answers

        found = [(r[0], x["text"]) for r, x in zip(rows, targets, strict=True) if r]
        if not (self.calibrates and found):
            return self.threshold
        right = [texts for _, texts in found]
        return answers.best_threshold(
            [-span.score for span, _ in found], answers.each(right, [span.text for span, _ in found])[0],
            answers.each(right, [""] * len(found))[0])

    def _given(self, spans: _spans.Spans, threshold: float) -> str:
        """The answer; "" for none."""
        held_back = not spans or (self.abstains and -spans[0].score > threshold)
        return "" if held_back else spans[0].text

    def specimen(self) -> dict[str, Any]:
        return self.decode([(_spans.Span("x", 0, 1, 0.0),)])[0]

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """`{"answer", "probability", "start", "end", "score", "n_best"}`; start and end count the passage's characters.
        With questions without an answer also `no_answer_probability`; no answer is "" without start and end.
        Probabilities are over the n best answers, and no answer where there may be none."""
        return [self._prediction(spans) for spans in outputs]

    def _prediction(self, spans: _spans.Spans) -> dict[str, Any]:
        from scipy.special import softmax

        p = [float(x) for x in softmax([*(s.score for s in spans), *([0.0] if self.abstains or not spans else [])])]
        answer = self._given(spans, self.threshold)
        said: dict[str, Any] = {"answer": answer, "probability": p[0] if answer else p[-1]}
        said |= {"start": spans[0].start, "end": spans[0].end, "score": spans[0].score} if answer else \
            {"start": None, "end": None, "score": 0.0}
        if self.abstains:
            said["no_answer_probability"] = p[-1]
        said["n_best"] = [{"answer": s.text, "probability": x, "start": s.start, "end": s.end, "score": s.score}
                          for s, x in zip(spans, p, strict=False)]
        return said

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0,
              resamples: int = 2000) -> list[Score]:
        """F1 first, in the SQuAD or the CMRC way by the right answers' language."""
        from weitiao.metrics import answers

        return answers.scores([x["text"] for x in targets], [self._given(s, self.threshold) for s in outputs],
                              seed=seed, resamples=resamples)

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """None: outputs are rows."""
        return []

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *,
                seed: int = 0, resamples: int = 2000) -> Paired:
        """F1."""
        from weitiao.metrics import paired

        return paired.mean("f1", self.correct(first, targets), self.correct(second, targets), seed=seed,
                           resamples=resamples)

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """Each row's F1."""
        return self._each(outputs, targets, self.threshold)[0]

    def quick(self, rows: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        """At the threshold that `calibrate` would choose by these rows: at any other, steps are judged by how well
        theirs happens to lie."""
        f1, exact = self._each(rows, targets, self._best_threshold(rows, targets))
        return {"f1": float(f1.mean()), "exact_match": float(exact.mean())}

    def _each(self, outputs: Outputs, targets: Sequence[Any],
              threshold: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from weitiao.metrics import answers

        return answers.each([x["text"] for x in targets], [self._given(s, threshold) for s in outputs])


_PASSAGE = "the movie was very good and the food was bad"
_CHINESE = "这里的房间很好，价格也便宜，电影不好看。"

SAMPLES = (
    Sample(rows=({"question": "the food?", "context": _PASSAGE, "answers": {"text": ["bad"], "answer_start": [41]}},
                 {"question": "the movie?", "context": _PASSAGE,
                  "answers": {"text": ["very good", "good"], "answer_start": [14, 19]}},
                 {"question": "the music?", "context": _PASSAGE, "answers": {"text": [], "answer_start": []}},
                 {"question": "a film?", "context": "one two three very good", "answers": [
                     {"text": "good", "answer_start": 3}]}),
           columns={"question": "question", "context": "context", "answer": "answers"},
           bad=({"question": "the food?", "context": _PASSAGE, "answers": {"text": ["awful"], "answer_start": [0]}},
                {"question": "", "context": _PASSAGE, "answers": ["bad"]},
                {"question": "the food?", "context": " ", "answers": ["bad"]},
                {"question": "the food?", "answers": ["bad"]},
                {"question": "the food?", "context": _PASSAGE, "answers": None},
                {"question": "the food?", "context": _PASSAGE, "answers": {"text": ["bad"], "answer_start": ["x"]}},
                {"question": "the food?", "context": _PASSAGE, "answers": [], "is_impossible": False})),
    Sample(rows=tuple({"问题": q, "段落": _CHINESE, "答案": a} for q, a in (
               ("房间好吗？", "很好"), ("价格？", "便宜"), ("电影？", " 不好看 "))),
           columns={"question": "问题", "context": "段落", "answer": "答案"},
           bad=({"问题": "价格？", "段落": _CHINESE, "答案": "很贵"},
                {"问题": "价格？", "段落": _CHINESE, "答案": " "})),
)
