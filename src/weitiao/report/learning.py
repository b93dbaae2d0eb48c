"""How training went: the loss of each update and the validations, from tune/metrics.jsonl and tune/timing.jsonl.

>>> course = read(run.folder / "tune")
>>> learning(course, best_step=280).summary
'320 updates in 48 s, 66 rows a second; the weights are those of step 280, which had the lowest loss on …'
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from weitiao.core import files
from weitiao.core.i18n import t
from weitiao.metrics import naming
from weitiao.report import charts, words
from weitiao.report.view import Learning


@dataclass(frozen=True, slots=True)
class Course:
    """What was written while training.

    Args:
        updates: step, loss and rows of each update.
        validations: step to its metrics.
        seconds: of training, without the pauses between resumptions.
        left_out: updates that were not made, as their loss or gradient was no finite number.
        inexact: what was another machine's when the run was gone on with.
        unreadable: lines of timing.jsonl.
    """

    updates: list[Mapping[str, Any]]
    validations: dict[int, Mapping[str, float]]
    seconds: float
    left_out: int
    inexact: tuple[str, ...]
    unreadable: int


def read(folder: Path) -> Course:
    """The run's `tune/`."""
    lines, (timing, unreadable) = _lines(folder / "metrics.jsonl"), _timing(folder / "timing.jsonl")
    return Course([x for x in lines if "loss" in x], {x["step"]: x["validation"] for x in lines if "validation" in x},
                  _seconds(timing), sum("left_out" in x for x in lines),
                  tuple(files.read_sealed(folder / "outcome.json")["inexact"]), unreadable)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in path.read_text(encoding="utf-8").split("\n") if x]


def _timing(path: Path) -> tuple[list[float], int]:
    """The clock at each update, and how many lines cannot be read: nothing but a duration hangs on this file, and no
    seal guards it."""
    found, unreadable = [], 0
    for line in path.read_bytes().splitlines():
        try:
            found.append(float(json.loads(line)["seconds"]))
        except (ValueError, KeyError, TypeError):
            unreadable += 1
    return found, unreadable


def _seconds(timing: list[float]) -> float:
    """The clock starts anew with each resumption: add up where it falls."""
    return sum(a for a, b in pairwise(timing) if b < a) + (timing[-1] if timing else 0.0)


def learning(course: Course, best_step: int, chosen_by: str) -> Learning:
    """Curves over updates with the best step marked. `chosen_by` is the metric that chose it."""
    best = float(best_step) if course.validations else None  # else nothing was chosen: the last weights were kept
    train = charts.smooth([(u["step"], u["loss"]) for u in course.updates if math.isfinite(u["loss"])])
    lines = [charts.Line(t("training loss", "训练损失"), "train", train)]
    if loss := _points(course, "loss"):
        lines.append(charts.Line(t("validation loss", "验证损失"), "validation", loss))
    mark, axis = t("best", "最佳"), t("updates", "更新次数")
    name = next((k for v in course.validations.values() for k in v if k != "loss"), "")
    points = _points(course, name) if name else []
    curve = charts.Line(t("on the validation rows", "验证集"), "validation", points)
    metric = charts.curves([curve], best, 190, mark, axis) if points else Markup("")
    return Learning(_summary(course, best_step, chosen_by), charts.curves(lines, best, 230, mark, axis),
                    naming.metric(name), metric)


def _points(course: Course, name: str) -> list[tuple[float, float]]:
    return [(float(s), v[name]) for s, v in course.validations.items() if math.isfinite(v[name])]


def _otherwise(course: Course) -> str:
    """What a reader of the score should know of its making; "" where all went its way."""
    text = t("{n} updates were left out: their loss or gradient was not a finite number. ",
             "有 {n} 次更新因损失或梯度不是有限数而被跳过。", n=course.left_out) if course.left_out else ""
    if course.inexact:
        text += t("It was gone on with elsewhere ({x}): another run will not give the same bytes. ",
                  "曾在不同环境下继续（{x}）：重新运行不会得到相同的字节。", x=", ".join(course.inexact))
    if course.unreadable:
        text += t("{n} lines of timing.jsonl are damaged: the time is that of the others. ",
                  "timing.jsonl 有 {n} 行损坏：用时按其余各行计算。", n=course.unreadable)
    return text


def _summary(course: Course, best_step: int, chosen_by: str) -> str:
    rows = sum(u["rows"] for u in course.updates)
    text = t("{n} updates in {d}, {r:.0f} rows a second. ",
             "共 {n} 次更新，用时 {d}，每秒 {r:.0f} 行。", n=len(course.updates),
             d=words.duration(course.seconds), r=rows / max(course.seconds, 1e-9)) + _otherwise(course)
    if not course.validations:
        return text + t("There were no validation rows: the last weights were kept.", "没有验证数据：保留最后的权重。")
    # Validations list the task's own metrics first, and "auto" means the first of them.
    name = next(iter(next(iter(course.validations.values())))) if chosen_by == "auto" else chosen_by
    return text + t("Kept are the weights after update {b}, the best by {m} on the validation rows.",
                    "保留第 {b} 次更新后的权重，按验证集上的{m}最佳。", b=best_step, m=naming.metric(name))
