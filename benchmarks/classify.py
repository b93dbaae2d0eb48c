"""weitiao and transformers' Trainer in turns on the same rows, base model and machine; a page with medians and spread.

    python benchmarks/classify.py FOLDER... [--model e5-small] [--turns 3]      (or: make bench DATA="FOLDER...")

FOLDER holds train.jsonl and test.jsonl (and validation.jsonl, which only weitiao uses) with "text" and "label".
weitiao runs as a user runs it: `weitiao tune` at its defaults, all its epochs, baselines and report included. The
Trainer runs ONE epoch, as it comes (fp32) and in bf16. Writes benchmarks/results/<date>-classify-<folder>.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weitiao import models
from weitiao.run import machine

HERE = Path(__file__).resolve().parent
PEER_PYTHON = HERE.parent / ".peers" / "bin" / "python"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--turns", type=int, default=3)
    o = parser.parse_args()
    base = models.find(o.model).folder
    for data in o.folders:
        turns = [turn(data.resolve(), o.model, base) for _ in range(o.turns)]
        name = f"{datetime.now(UTC):%Y-%m-%d}-classify-{data.resolve().name}.md"
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / name).write_text(page(data.resolve(), o.model, turns), encoding="utf-8")
        print(HERE / "results" / name)


def turn(data: Path, model: str, base: Path) -> dict[str, dict[str, Any]]:
    """Each side once, one after the other."""
    return {
        "weitiao, default recipe": ours(data, model),
        "Trainer, 1 epoch, as it comes": peer(data, base),
        "Trainer, 1 epoch, bf16": peer(data, base, "--bf16"),
    }


def ours(data: Path, model: str) -> dict[str, Any]:
    """`weitiao tune` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        validation = data / "validation.jsonl"
        command = [str(Path(sys.executable).parent / "weitiao"), "tune", str(data / "train.jsonl"), "--test",
                   str(data / "test.jsonl"), "--model", model, "--out", str(run), "--json",
                   *(["--validation", str(validation)] if validation.is_file() else [])]
        seconds, _ = timed(command)
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        first = json.loads((run / "evaluate" / "scores.json").read_text(encoding="utf-8"))["metrics"][0]
        return {"wall_s": seconds, "train_s": manifest["stages"]["tune"]["seconds"], "score": first["value"],
                "metric": first["name"], "n": first["n"]}


def peer(data: Path, base: Path, *flags: str) -> dict[str, Any]:
    """The Trainer in a process and an environment of its own."""
    command = [str(PEER_PYTHON), str(HERE / "hf_trainer.py"), str(base), str(data / "train.jsonl"),
               str(data / "test.jsonl"), *flags]
    seconds, out = timed(command)
    got = json.loads(out.strip().splitlines()[-1])
    return {"wall_s": seconds, "train_s": got["train_s"], "score": got["accuracy"], "metric": "accuracy", "n": got["n"]}


def timed(command: Sequence[str]) -> tuple[float, str]:
    """Wall time and standard output. A failure ends the benchmark with the command's own words."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True,
                          env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return time.perf_counter() - start, done.stdout


def page(data: Path, model: str, turns: list[dict[str, dict[str, Any]]]) -> str:
    """The result as Markdown: who measured what, where, with which versions."""
    facts = machine()
    versions = ", ".join(f"{k} {v}" for k, v in facts["libraries"].items())
    limit = statistics.median(t["Trainer, 1 epoch, as it comes"]["wall_s"] for t in turns)
    rows = [row(name, [t[name] for t in turns], limit) for name in turns[0]]
    return "\n".join([
        f"# {data.name}, {model}", "",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {facts['processor']}, {facts['cpus']} CPUs, "
        f"{facts['platform']}; Python {facts['python']}, {versions}.",
        f"{len(turns)} turns of each side, one after the other; medians, smallest and largest in brackets. Wall time "
        "is the whole process, imports, baselines, prediction and report included.", "",
        "| | wall time, s | of the Trainer's epoch | training, s | quality on the test rows |", "|---|--:|--:|--:|--:|",
        *rows, ""])


def row(name: str, got: list[dict[str, Any]], limit: float) -> str:
    wall, train, score = ([g[k] for g in got] for k in ("wall_s", "train_s", "score"))
    return (f"| {name} | {spread(wall, '.0f')} | {statistics.median(wall) / limit:.2f} | {spread(train, '.0f')} | "
            f"{got[0]['metric']} {spread(score, '.4f')}, n = {got[0]['n']} |")


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, stdout=subprocess.PIPE, text=True,
                          check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
