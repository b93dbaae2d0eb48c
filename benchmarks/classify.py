"""weitiao and transformers' Trainer in turns on the same rows, base model and machine; a page with medians and spread.

    python benchmarks/classify.py FOLDER... [--model e5-small] [--turns 3] [--epochs 1]    (make bench DATA="FOLDER...")

FOLDER holds train.jsonl and test.jsonl (and validation.jsonl, which only weitiao uses) with "text" and "label".
weitiao runs as a user runs it: `weitiao tune` at its defaults, all its epochs, baselines and report included. The
Trainer runs ONE epoch, as it comes (fp32) and at its best: rows of about one length together and, where the CPU has
bf16 products, in bf16. With --epochs weitiao makes as many epochs as the Trainer. Writes
benchmarks/results/<date>-classify-<folder>.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import beside
from beside import Numbers

from weitiao import models

PLAIN = "Trainer, as it comes"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of both sides; without it one of the Trainer, weitiao's default")
    o = parser.parse_args()
    for data in (folder.resolve() for folder in o.folders):
        beside.write(f"{datetime.now(UTC):%Y-%m-%d}-classify-{data.name}.md", compared(data, o))


def compared(data: Path, o: argparse.Namespace) -> list[str]:
    """The page of a data set."""
    base, epochs = models.find(o.model).folder, str(o.epochs or 1)
    own = ["--set", f"tune.epochs={o.epochs}"] if o.epochs else []
    bf16 = beside.has_bf16(base)
    best = ["--group", *(["--bf16"] if bf16 else [])]
    sides = {f"weitiao, {'so many epochs' if o.epochs else 'default recipe'}": lambda: ours(data, o.model, *own),
             PLAIN: lambda: trainer(data, base, "--epochs", epochs),
             f"Trainer, {' '.join(best)}": lambda: trainer(data, base, *best, "--epochs", epochs)}
    return page(data, o.model, beside.in_turns(sides, o.turns), epochs, bf16=bf16)


def ours(data: Path, model: str, *own: str) -> Numbers:
    """`weitiao tune` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        validation = data / "validation.jsonl"
        ran = beside.weitiao("tune", data / "train.jsonl", "--test", data / "test.jsonl", "--model", model, "--out",
                             run, "--json", *own, *(["--validation", validation] if validation.is_file() else []))
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        first = json.loads((run / "evaluate" / "scores.json").read_text(encoding="utf-8"))["metrics"][0]
        return {**ran.numbers, "train_s": manifest["stages"]["tune"]["seconds"], "score": first["value"],
                "metric": first["name"], "n": first["n"]}


def trainer(data: Path, base: Path, *flags: str) -> Numbers:
    """The Trainer in a process and an environment of its own."""
    ran, got = beside.peer("hf_trainer.py", base, data / "train.jsonl", data / "test.jsonl", *flags)
    return {**ran.numbers, "train_s": got["train_s"], "score": got["accuracy"], "metric": "accuracy", "n": got["n"]}


def page(data: Path, model: str, turns: beside.Turns, epochs: str, *, bf16: bool) -> list[str]:
    """The result as Markdown: who measured what, where, with which versions."""
    return [
        *beside.head(f"{data.name}, {model}", turns, ("torch", "transformers", "accelerate")),
        f"{len(beside.lines(data / 'train.jsonl')):,} training rows; the Trainer's epochs: {epochs}. "
        "For weitiao the wall time also holds baselines, prediction and report."
        + ("" if bf16 else " This CPU gains nothing by bf16: everything is fp32."), "",
        *beside.table({
            **beside.costs(turns[PLAIN], "the Trainer"),
            "wall time of the Trainer": beside.beside("wall_s", turns[PLAIN]),
            "training, s": beside.told("train_s", ".0f"),
            "quality on the test rows": lambda got: (f"{got[0]['metric']} {beside.told('score', '.4f')(got)}, "
                                                     f"n = {got[0]['n']}")}, turns)]


if __name__ == "__main__":
    main()
