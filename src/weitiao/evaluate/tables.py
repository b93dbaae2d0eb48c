"""Predictions row by row, errors worst first, and the confusion matrix: the files beside scores.json.

>>> errors(examples, predictions, correct)[:2]
[['source', 'id', 'text', 'target', 'prediction', 'probability'],
 ['test.csv:18', 'test.csv:18', '太慢', 'bad', 'good', 0.99]]
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core import files
from weitiao.core.text import joined
from weitiao.example import Example
from weitiao.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

Prediction = Mapping[str, Any]  # what `Task.decode` gives
_ANSWERS = ("label", "labels", "value", "answer", "entities", "text")


def answer(prediction: Prediction) -> Any:
    """The answer itself: a label, a list of labels, a number, a span, entities, or a text."""
    return next(prediction[k] for k in _ANSWERS if k in prediction)


def write_predictions(path: Path, examples: Sequence[Example], predictions: Sequence[Prediction],
                      correct: NDArray[np.float64]) -> None:
    """One parquet row a test row: id, source, inputs, target, prediction (JSON text), probability, correct."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def text(values: Sequence[Any]) -> list[str]:
        return [json.dumps(v, ensure_ascii=False) for v in values]

    table = pa.table({
        "id": [e.id for e in examples], "source": [e.source for e in examples],
        "inputs": text([dict(e.inputs) for e in examples]), "target": text([e.target for e in examples]),
        "prediction": text([answer(p) for p in predictions]),
        "probability": pa.array([p.get("probability") for p in predictions], pa.float64()),
        "correct": pa.array(correct, pa.float64()),
    })
    pq.write_table(table, path)


def errors(examples: Sequence[Example], predictions: Sequence[Prediction],
           correct: NDArray[np.float64]) -> list[list[Any]]:
    """Header and rows that are not wholly right, the worst first: least correct, then surest."""
    sure = [p.get("probability", 0.0) for p in predictions]
    wrong = [i for i in range(len(examples)) if correct[i] < (0 if _is_number(predictions[i]) else 1)]
    wrong.sort(key=lambda i: (correct[i], -sure[i], i))
    roles = list(dict.fromkeys(role for e in examples for role in e.inputs))
    kind = "error" if predictions and _is_number(predictions[0]) else \
        "probability" if predictions and "probability" in predictions[0] else "correct"
    rows: list[list[Any]] = [["source", "id", *roles, "target", "prediction", kind]]
    for i in wrong:
        shown = {"error": -correct[i], "probability": sure[i], "correct": correct[i]}[kind]
        inputs = [_shown(examples[i].inputs.get(role, "")) for role in roles]
        rows.append([examples[i].source, examples[i].id, *inputs, joined(examples[i].target),
                     joined(answer(predictions[i])), round(float(shown), 6)])
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """With a byte-order mark, without which Excel reads Chinese as noise."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    files.write_bytes(path, out.getvalue().encode("utf-8-sig"))


def confusion(task: Task, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any] | None:
    """`{labels, counts[truth][answer]}`; with several labels a row `{labels, true, given, both}`; None where rows have
    no labels."""
    head = task.head()
    labels = list(head.labels)
    if not labels or head.kind != "sequence":
        return None
    numbers: Any = task
    y = numbers.numbers([e.target for e in examples])
    given = numbers.numbers([answer(p) for p in predictions])
    if y.ndim == 1:
        k = len(labels)
        return {"labels": labels, "counts": np.bincount(y * k + given, minlength=k * k).reshape(k, k).tolist()}
    counts = {"true": y, "given": given, "both": y & given}
    return {"labels": labels, **{name: table.sum(0).tolist() for name, table in counts.items()}}


def _is_number(prediction: Prediction) -> bool:
    return "value" in prediction


def _shown(value: Any) -> Any:
    """An input as one cell: a conversation as its turns."""
    if isinstance(value, list) and all(isinstance(x, dict) and "content" in x for x in value):
        return "\n".join(f"{x['role']}: {x['content']}" for x in value)
    return value
