"""Classification: one label a row, or any number of labels a row; of one text or of a pair.

    text,label                     premise,hypothesis,relation          text,labels
    很好吃,positive                 It rains.,It is dry.,contradiction   Thanks a lot!,gratitude|joy

Labels are names. White space around them is dropped, `1.0` is read as `1` and JSON's true as `true`; nothing else is
changed. They are put in order once, when the training rows are read: by number where all are numbers, else by code
point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import DataError, RecipeError, RowError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.example import Example, Row
from weitiao.models.spec import HeadSpec
from weitiao.tasks import Batch, Encoded, Fault, Guess, Noun, Outputs, Sample, TableProfile, _columns, _shared
from weitiao.tasks._labels import in_order, label_name, label_names

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    multi_label: bool | Literal["auto"] = "auto"
    """Any number of labels a row; auto: when the labels are lists."""
    separator: str = ","
    """What stands between the labels of a row where they are written as one string; JSON lists need none."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread evenly over all labels."""
    focal_gamma: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Weigh each loss by (1 - p)^gamma, p being the probability of the truth (Lin et al. 2017); 0: off."""
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = "none"
    """balanced: rows / (labels x rows of the label); or label to weight, 1 where none is given. With several labels a
    row they weigh the positive side of each label (balanced: negatives / positives)."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = "auto"
    """Several labels a row: the probability from which a label is given; auto: what gives the best micro-F1 on the
    validation rows, 0.5 before that is known."""
    top_k: Annotated[int, Field(ge=2)] = 3
    """One label a row, more than top_k labels in all: also report how often the truth is among the k likeliest."""


