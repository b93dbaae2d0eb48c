"""Everything that the page is made of, read from a run's files. What each holds is said by the stage that wrote it.

>>> found = read(run)
>>> found.scores["verdict"]["en"]
'fine-tuning beats TF-IDF by 6.8 ± 2.3 points (n=1,200, p<0.001)'
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from weitiao.core import files
from weitiao.report import learning
from weitiao.run import Run

_ERRORS = 25  # on the page; all of them are in errors.csv


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The files of a run, parsed.

    Args:
        report: prepare/report.json.
        check: check/report.json; {"findings": []} where the recipe wanted none (`check.mode`).
        decision: select/decision.json.
        plan, cuts, costs: tune/plan.json, tune/encoding.json, tune/costs.json.
        course: tune/metrics.jsonl and timing.jsonl.
        bundle: model/weitiao.json.
        scores: evaluate/scores.json.
        confusion: evaluate/confusion.json, None for a task without labels.
        errors: the first rows of evaluate/errors.csv, worst first.
        error_count: how many rows it has.
        numbers: (truth, prediction) of each test row where these are numbers, else empty.
    """

    folder: Path
    manifest: dict[str, Any]
    report: dict[str, Any]
    check: dict[str, Any]
    decision: dict[str, Any]
    plan: dict[str, Any]
    cuts: dict[str, Any]
    costs: dict[str, Any]
    course: learning.Course
    bundle: dict[str, Any]
    scores: dict[str, Any]
    confusion: dict[str, Any] | None
    errors: list[dict[str, str]]
    error_count: int
    numbers: list[tuple[float, float]]


def read(run: Run) -> Artefacts:
    """All of it. Raises RunError `run.unreadable`."""
    def load(name: str) -> Any:
        return files.read_json(run.folder / name)

    matrix = run.folder / "evaluate" / "confusion.json"
    labelled = matrix.is_file()  # evaluate writes it for every task with labels
    checked = (run.folder / "check" / "report.json").is_file()
    errors, count = _errors(run.folder / "evaluate" / "errors.csv")
    return Artefacts(
        folder=run.folder, manifest=run.manifest, report=load("prepare/report.json"),
        check=load("check/report.json") if checked else {"findings": []},
        decision=load("select/decision.json"), plan=load("tune/plan.json"), cuts=load("tune/encoding.json"),
        costs=load("tune/costs.json"),
        course=learning.read(run.folder / "tune"), bundle=load("model/weitiao.json"),
        scores=load("evaluate/scores.json"), confusion=files.read_json(matrix) if labelled else None,
        errors=errors, error_count=count,
        numbers=[] if labelled else _numbers(run.folder / "evaluate" / "predictions.parquet"))


def _errors(path: Path) -> tuple[list[dict[str, str]], int]:
    with path.open(encoding="utf-8-sig", newline="") as f:
        rows = csv.DictReader(f)
        first = list(islice(rows, _ERRORS))
        return first, len(first) + sum(1 for _ in rows)


def _numbers(path: Path) -> list[tuple[float, float]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["target", "prediction"])
    pairs = [(json.loads(a), json.loads(b))
             for a, b in zip(*(table[c].to_pylist() for c in ("target", "prediction")), strict=True)]
    return pairs if all(isinstance(x, (int, float)) for pair in pairs for x in pair) else []
