"""Do the learning curves of `weitiao plan` keep their word? Fitted on half of the rows, held against all of them.

    python benchmarks/learning_curves.py DATA WORK [--one]     one line a set, learner and seed: WORK/curves.jsonl
    python benchmarks/learning_curves.py DATA WORK --table     benchmarks/results/learning_curves.md

Of each set of `rank_bases.SETS` 2,000 training rows and at most 3,000 test rows are drawn. Half of the training rows
are "at hand": the curve is fitted on them alone, as `plan` does, and says what as many again would buy. What they do
buy is seen on the test rows: the learner trained on that half, and on all. What is seen has an interval, too (the
paired one of the task): a curve is refuted where the two are further apart than the root of both squared half widths.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rank_bases

from weitiao import models, tasks
from weitiao.evaluate import baselines
from weitiao.evaluate.baselines import Case, _linear, frozen
from weitiao.example import Example, Row
from weitiao.planning import curve
from weitiao.recipe import Recipe
from weitiao.run import machine
from weitiao.tasks import read_all

ROWS, TEST, SEEDS, FOLDS = 2000, 3000, (1, 2), 3
FROZEN = {"thucnews-title10": "e5-small", "waimai-10k": "e5-small", "fewclue-tnews": "e5-small"}  # else minilm
HERE = Path(__file__).resolve().parent


def examples(found: rank_bases.Set, data: Path) -> tuple[tasks.Task, list[Example], list[Example]]:
    """The task, fitted, and both parts."""
    train, test = rank_bases.drawn(found._replace(rows=10**9, each=False), data, TEST)
    columns = found.columns or {"text": "text", "label": "label"}
    task = tasks.make(found.task["name"], {k: v for k, v in found.task.items() if k != "name"}, columns)
    parts = [read_all(task, [Row(r, part, i) for i, r in enumerate(rows)])
             for part, rows in (("train", train[:ROWS]), ("test", test))]
    task.fit(parts[0])
    known = [e for e in parts[1] if _known(task, e)]
    return task, parts[0], known[:TEST]


def _known(task: tasks.Task, example: Example) -> bool:
    try:
        task.check_target(example.target)
    except Exception:
        return False
    return True


def learner(name: str, task: Any, rows: Sequence[Example]) -> curve.Learner:
    """Of TF-IDF, or of a linear model on a frozen base, over all rows of both parts."""
    recipe = Recipe()
    if name == "tfidf":
        def classical(train: Sequence[int], judged: Sequence[int]) -> Sequence[Any]:
            case = Case(task, [rows[i] for i in train], [rows[i] for i in judged], recipe, "cpu", bf16=False)
            return baselines.load("tfidf").make(case).outputs

        return classical
    base = models.find(name)
    case = Case(task, (), (), recipe.updated({"model": {"name": name, "max_length": 256}}), "cpu", bf16=True)
    task.bind(base.kind, models.tokenizer(base.folder))
    x, y = frozen.encoder_of(case)(rows), task.numbers([e.target for e in rows])

    def probe(train: Sequence[int], judged: Sequence[int]) -> Sequence[Any]:
        got = _linear.fit(x[train], y[train], task, _linear.dense, _linear.DENSE_GRID, 1)
        return list(_linear.at_threshold(got, got.model(x[judged]), task))

    return probe


def checked(found: rank_bases.Set, name: str, data: Path) -> list[dict[str, Any]]:
    """A line for each seed."""
    task, train, test = examples(found, data)
    rows = [*train, *test]
    learn, n = learner(name, task, rows), len(train)
    judged = list(range(n, len(rows)))

    def error(outputs: Sequence[Any], numbers: Sequence[int]) -> float:
        return 1 - task.quick(outputs, [rows[i].target for i in numbers])[task.watched[0]]

    whole = learn(list(range(n)), judged)
    out = []
    for seed in SEEDS:
        half = np.random.default_rng(seed).permutation(n)[: n // 2].tolist()
        folds = [([i for j, i in enumerate(half) if j % FOLDS != k], half[k::FOLDS]) for k in range(FOLDS)]
        points = curve.measure(learn, folds, seed)
        fitted = curve.fitted(points, error, [i for _, rest in folds for i in rest], seed)
        gain, answers = fitted.gain(n // 2, n), learn(half, judged)
        seen = task.compare(whole, answers, [e.target for e in test], resamples=500)
        out.append({"set": found.name, "learner": name, "seed": seed, "rows": n // 2, "more": n, "test": len(test),
                    "metric": task.watched[0], "said": gain.value, "low": gain.low, "high": gain.high,
                    "power": fitted.power.tolist(), "seen": error(answers, judged) - error(whole, judged),
                    "seen_half": ((seen.high or 0.0) - (seen.low or 0.0)) / 2})
    return out


def table(work: Path) -> None:
    """Write what was seen."""
    by: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for x in rank_bases.lines(work / "curves.jsonl"):
        by[x["set"], x["learner"]].append(x)
    lines, held, agree, gaps = [], [], [], []
    for (name, learnt), every in sorted(by.items()):
        for x in every:
            held.append(x["low"] <= x["seen"] <= x["high"])
            gaps.append(x["said"] - x["seen"])
            agree.append(abs(gaps[-1]) <= np.hypot((x["high"] - x["low"]) / 2, x["seen_half"]))
        seen = ", ".join(f"{100 * x['seen']:+.1f} ± {100 * x['seen_half']:.1f}" for x in every)
        said = ", ".join(f"{100 * x['said']:+.1f} [{100 * x['low']:.1f}, {100 * x['high']:.1f}]" for x in every)
        first = every[0]
        lines.append(f"| {name} | {learnt} | {first['metric']} | {first['rows']:,} → {first['more']:,} | {said} "
                     f"| {seen} | {sum(agree[-len(every):])} of {len(every)} |")
    facts = machine()
    text = f"""# Learning curves held against what more labels bought

{datetime.now(UTC):%Y-%m-%d}, {facts["processor"]}, torch {facts["libraries"]["torch"]}; seeds {SEEDS} of the half that
is at hand, at most {TEST:,} test rows. `python benchmarks/learning_curves.py DATA WORK`

Of {len(held)} predictions {sum(agree)} agree with what was seen within both intervals; {sum(held)} intervals hold the
seen number by themselves. A curve missed it by {100 * float(np.mean(np.abs(gaps))):.1f} points on average; with its
sign by {100 * float(np.mean(gaps)):+.1f} (below 0: it promised too little).

| set | learner | metric | rows | said, points [95 %] | seen, points | agree |
|---|---|---|--:|---|--:|--:|
""" + "\n".join(lines) + "\n"
    (HERE / "results" / "learning_curves.md").write_text(text, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--one", action="store_true", help="only the next; exits with 3 where none is left")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        table(asked.work)
        return 0
    done = {(x["set"], x["learner"]) for x in rank_bases.lines(asked.work / "curves.jsonl")}
    todo = [(s, b) for s in rank_bases.SETS for b in ("tfidf", FROZEN.get(s.name, "minilm")) if (s.name, b) not in done]
    for found, name in todo[: 1 if asked.one else None]:
        for line in checked(found, name, asked.data):
            rank_bases.add(asked.work / "curves.jsonl", line)
            print(json.dumps(line))
    return 0 if todo else 3


if __name__ == "__main__":
    raise SystemExit(main())
