"""How good is the tuned model, honestly: scores with intervals beside simple baselines on the same untouched rows.

>>> evaluate(recipe, run)
>>> summary(files.read_json(run.folder / "evaluate" / "scores.json"))
['accuracy 87.4 % [85.4, 89.2 %] on 1,200 rows', ...
 'fine-tuning beats TF-IDF by 6.8 ± 2.3 points (n=1,200, p<0.001)']

`evaluate/scores.json` holds

- `task`, `metric` (the first metric, which the verdict is about), `n`, `precision`, `seed`, `resamples`;
- `unknown_labels`: rows left out because no training row has their label; `not_drawn`: rows left out because
  `evaluate.rows` asks for fewer, which the seed then draws;
- `metrics`: `[{name, value, low, high, n, signature}]`, the first metric first, those of single labels last;
- `baselines`: `[{name, title: {en, zh}, how, train_rows, seconds, metrics}]`;
- `paired`: `[{baseline, metric, difference, low, high, p, n, signature}]`, the tuned model minus the baseline;
- `best_baseline`, `verdict: {en, zh, outcome}`: against the baseline that scores best on these very rows, which is
  the hardest one to beat;
- `without_leaks`: null, or `{leaked, n, metrics}`: the scores without the test rows that also stand in train.

Beside it lie predictions.parquet, errors.csv and (with labels) confusion.json; see `tables`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from weitiao import bundle, splits, tasks
from weitiao.core import files, seeds
from weitiao.core.errors import DataError, RowError
from weitiao.core.i18n import t
from weitiao.evaluate import baselines, tables
from weitiao.evaluate._sentences import sentence, summary, verdict
from weitiao.evaluate.baselines import Baseline, Case
from weitiao.example import Example
from weitiao.metrics import LOWER_IS_BETTER, Score
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.tasks import Outputs, Task

__all__ = ["evaluate", "evaluate_file", "summary", "verdict"]


def evaluate(recipe: Recipe, run: Run) -> None:
    """Score the run's bundle and its baselines on the test rows; write the folder evaluate.

    Raises DataError `data.no_test_rows`, MissingExtra where words or stop words need a library, and what loading a
    bundle or a base model raises.
    """
    device = _device(recipe)
    tuned = bundle.load(run.folder, device=device)
    test = splits.load(run, "test")
    scores, rows, outputs = _score(tuned, test, recipe.seed, recipe.evaluate.resamples, recipe.evaluate.rows)
    _compare(scores, tuned.task, rows, outputs, _baselines(recipe, run, tuned.task, rows, device))
    leaked = set(files.read_json(run.folder / "prepare" / "report.json").get("leaked_test_ids", ()))
    scores["without_leaks"] = _without(leaked, tuned.task, rows, outputs, scores)
    predictions = tuned.task.decode(outputs)
    correct = tuned.task.correct(outputs, [e.target for e in rows])
    matrix = tables.confusion(tuned.task, rows, predictions)
    with run.stage("evaluate") as folder:
        files.write_json(folder / "scores.json", scores)
        tables.write_predictions(folder / "predictions.parquet", rows, predictions, correct)
        tables.write_csv(folder / "errors.csv", tables.errors(rows, predictions, correct))
        if matrix is not None:
            files.write_json(folder / "confusion.json", matrix)


def evaluate_file(tuned: bundle.Bundle, examples: Sequence[Example], *, run: Run | None = None, seed: int = 0,
                  resamples: int = 2000) -> dict[str, Any]:
    """Scores of a bundle on all of other labelled rows, as in scores.json; without baselines where no run is given.

    Args:
        tuned: the model.
        examples: what it has read.
        run: whose baselines, made of its training rows, answer the same rows.
        seed, resamples: of the intervals.

    Raises DataError `data.no_test_rows` when no row has a label that the model knows.
    """
    scores, rows, outputs = _score(tuned, examples, seed, resamples, len(examples))
    if run is not None:
        recipe = Recipe.read(run.folder / "recipe.toml")
        _compare(scores, tuned.task, rows, outputs, _baselines(recipe, run, tuned.task, rows, _device(recipe)))
    return scores


def _score(tuned: bundle.Bundle, examples: Sequence[Example], seed: int, resamples: int,
           most: int | str) -> tuple[dict[str, Any], list[Example], Outputs]:
    """Scores without comparisons, the rows that count (at most so many), and the outputs for them."""
    labelled = [e for e in examples if e.target is not None]
    known = [e for e in labelled if _known(tuned.task, e)]
    if most == "auto":
        most = _WRITTEN if tuned.task.head().kind == "language" else len(known)
    rows = _drawn(known, int(most), seed)
    if not rows:
        raise DataError("data.no_test_rows",
                        t("no row has a {w} that the model can be judged by", "没有任何一行带有可用于评分的{z}",
                          w=tuned.task.noun.one, z=tuned.task.noun.zh),
                        fix=t("give rows with their {w}, e.g. with --test, or set split.test above 0",
                              "请提供带{z}的数据（如 --test），或把 split.test 设为大于 0", w=tuned.task.noun.many,
                              z=tuned.task.noun.zh))
    outputs, targets = tuned.outputs(rows), [e.target for e in rows]
    metrics = tuned.task.score(outputs, targets, seed=seed, resamples=resamples)
    if tuned.task.likelihood:
        metrics += tuned.task.score_rows(tuned.forward(rows), targets, seed=seed, resamples=resamples)
    return {
        "task": tuned.task_name, "metric": metrics[0].name, "n": len(rows),
        "unknown_labels": len(labelled) - len(known), "not_drawn": len(known) - len(rows), "precision": "fp32",
        "seed": seed, "resamples": resamples,
        "metrics": [s.as_dict() for s in metrics], "baselines": [], "paired": [], "best_baseline": "",
        "verdict": sentence(metrics[0], None, ""), "without_leaks": None,
    }, rows, outputs


_WRITTEN = 300  # test rows that are answered in writing: minutes on two cores, for three systems


def _drawn(rows: list[Example], most: int, seed: int) -> list[Example]:
    """So many rows, in their order."""
    if len(rows) <= most:
        return rows
    picked = seeds.rng(seed, "test rows").permutation(len(rows))[:most]
    return [rows[i] for i in sorted(picked)]


def _known(task: Task, example: Example) -> bool:
    try:
        task.check_target(example.target)
    except RowError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Rival:
    """A baseline with its name and the seconds that training and answering took."""

    name: str
    made: Baseline
    seconds: float


def _baselines(recipe: Recipe, run: Run, task: Task, rows: Sequence[Example], device: str) -> list[_Rival]:
    # Tuning has measured whether bf16 pays on this machine, and noted what it used.
    facts = files.read_json(run.folder / "model" / "weitiao.json")
    case = Case(task, splits.load(run, "train"), [replace(e, target=None) for e in rows], recipe, device,
                bf16=facts.get("run", {}).get("precision") == "bf16", home=run.folder / "tune")
    rivals = []
    for name in tasks.baselines(task, recipe.evaluate.baselines):
        started = time.perf_counter()
        made = baselines.load(name).make(case)
        rivals.append(_Rival(name, made, time.perf_counter() - started))
    return rivals


def _compare(scores: dict[str, Any], task: Task, rows: Sequence[Example], outputs: Outputs,
             rivals: Sequence[_Rival]) -> None:
    """Add the baselines, the paired tests and the verdict."""
    if not rivals:
        return
    targets, how = [e.target for e in rows], {"seed": scores["seed"], "resamples": scores["resamples"]}
    paired = [task.compare(outputs, r.made.outputs, targets, **how) for r in rivals]
    for r, p in zip(rivals, paired, strict=True):
        scores["baselines"].append({
            "name": r.name, "title": baselines.title(r.name), "how": r.made.how, "train_rows": r.made.train_rows,
            "seconds": round(r.seconds, 1),
            "metrics": [s.as_dict() for s in _cheap(task, r.made.outputs, targets, how)],
        })
        scores["paired"].append({"baseline": r.name, **p.as_dict()})
    sign = -1 if scores["metric"] in LOWER_IS_BETTER else 1
    best = max(range(len(rivals)), key=lambda i: sign * scores["baselines"][i]["metrics"][0]["value"])
    scores["best_baseline"] = rivals[best].name
    scores["verdict"] = sentence(Score(**scores["metrics"][0]), paired[best], rivals[best].name)


def _cheap(task: Task, outputs: Outputs, targets: Sequence[Any], how: dict[str, int]) -> list[Score]:
    """The first metric and those that validation watches: none needs calibrated probabilities."""
    found = task.score(outputs, targets, **how)
    return [found[0], *(s for s in found[1:] if s.name in task.watched)]


def _without(leaked: set[str], task: Task, rows: Sequence[Example], outputs: Outputs,
             scores: dict[str, Any]) -> dict[str, Any] | None:
    """The scores without the rows that also stand in train; None where there are no such rows."""
    kept = [i for i, e in enumerate(rows) if e.id not in leaked]
    if len(kept) == len(rows):
        return None
    metrics = _cheap(task, [outputs[i] for i in kept], [rows[i].target for i in kept],
                     {"seed": scores["seed"], "resamples": scores["resamples"]}) if kept else []
    return {"leaked": len(rows) - len(kept), "n": len(kept), "metrics": [s.as_dict() for s in metrics]}


def _device(recipe: Recipe) -> str:
    """The device for scoring: what tuning was told to use, else a CUDA GPU, else the CPU."""
    if recipe.tune.device != "auto":
        return recipe.tune.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
