"""What it brings to read the head of the review list: check → review.csv → the top 5 % put right → tune again.

    python benchmarks/relabel.py ROOT WORK [--set trec6] [--model minilm] [--rows 1000] [--seeds 5] [--noise 0.2 0.08]

ROOT holds a folder for each data set, with train.jsonl and test.jsonl. WORK keeps what is done: run it again and it
goes on (--most stops after so many runs). Each seed draws rows and makes labels of them wrong, any other label instead.
Three copies are tuned and judged on the untouched test rows: as it is; with as many rows at random read by somebody who
knows the true label as with the head of the list. Writes benchmarks/results/relabel.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

import weitiao
from weitiao import doctor
from weitiao.recipe import Recipe
from weitiao.run import machine

HERE = Path(__file__).resolve().parent
ARMS = ("nothing", "random", "list")
Rows = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--set", default="trec6")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.2, 0.08])
    parser.add_argument("--read", type=float, default=0.05)
    parser.add_argument("--most", type=int, default=10**6)
    o = parser.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    left = o.most
    for noise in o.noise:
        for seed in range(1, o.seeds + 1):
            for arm in ARMS:
                path = o.work / f"{o.set}-{o.model}-{o.rows}-{noise}-{seed}-{arm}.json"
                if not path.is_file() and left:
                    path.write_text(json.dumps(run(o, noise, seed, arm)))
                    print(path.name, path.read_text(), flush=True)
                    left -= 1
    page = HERE / "results" / "relabel.md"
    page.write_text(told(o), encoding="utf-8")
    print(page)


def run(o: argparse.Namespace, noise: float, seed: int, arm: str) -> dict[str, Any]:
    """One copy, tuned and judged."""
    start = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, truth = noisy(o.root / o.set / "train.jsonl", o.rows, noise, seed)
        (folder / "train.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
        recipe = Recipe.build({"data": {"train": [str(folder / "train.jsonl")],
                                        "columns": {"text": "text", "label": "label"}},
                               "model": {"name": o.model}, "seed": seed, "check": {"mode": "off"},
                               "split": {"validation": 0.0}, "evaluate": {"baselines": ["majority"], "resamples": 100}})
        train, found = folder / "train.jsonl", {"read": 0, "wrong": 0}
        if arm != "nothing":
            count = round(o.read * o.rows)
            chosen = head(recipe, folder, count) if arm == "list" else random.Random(seed).sample(range(o.rows), count)
            found = {"read": len(chosen), "wrong": sum(rows[i]["label"] != truth[i] for i in chosen)}
            train = decided(recipe, folder, rows, truth, chosen)
        result = weitiao.tune(train, test=o.root / o.set / "test.jsonl", recipe=recipe, out=folder / "run")
        score = {"value": result.primary.value, "n": result.primary.n}
        shutil.rmtree(folder / "run")
    return {"noise": noise, "seed": seed, "arm": arm, **score, **found, "seconds": round(time.process_time() - start)}


def noisy(path: Path, count: int, noise: float, seed: int) -> tuple[Rows, list[str]]:
    """Drawn rows with wrong labels, and the true labels."""
    draw = random.Random(f"{seed} {noise}")
    rows = draw.sample([json.loads(line) for line in path.read_text("utf-8").split("\n") if line], count)
    rows = [{"text": r["text"], "label": r["label"]} for r in rows]
    truth = [r["label"] for r in rows]
    names = sorted(set(truth))
    for i in draw.sample(range(count), round(noise * count)):
        rows[i]["label"] = draw.choice([n for n in names if n != truth[i]])
    return rows, truth


def head(recipe: Recipe, folder: Path, count: int) -> list[int]:
    """The rows at the head of the list that `weitiao check` writes."""
    doctor.check(recipe, out=folder / "check", sections=["noise"])
    with (folder / "check" / "review.csv").open(encoding="utf-8-sig", newline="") as f:
        return [int(r["source"].rpartition(":")[2]) - 1 for r in csv.DictReader(f)][:count]


def decided(recipe: Recipe, folder: Path, rows: Rows, truth: Sequence[str], chosen: Sequence[int]) -> Path:
    """The copy that `weitiao check --fix` writes once somebody has said what these rows are."""
    with (folder / "review.csv").open("w", encoding="utf-8", newline="") as f:
        table = csv.writer(f)
        table.writerow(["source", "suggested", "decision"])
        table.writerows([f"{folder / 'train.jsonl'}:{i + 1}", "", truth[i]] for i in chosen)
    (folder / "plan.toml").write_text('review = ["review.csv"]\n')
    done = doctor.fix(recipe, folder / "plan.toml", folder / "mended", tokenizer=False)
    wrong = sum(rows[i]["label"] != truth[i] for i in chosen)
    assert done.changes.get("relabel", 0) == wrong and not done.idle
    return folder / "mended" / "train.jsonl"


# -- the page ------------------------------------------------------------------------------------------------------

def told(o: argparse.Namespace) -> str:
    """Means over seeds, and paired differences with Student's interval."""
    lines = ["# What reading the head of the review list brings", "",
             f"{datetime.now(UTC):%Y-%m-%d}, {machine()['processor']}. {o.set}, {o.rows:,} training rows drawn by each "
             f"seed, {o.model} with its defaults, no validation rows; a share of the labels made wrong at random; "
             f"{o.read:.0%} of the rows are read and get their true label, chosen at random or from the head of "
             "`weitiao check`'s list (check → review.csv → --fix plan.toml → tune). Judged on the untouched test rows. "
             "Made by `python benchmarks/relabel.py ROOT WORK`.", "",
             "| wrong labels | seeds | test rows | as it is | at random | from the list | of the rows read, wrong: at "
             "random | from the list |", "|--:|--:|--:|--:|--:|--:|--:|--:|"]
    gains = []
    for noise in o.noise:
        got = {arm: [json.loads(p.read_text()) for s in range(1, o.seeds + 1)
                     if (p := o.work / f"{o.set}-{o.model}-{o.rows}-{noise}-{s}-{arm}.json").is_file()] for arm in ARMS}
        n = min(map(len, got.values()))
        if n < 2:
            continue
        value = {arm: np.array([r["value"] for r in rs[:n]]) * 100 for arm, rs in got.items()}
        wrong = {arm: sum(r["wrong"] for r in rs[:n]) / sum(r["read"] for r in rs[:n])
                 for arm, rs in got.items() if arm != "nothing"}
        lines.append(f"| {noise:.0%} | {n} | {got['list'][0]['n']} | " + " | ".join(
            f"{value[a].mean():.1f} ± {value[a].std(ddof=1):.1f}" for a in ARMS)
            + f" | {wrong['random']:.0%} | {wrong['list']:.0%} |")
        gains += [f"- {noise:.0%} wrong: the list against {other}: {paired(value['list'] - value[other])}"
                  for other in ("random", "nothing")]
    said = "Test accuracy in per cent, mean ± standard deviation over seeds. Paired by seed:"
    return "\n".join([*lines, "", said, "", *gains, ""])


def paired(gain: Any) -> str:
    half = float(student.ppf(0.975, len(gain) - 1)) * gain.std(ddof=1) / math.sqrt(len(gain))
    return (f"{gain.mean():+.1f} points [{gain.mean() - half:+.1f}, {gain.mean() + half:+.1f}] "
            f"(95 %, Student, {len(gain)} seeds; {(gain > 0).sum()} above 0)")


if __name__ == "__main__":
    main()
