"""weitiao's side: the same rows and base models, by runs of one update and what `weitiao certify` measures runs with.

    python ours.py WORK KIND...

Writes WORK/<kind>/weitiao/<how>.pt like trainer.py, and all else to WORK/weitiao.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from weitiao import pipeline
from weitiao.certifying.case import Case, gradient_of, varied
from weitiao.recipe import Recipe
from weitiao.tuning.validate import rows_and_loss

TASKS = {"classification": "classify", "regression": "regress", "tagging": "tag", "T5": "generate", "BART": "generate",
         "causal LM": "generate", "masked LM": "pretrain"}
TOKENS = {1: 1, 8: 400, 32: 8192}  # of a validation pass: as many rows as its key, roughly, of at most 50 tokens each


def main() -> None:
    work, kinds = Path(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(1)
    found = {kind: measured(work / kind.replace(" ", "-"), kind) for kind in kinds}
    (work / "weitiao.json").write_text(json.dumps(found))


def measured(folder: Path, kind: str) -> dict[str, Any]:
    own = folder / "weitiao"
    (own / "scratch").mkdir(parents=True)
    once = {processes: own / f"run-{processes}" for processes in (1, 2)}
    for processes, out in once.items():  # `weitiao tune` and `weitiao tune --nproc 2`
        pipeline.start(recipe(folder, kind, steps=1), out, processes=processes)
    case = Case.of(once[1], 32, own / "scratch")
    with case.engine() as engine:
        rows = varied(engine)  # all eight
        for name, size in (("8x1", 8), ("2x4", 2)):
            loss, gradient = gradient_of(engine, [rows[i : i + size] for i in range(0, 8, size)])
            torch.save({"gradient": gradient, "loss": loss}, own / f"{name}.pt")
    return {"eval_loss": evaluated(case), "processes": {n: course(out) for n, out in once.items()}}


def recipe(folder: Path, kind: str, **tune: Any) -> Recipe:
    """The folder's rows and base in float32, updates of 8 rows; no baselines, whose scores are not asked for here."""
    held_out = (str(folder / "eval.jsonl"),)
    return Recipe.build({
        "data": {"train": (str(folder / "train.jsonl"),), "validation": held_out, "test": held_out},
        "check": {"mode": "off"}, "task": {"name": TASKS[kind]}, "model": {"name": str(folder / "model")},
        "tune": {"batch_size": 8, "precision": "fp32", "device": "cpu", **tune},
        "evaluate": {"baselines": (), "rows": 2}})


def evaluated(case: Case) -> dict[int, float]:
    """The untrained model's loss on the held-out rows, in passes of one row and of more."""
    task = case.task()
    made = case.ready(case.exact(), task)
    return {rows: rows_and_loss(made.model, task, made.rows["validation"], torch.device("cpu"), most_tokens=tokens)[1]
            for rows, tokens in TOKENS.items()}


def course(run: Path) -> dict[str, float]:
    """What a run of one update wrote of its gradient, its training loss and its validation."""
    lines = [json.loads(x) for x in (run / "tune" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    update = next(x for x in lines if "loss" in x)
    return {"gradient_norm": update["gradient_norm"], "loss": update["loss"],
            "eval_loss": next(x["validation"]["loss"] for x in lines if "validation" in x)}


if __name__ == "__main__":
    main()