class Task:
    """See `weitiao.tasks.Task`. Targets of examples are a label, or a tuple of labels with `multi_label`; outputs are
    rows of logits, (n, labels)."""

    BASELINES: ClassVar[tuple[str, ...]] = ("majority", "tfidf", "frozen")
    noun: ClassVar[Noun] = Noun("label", "labels", "标签")
    likelihood: ClassVar[bool] = False

    def __init__(self, options: Options, columns: Mapping[str, str]) -> None:
        self.options, self.columns = options, columns
        self.multi = options.multi_label is True
        self.labels: tuple[str, ...] = ()
        self.weights: tuple[float, ...] = ()
        self.threshold = 0.5 if options.threshold == "auto" else options.threshold
        self._index: dict[str, int] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        return _shared.text_roles(self.columns)

    @property
    def watched(self) -> tuple[str, ...]:
        return ("f1_micro", "f1_macro", "lrap") if self.multi else ("accuracy", "f1_macro")

    @property
    def calibrates(self) -> bool:
        return self.multi and self.options.threshold == "auto"

    # -- data ------------------------------------------------------------------------------------------------------

    @staticmethod
    def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """Any table with a text and a label, unless the labels are a quantity."""
        found = _columns.layout(profile, columns)
        if found is None or found.label.kind == "object":
            return None
        label, strength = found.label, found.strength
        if label.kind == "list" or label.separator:
            options = {"multi_label": True, **({"separator": label.separator} if label.separator else {})}
            reason = t("classification, several labels a row", "多标签分类")
            if label.separator:
                reason += t(" (they are separated by {s!r}; if not: --set task.multi_label=false)",
                            "（以 {s!r} 分隔；若不是，请加 --set task.multi_label=false）", s=label.separator)
            return Guess(strength, found.columns, _columns.describe(found, reason), options)
        reason = t("classification, one label a row", "单标签分类")
        if label.kind == "number":
            reason += t(" (to predict it as a quantity: --task regress)", "（若要当作数值预测：--task regress）")
            if _columns.is_quantity(label, profile.rows):
                strength = _columns.ONLY_IF_ASKED
        return Guess(strength, found.columns, _columns.describe(found, reason), {"multi_label": False})

    def read(self, row: Row) -> Example:
        """Inputs and label(s) of one row. Raises RowError."""
        inputs = _shared.read_texts(row, self.columns)
        present, value = _shared.target_value(row, self.columns)
        return Example(row.source, inputs, self._target(value) if present else None, row.source)

    def _target(self, value: Any) -> str | tuple[str, ...]:
        field = self.columns["label"]
        if self.multi or (self.options.multi_label == "auto" and isinstance(value, (list, tuple))):
            return label_names(value, self.options.separator, field)
        return label_name(value, field)

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """A label with white space around it, which is dropped."""
        value = row.values.get(self.columns.get("label", ""))
        if isinstance(value, str) and value != value.strip():
            yield Fault("label_space", "label", t("read as {x!r}", "读作 {x!r}", x=value.strip()))

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn the labels and their weights. Raises DataError `data.no_labels`, `data.one_class`,
        `data.labels_differ`, RecipeError for a weight of a label that does not occur."""
        targets = [e.target for e in examples if e.target is not None]
        where = self.columns.get("label", "")
        if not targets:
            raise DataError("data.no_labels", t("no row has a label", "没有任何一行带标签"), where=where,
                            fix=t("name the column with --columns label=…", "请用 --columns label=… 指明标签列"))
        if self.options.multi_label == "auto":
            self.multi = any(isinstance(x, (tuple, list)) for x in targets)
        counts = Counter(name for x in targets for name in self._names(x))
        self._check(targets, counts, where)
        self._set_labels(in_order(counts))
        self.weights = self._weights(counts, len(targets))

    def _check(self, targets: Sequence[Any], counts: Counter[str], where: str) -> None:
        if len({frozenset(self._names(x)) for x in targets}) < 2:
            raise DataError("data.one_class",
                            t("all {n} training rows have the same label: {x}", "全部 {n} 条训练数据的标签都是：{x}",
                              n=len(targets), x=", ".join(counts) or "[]"),
                            expected=t("at least two labels", "至少两种标签"), where=where,
                            fix=t("add rows of another label, or name the right column with --columns label=…",
                                  "请补充其他标签的数据，或用 --columns label=… 指明正确的列"))
        if not self.multi and len(targets) >= 50 and len(counts) > 0.9 * len(targets):
            raise DataError("data.labels_differ",
                            t("{k} different labels on {n} rows: this column does not look like a label",
                              "{n} 行有 {k} 种标签：这一列不像标签", k=len(counts), n=len(targets)),
                            expected=t("labels that repeat", "会重复出现的标签"), where=where,
                            fix=t("name the right column with --columns label=…",
                                  "请用 --columns label=… 指明正确的列"))

    def _weights(self, counts: Counter[str], rows: int) -> tuple[float, ...]:
        chosen = self.options.class_weights
        if chosen == "none":
            return ()
        if chosen == "balanced":
            if self.multi:
                return tuple(max(rows - counts[n], 1) / counts[n] for n in self.labels)
            return tuple(rows / (len(self.labels) * counts[n]) for n in self.labels)
        assert isinstance(chosen, dict)
        for name in chosen:
            if name not in self._index:
                raise RecipeError("recipe.bad_value",
                                  t("task.class_weights names a label that does not occur: {x!r}",
                                    "task.class_weights 中的标签 {x!r} 不存在", x=name),
                                  expected=", ".join(self.labels[:20]), fix=nearest(name, self.labels))
        return tuple(chosen.get(n, 1.0) for n in self.labels)

    def _names(self, target: Any) -> tuple[str, ...]:
        return tuple(target) if isinstance(target, (tuple, list)) else (target,)

    def _set_labels(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {name: i for i, name in enumerate(self.labels)}

    def state(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "multi_label": self.multi, "weights": list(self.weights),
                "threshold": self.threshold}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._set_labels(state["labels"])
        self.multi, self.weights = state["multi_label"], tuple(state["weights"])
        self.threshold = state["threshold"]

    def strata(self, example: Example) -> str:
        """The label; of several, the sorted set."""
        return "" if example.target is None else "\x1f".join(sorted(self._names(example.target)))

    def bind(self, kind: str, tokenizer: Any) -> None:
        """Any base that transformers has a classification head for."""

    def check_target(self, target: Any) -> None:
        self._number(target)

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """Label to rows, the most frequent first."""
        return dict(Counter(name for target in targets for name in self._names(target)).most_common())

    def head(self) -> HeadSpec:
        kind: Any = "multi_label_classification" if self.multi else "single_label_classification"
        return HeadSpec(len(self.labels), kind, self.labels)

    # -- numbers ---------------------------------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """Token ids; the target is the label's number, or 0/1 for each label. Raises RowError `row.unknown_label`."""
        tokens = _shared.encode_texts(examples, tokenizer, max_length, windows=windows)
        return [Encoded(x.windows, x.types, self._number(e.target), x.lost)
                for x, e in zip(tokens, examples, strict=True)]

    def _number(self, target: Any) -> int | tuple[float, ...] | None:
        if target is None:
            return None
        if not self.multi and target.__class__ is str and target in self._index:
            return self._index[target]  # what almost every row takes
        numbers = [self._index.get(name, -1) for name in self._names(target)]
        if -1 in numbers:
            raise RowError("row.unknown_label", self.columns.get("label", ""),
                           t("no training row has the label {x!r}", "训练数据中没有标签 {x!r}",
                             x=self._names(target)[numbers.index(-1)]))
        if not self.multi:
            return numbers[0]
        vector = [0.0] * len(self.labels)
        for i in numbers:
            vector[i] = 1.0
        return tuple(vector)

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
        import torch

        dtype = torch.float32 if self.multi else torch.int64
        return _shared.add_targets(_shared.collate(rows, pad_id, pad_side), rows, dtype)

    def count(self, batch: Batch) -> float:
        """Rows; with class weights and one label a row the sum of the rows' weights."""
        targets = batch["targets"]
        if self.multi or not self.weights:
            return float(len(targets))
        return float(sum(self.weights[i] for i in targets.tolist()))

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """One label: Σ w_y · CE(logits, smoothed y) · (1 - p_y)^γ, as `torch.nn.CrossEntropyLoss` before its division
        by Σ w_y. Several: Σ over rows of the mean over labels of the binary cross-entropy, focal weight inside."""
        rows = _shared.pool(logits, batch)
        return self._binary(rows, batch["targets"]) if self.multi else self._single(rows, batch["targets"])

    def _single(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        weight = logits.new_tensor(self.weights) if self.weights else None
        losses = F.cross_entropy(logits, targets, weight=weight, label_smoothing=self.options.label_smoothing,
                                 reduction="none")
        if self.options.focal_gamma:
            p = logits.softmax(-1).gather(1, targets[:, None])[:, 0]
            losses = losses * _focal(p, self.options.focal_gamma)
        return losses.sum()

    def _binary(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        smooth = self.options.label_smoothing
        soft = targets * (1 - smooth) + smooth / 2
        weight = logits.new_tensor(self.weights) if self.weights else None
        losses = F.binary_cross_entropy_with_logits(logits, soft, pos_weight=weight, reduction="none")
        if self.options.focal_gamma:
            p = logits.sigmoid()
            losses = losses * _focal(p * targets + (1 - p) * (1 - targets), self.options.focal_gamma)
        return losses.mean(-1).sum()

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        return list(_shared.pool(logits, batch).cpu().numpy())

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        return _shared.forward(self, model, batch)

    # -- answers ---------------------------------------------------------------------------------------------------

    def calibrate(self, outputs: Outputs, targets: Sequence[Any]) -> None:
        """Several labels a row: the threshold with the best micro-F1 on these (validation) rows."""
        if self.calibrates and len(outputs):
            from weitiao.metrics.multilabel import best_threshold

            self.threshold = best_threshold(self._probabilities(outputs), self.numbers(targets))

    def specimen(self) -> dict[str, Any]:
        return self.decode([[0.0] * len(self.labels)])[0]

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """`{"label", "probability", "probabilities"}`, or `{"labels", "probabilities"}` with several a row."""
        p = self._probabilities(outputs)
        named = [dict(zip(self.labels, map(float, row), strict=True)) for row in p]
        if self.multi:
            return [{"labels": [n for n in self.labels if row[n] >= self.threshold], "probabilities": row}
                    for row in named]
        best = p.argmax(1) if len(p) else []
        return [{"label": self.labels[i], "probability": row[self.labels[i]], "probabilities": row}
                for i, row in zip(best, named, strict=True)]

    def _probabilities(self, outputs: Outputs) -> NDArray[np.float64]:
        """(n, labels): softmax, or the sigmoid of each with several labels a row."""
        from scipy.special import expit, softmax

        x = _shared.table(outputs, len(self.labels))
        out: NDArray[np.float64] = expit(x) if self.multi else softmax(x, axis=1)
        return out

    def numbers(self, targets: Sequence[Any]) -> NDArray[np.int64]:
        """Targets as label numbers (n,), or as 0/1 (n, labels). Raises RowError `row.unknown_label`."""
        import numpy as np

        got = [self._number(x) for x in targets]
        return np.array(got, np.int64).reshape(len(got), *((len(self.labels),) if self.multi else ()))

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0,
              resamples: int = 2000) -> list[Score]:
        """One label: accuracy first. Several: micro-F1 at the threshold first."""
        from weitiao.metrics import multilabel, singlelabel

        p, y = self._probabilities(outputs), self.numbers(targets)
        if self.multi:
            return multilabel.scores(p, y, self.labels, threshold=self.threshold, seed=seed, resamples=resamples)
        return singlelabel.scores(p, y, self.labels, top_k=self.options.top_k, seed=seed, resamples=resamples)

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """None: outputs are rows."""
        return []

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *,
                seed: int = 0, resamples: int = 2000) -> Paired:
        """Accuracy, or micro-F1 with several labels a row."""
        import numpy as np

        from weitiao.metrics import paired

        y = self.numbers(targets)
        if not self.multi:
            return paired.accuracy(self.correct(first, targets), self.correct(second, targets))
        given = [(self._probabilities(x) >= self.threshold).astype(np.int64) for x in (first, second)]
        return paired.micro_f1(y, *given, seed=seed, resamples=resamples)

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """One label: 1 or 0. Several: each row's own F1 (1 where no label is right and none is given)."""
        import numpy as np

        p, y = self._probabilities(outputs), self.numbers(targets)
        if not self.multi:
            return np.asarray(p.argmax(1) == y, np.float64)
        given = p >= self.threshold
        hits, both = (given & (y == 1)).sum(1), given.sum(1) + y.sum(1)
        return np.where(both == 0, 1.0, 2 * hits / np.maximum(both, 1))

    def quick(self, outputs: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        from weitiao.metrics import multilabel, singlelabel

        p, y = self._probabilities(outputs), self.numbers(targets)
        if self.multi:
            return multilabel.quick(p, y, self.threshold)
        return singlelabel.quick(p, y)


def _focal(p: torch.Tensor, gamma: float) -> torch.Tensor:
    # 1 - p is kept off 0, where the power's gradient is infinite for gamma < 1.
    return (1 - p).clamp_min(1e-6).pow(gamma)


SAMPLES = (
    Sample(rows=tuple({"text": x, "label": y} for x, y in (
               ("好吃", "positive"), ("难吃", "negative"), ("very good", "positive"), ("too slow", "negative"),
               ("味道不错，下次还来", "positive"), ("送餐太慢了", "negative"))),
           columns={"text": "text", "label": "label"}, options={"multi_label": False},
           bad=({"text": "", "label": "positive"}, {"text": "x", "label": float("nan")}, {"text": "x", "label": " "},
                {"label": "positive"}, {"text": ["x"], "label": "positive"}, {"text": "x", "label": ["a", "b"]})),
    Sample(rows=tuple({"评论": x, "标签": y} for x, y in (
               ("快而且好吃", ["快", "好吃"]), ("慢", []), ("好吃", ["好吃"]), ("很快", ["快"]), ("又慢又难吃", []),
               ("好吃得很", ["好吃"]))),
           columns={"text": "评论", "label": "标签"}, options={"multi_label": True},
           bad=({"评论": "x", "标签": None}, {"评论": "x", "标签": ["a", None]}, {"评论": "x", "标签": "[a b]"})),
    Sample(rows=tuple({"premise": a, "hypothesis": b, "relation": y} for a, b, y in (
               ("It rains.", "It is wet.", 1), ("It rains.", "It is dry.", 0), ("I eat.", "I have food.", 1),
               ("I eat.", "I starve.", 0), ("He sleeps.", "He rests.", 1), ("He sleeps.", "He runs.", 0))),
           columns={"text_a": "premise", "text_b": "hypothesis", "label": "relation"},
           bad=({"premise": "It rains.", "hypothesis": None, "relation": 1},)),
)
