"""`weitiao reproduce RUN`: the run once more from its own recipe and data, and whether the same came out.

>>> again = reproduce(Path("runs/news-3"), Path("runs/news-3-again"))
>>> again.passed, again.otherwise
(True, [])

On the machine that made the run, with the same libraries and number of threads, bytes are compared. Elsewhere the last
digits of sums differ and training amplifies them: `otherwise` says what is different, before anything is done, and the
comparison allows for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weitiao import pipeline
from weitiao.certifying import Line
from weitiao.certifying.case import unfinished
from weitiao.certifying.comparing import differences
from weitiao.core import files
from weitiao.core.i18n import t
from weitiao.events import Event
from weitiao.recipe import Recipe
from weitiao.run import Run, machine
from weitiao.tuning.plan import Plan

_CURVE, _WEIGHTS, _ANSWERS = 0.05, 0.05, 0.05  # of losses, weights and answers, where bytes cannot be equal
_SAME = ("python", "processor", "cpu_capability")  # of manifest.json, beside the libraries


@dataclass(frozen=True, slots=True)
class Again:
    """What came out.

    Args:
        folder: the new run's.
        otherwise: what is different here, in the user's language; none where bytes must be equal.
        lines: the comparisons.
    """

    folder: Path
    otherwise: list[str]
    lines: list[Line]

    @property
    def passed(self) -> bool:
        """Do all comparisons hold?"""
        return all(line.passed for line in self.lines)


def otherwise(run: Run) -> list[str]:
    """What the bytes of a run depend on and is different here: `torch 2.12.0 → 2.13.0`."""
    then, now = run.manifest["machine"], machine()
    before = {**{k: then.get(k) for k in _SAME}, **then["libraries"]}
    here = {**{k: now.get(k) for k in _SAME}, **now["libraries"]}
    return [f"{k} {before.get(k)} → {here.get(k)}" for k in {**before, **here} if before.get(k) != here.get(k)]


def reproduce(folder: Path, out: Path, *, on_event: Callable[[Event], None] | None = None,
              before: Callable[[list[str]], None] = lambda different: None) -> Again:
    """Run it again with as many threads as then, and compare.

    Args:
        folder: a finished run.
        out: a new folder for the second one.
        on_event: hears of the second run.
        before: is told what is different here, before anything is done.

    Raises RunError `run.missing`, `run.unfinished`, `run.exists`; what `weitiao tune` raises.
    """
    import torch

    run = Run.open(folder)
    plan = Plan.read(run.folder / "tune")
    if plan is None or not (run.folder / "evaluate" / "scores.json").is_file():
        raise unfinished(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.fingerprint["threads"])
    try:
        different = otherwise(run)
        before(different)
        done = pipeline.start(_recipe(run, plan), out, on_event)
    finally:
        torch.set_num_threads(threads)
    return Again(done.folder, different, compare(run.folder, done.folder, exact=not different))


def _recipe(run: Run, plan: Plan) -> Recipe:
    """The resolved one, with what that machine measured instead of measuring again."""
    recipe = Recipe.read(run.folder / "recipe.toml")
    measured: dict[str, Any] = {"precision": plan.precision, "device": plan.device}
    if recipe.tune.time:
        measured |= {"time": "", "steps": plan.steps}
    return recipe.updated({"tune": measured})


def compare(one: Path, other: Path, *, exact: bool) -> list[Line]:
    """The second run against the first: rows, base, learning curve, weights, answers, score.

    `exact`: bytes must be equal; else losses and weights may differ by 5 %, answers to 5 % of the rows, and the score
    must lie within the first one's interval.
    """
    plans = [Plan.read(folder / "tune") for folder in (one, other)]
    assert plans[0] and plans[1], "both are finished"
    lines = [_equal(t("the rows and their parts", "数据及其划分"), *(_rows(f) for f in (one, other))),
             _equal(t("the base model's weights", "基座权重"), *(p.fingerprint["model"] for p in plans if p))]
    if exact:
        names = [*sorted(p.relative_to(one).as_posix() for p in one.glob("model/*.safetensors")), "tune/metrics.jsonl"]
        lines += [_equal(name, *(files.sha256(folder / name) for folder in (one, other))) for name in names]
    else:
        lines += [Line("reproduce", t("losses", "损失"), _losses(one, other), _CURVE, "relative"),
                  Line("reproduce", t("weights", "权重"), _weights(one, other), _WEIGHTS, "relative")]
    return [*lines, *_answers(one, other, exact=exact)]


def _equal(said: str, first: object, second: object) -> Line:
    return Line("reproduce", said, float(first != second), 0.0, "files")


def _rows(folder: Path) -> object:
    return files.read_json(folder / "prepare" / "report.json")["fingerprint"]["splits"]


def _losses(one: Path, other: Path) -> float:
    """The largest relative difference of two losses of the same step."""
    curves = [_curve(folder / "tune" / "metrics.jsonl") for folder in (one, other)]
    if len(curves[0]) != len(curves[1]):
        return math.nan
    return max(abs(b - a) / max(abs(a), 1e-6) for a, b in zip(curves[0], curves[1], strict=True))


def _curve(path: Path) -> list[float]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line["loss"] if "loss" in line else line["validation"]["loss"] for line in lines if "left_out" not in line]


def _weights(one: Path, other: Path) -> float:
    """‖a − b‖ / ‖a‖ of all weights together."""
    from safetensors.torch import load_file

    squared, apart = 0.0, 0.0
    for path in sorted(one.glob("model/*.safetensors")):
        first, second = load_file(path), load_file(other / "model" / path.name)
        for name, value in first.items():
            squared += float(value.double().square().sum())
            apart += float((second[name].double() - value.double()).square().sum())
    return math.sqrt(apart / squared)


def _answers(one: Path, other: Path, *, exact: bool) -> list[Line]:
    import pyarrow.parquet as pq

    tables = [pq.read_table(folder / "evaluate" / "predictions.parquet").to_pylist() for folder in (one, other)]
    _, differ = differences(tables[1], tables[0]) if len(tables[0]) == len(tables[1]) else (0.0, len(tables[0]))
    rows = len(tables[0])
    said = t("answers to {n} test rows that differ", "{n} 条测试数据中不同的答案", n=rows)
    answers = Line("reproduce", said, float(differ), 0.0 if exact else math.floor(_ANSWERS * rows), "answers")
    first, second = (files.read_json(folder / "evaluate" / "scores.json")["metrics"][0] for folder in (one, other))
    room = 0.0 if exact or first["low"] is None else max(first["value"] - first["low"], first["high"] - first["value"])
    score = Line("reproduce", t("{m}, {a:.4f} then and {b:.4f} now", "{m}：当时 {a:.4f}，现在 {b:.4f}", m=first["name"],
                                a=first["value"], b=second["value"]), abs(second["value"] - first["value"]), room,
                 "absolute")
    return [answers, score]
