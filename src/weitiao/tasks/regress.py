"""Regression: a number for a text or for a pair of texts.

    text_a,text_b,label
    A plane is taking off.,An air plane is taking off.,5.0

The model learns standardised targets, (y - mean) / scale with mean and standard deviation of the training rows, so
that one learning rate suits prices and probabilities alike; predictions and scores are in the data's own unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import DataError, RowError
from weitiao.core.i18n import t
from weitiao.example import Example, Row
from weitiao.models.spec import HeadSpec
from weitiao.tasks import Batch, Encoded, Fault, Guess, Noun, Outputs, Sample, TableProfile, _columns, _shared

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    loss: Literal["mse", "huber"] = "mse"
    """Squared error, or Huber's, which grows only linearly for outliers."""
    huber_delta: Annotated[float, Field(gt=0)] = 1.0
    """Where Huber's loss turns linear, in standard deviations of the training targets."""


class Task:
    """See `weitiao.tasks.Task`. Targets of examples are floats in the data's own unit; outputs are rows of one
    standardised number, (n, 1)."""

    BASELINES: ClassVar[tuple[str, ...]] = ("majority", "tfidf", "frozen")
    noun: ClassVar[Noun] = Noun("number", "numbers", "数值")
    likelihood: ClassVar[bool] = False
    calibrates: ClassVar[bool] = False
    watched: ClassVar[tuple[str, ...]] = ("spearman", "pearson", "r2", "mae", "rmse")

    def __init__(self, options: Options, columns: Mapping[str, str]) -> None:
        self.options, self.columns = options, columns
        self.mean, self.scale = 0.0, 1.0

    @property
    def roles(self) -> tuple[str, ...]:
        return _shared.text_roles(self.columns)

    # -- data ------------------------------------------------------------------------------------------------------

    @staticmethod
    def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """A table with a text and a column of numbers that are a quantity, not names of classes."""
        found = _columns.layout(profile, columns)
        if found is None or found.label.kind != "number":
            return None
        quantity = _columns.is_quantity(found.label, profile.rows)
        reason = t("regression, since it holds numbers (as classes: --task classify)",
                   "数值回归，因为该列是数值（若要当作类别：--task classify）")
        return Guess(found.strength if quantity else _columns.ONLY_IF_ASKED, found.columns,
                     _columns.describe(found, reason))

    def read(self, row: Row) -> Example:
        """Inputs and number of one row. Raises RowError."""
        inputs = _shared.read_texts(row, self.columns)
        present, value = _shared.target_value(row, self.columns)
        return Example(row.source, inputs, number(value, self.columns["label"]) if present else None, row.source)

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """None: a number is read or it is not."""
        return ()

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn mean and scale. Raises DataError `data.no_labels`, `data.one_class` (all targets equal)."""
        targets = [float(e.target) for e in examples if e.target is not None]
        where = self.columns.get("label", "")
        if not targets:
            raise DataError("data.no_labels", t("no row has a number to learn", "没有任何一行带数值"), where=where,
                            fix=t("name the column with --columns label=…", "请用 --columns label=… 指明数值列"))
        mean = math.fsum(targets) / len(targets)
        scale = math.sqrt(math.fsum((y - mean) ** 2 for y in targets) / len(targets))
        if scale <= 1e-12 * max(1.0, abs(mean)):
            raise DataError("data.one_class", t("all {n} training rows have the same number: {y}",
                                                "全部 {n} 条训练数据的数值都是 {y}", n=len(targets), y=targets[0]),
                            expected=t("numbers that differ", "不全相同的数值"), where=where,
                            fix=t("name the right column with --columns label=…",
                                  "请用 --columns label=… 指明正确的列"))
        self.mean, self.scale = mean, scale

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean, "scale": self.scale}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.mean, self.scale = state["mean"], state["scale"]

    def strata(self, example: Example) -> str:
        """None: numbers are split at random."""
        return ""

    def bind(self, kind: str, tokenizer: Any) -> None:
        """Any base that transformers has a classification head for."""

    def check_target(self, target: Any) -> None:
        """Any number can be learnt."""

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """The range of the numbers."""
        return {"min": min(targets), "mean": math.fsum(targets) / len(targets), "max": max(targets)} if targets else {}

    def head(self) -> HeadSpec:
        return HeadSpec(1, "regression")

    # -- numbers ---------------------------------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """Token ids; the target is the standardised number."""
        tokens = _shared.encode_texts(examples, tokenizer, max_length, windows=windows)
        return [Encoded(x.windows, x.types, None if e.target is None else (float(e.target) - self.mean) / self.scale,
                        x.lost) for x, e in zip(tokens, examples, strict=True)]

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
        import torch

        return _shared.add_targets(_shared.collate(rows, pad_id, pad_side), rows, torch.float32)

    def count(self, batch: Batch) -> float:
        """Rows."""
        return float(len(batch["targets"]))

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Σ (z - y)², or Σ Huber(z - y): d²/2 up to |d| = δ, then δ(|d| - δ/2); y standardised."""
        import torch.nn.functional as F

        rows = _shared.pool(logits, batch)[:, 0]
        if self.options.loss == "mse":
            return F.mse_loss(rows, batch["targets"], reduction="sum")
        return F.huber_loss(rows, batch["targets"], reduction="sum", delta=self.options.huber_delta)

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        return list(_shared.pool(logits, batch).cpu().numpy())

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        return _shared.forward(self, model, batch)

    # -- answers ---------------------------------------------------------------------------------------------------

    def calibrate(self, outputs: Outputs, targets: Sequence[Any]) -> None:
        """Nothing to learn."""

    def specimen(self) -> dict[str, Any]:
        return {"value": 0.0}

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """`{"value": number}` in the data's own unit."""
        return [{"value": float(v)} for v in self.values(outputs)]

    def values(self, outputs: Outputs) -> NDArray[np.float64]:
        """(n,) in the data's own unit."""
        return _shared.table(outputs, 1)[:, 0] * self.scale + self.mean

    def numbers(self, targets: Sequence[Any]) -> NDArray[np.float64]:
        """Standardised targets, (n,)."""
        import numpy as np

        return (np.asarray(targets, np.float64) - self.mean) / self.scale

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0,
              resamples: int = 2000) -> list[Score]:
        """Spearman's correlation first, then Pearson's, R², MAE, RMSE."""
        import numpy as np

        from weitiao.metrics import regression

        return regression.scores(self.values(outputs), np.asarray(targets, np.float64), seed=seed, resamples=resamples)

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """None: outputs are rows."""
        return []

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *,
                seed: int = 0, resamples: int = 2000) -> Paired:
        """Spearman's correlation."""
        import numpy as np

        from weitiao.metrics import paired

        y = np.asarray(targets, np.float64)
        return paired.spearman(y, self.values(first), self.values(second), seed=seed, resamples=resamples)

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """Minus the absolute error: larger is better. (A correlation has no share for one row.)"""
        import numpy as np

        return -np.abs(self.values(outputs) - np.asarray(targets, np.float64))

    def quick(self, outputs: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        import numpy as np

        from weitiao.metrics import regression

        return regression.quick(self.values(outputs), np.asarray(targets, np.float64))


def number(value: Any, field: str) -> float:
    """A finite number from a JSON number or from text. Raises RowError `row.no_label`, `row.bad_label`."""
    if _shared.is_missing(value) or (isinstance(value, str) and value.strip().casefold() == "nan"):
        raise RowError("row.no_label", field, t("the number is empty or NaN", "数值为空或 NaN"))
    try:
        got = float(value) if not isinstance(value, bool) else math.inf
    except (TypeError, ValueError, OverflowError):
        got = math.inf
    if not math.isfinite(got):
        raise RowError("row.bad_label", field, t("not a finite number: {x!r}", "不是有限的数值：{x!r}", x=value))
    return got


SAMPLES = (
    Sample(rows=tuple({"text_a": a, "text_b": b, "score": y} for a, b, y in (
               ("A plane takes off.", "A plane is taking off.", 5.0), ("A man sings.", "A dog barks.", 0.2),
               ("天气很好", "今天天气不错", "4.1"), ("天气很好", "股票大跌", 0), ("I eat.", "I am eating.", 4.8),
               ("I eat.", "They swim.", 0.5))),
           columns={"text_a": "text_a", "text_b": "text_b", "label": "score"},
           bad=({"text_a": "x", "text_b": "y", "score": "high"}, {"text_a": "x", "text_b": "y", "score": float("nan")},
                {"text_a": "x", "text_b": "", "score": 1.0}, {"text_a": "x", "text_b": "y", "score": "inf"})),
    Sample(rows=tuple({"comment": x, "stars": y} for x, y in (
               ("very good", 4.5), ("bad", 1.0), ("好吃", 5.0), ("难吃", 0.5), ("fine", 3.0), ("还行", 3.5))),
           columns={"text": "comment", "label": "stars"}, options={"loss": "huber"},
           bad=({"comment": None, "stars": 3.0},)),
)
