"""Rows a second of two processes with a thread each against one process with two threads, on two cores.

    python benchmarks/ranks.py DATA WORK [--rounds 3] [--model minilm] [--steps 60]

DATA holds train.jsonl and test.jsonl. The ways take turns, in each round in another order; each is a whole
`weitiao tune` of the same recipe in a process of its own. Counted are the updates after the first ten, without start,
validation and evaluation. Writes benchmarks/results/ranks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from weitiao.recipe import Recipe
from weitiao.run import processor

HERE = Path(__file__).resolve().parent
WAYS = {"one process, one thread": (1, 1), "one process, two threads": (1, 2), "two processes, one thread each": (2, 2)}
_WARM = 10  # updates that are not counted


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--steps", type=int, default=60)
    o = parser.parse_args()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(o.rounds):
        names = list(WAYS)[number % 3:] + list(WAYS)[:number % 3]
        for way in names:
            found[way].append(speed(o.data, o.work / f"run-{number}", o.model, o.steps, *WAYS[way]))
            print(number, way, round(found[way][-1], 1), flush=True)
    recipe = Recipe.read(o.work / "run-0" / "recipe.toml")
    path = HERE / "results" / "ranks.md"
    path.write_text(page(found, recipe, o.data.name), encoding="utf-8")
    print(path)


def speed(data: Path, out: Path, model: str, steps: int, processes: int, threads: int) -> float:
    """Rows a second of one run. `--nproc` divides the threads among its processes."""
    shutil.rmtree(out, ignore_errors=True)
    settings = (f"tune.steps={steps}", f"tune.evaluate_every={steps}", "tune.precision=fp32", "evaluate.rows=20",
                'evaluate.baselines=["majority"]', "evaluate.resamples=100", "check.mode=off")
    subprocess.run([sys.executable, "-m", "weitiao", "tune", str(data / "train.jsonl"),
                    "--test", str(data / "test.jsonl"), "--model", model, "--out", str(out), "--quiet",
                    "--nproc", str(processes), *(x for s in settings for x in ("--set", s))],
                   check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    timing = [json.loads(line) for line in (out / "tune" / "timing.jsonl").read_text().splitlines()]
    metrics = [json.loads(line) for line in (out / "tune" / "metrics.jsonl").read_text().splitlines()]
    rows = sum(x["rows"] for x in metrics if x.get("rows") and _WARM < x["step"] < steps)
    seconds = {x["step"]: x["seconds"] for x in timing}
    return float(rows / (seconds[steps - 1] - seconds[_WARM]))


def page(found: dict[str, list[float]], recipe: Recipe, data: str) -> str:
    rounds = len(next(iter(found.values())))
    lines = ["# Two processes against two threads", "",
             f"{datetime.now(UTC).date()}, {processor()}, two cores. {recipe.model.name} on {data}, batches of "
             f"{recipe.tune.batch_size} rows, fp32, {rounds} rounds in turns. Made by "
             "`python benchmarks/ranks.py DATA WORK`.", "",
             f"| | {' | '.join(f'round {i + 1}' for i in range(rounds))} | median rows/s |",
             "|:--|" + "--:|" * (rounds + 1)]
    lines += [f"| {way} | {' | '.join(f'{x:.1f}' for x in speeds)} | {statistics.median(speeds):.1f} |"
              for way, speeds in found.items()]
    two, threads = (found[w] for w in ("two processes, one thread each", "one process, two threads"))
    ratios = [a / b for a, b in zip(two, threads, strict=True)]
    lines += ["", f"Two processes make {statistics.median(ratios):.2f} times the rows of two threads (median of the "
              f"rounds' ratios; {min(ratios):.2f} to {max(ratios):.2f})."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
