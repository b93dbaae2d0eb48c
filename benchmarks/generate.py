"""Written answers of weitiao and of `model.generate()` in turns: the same prompts, the same tuned decoder, greedy.

    python benchmarks/generate.py FOLDER [--rows 100] [--turns 3] [--model smollm2-135m] [--work DIR]

FOLDER (e2e-nlg) holds train.jsonl and test.jsonl with "source" and "target". The decoder is tuned for some updates by
`weitiao tune --method lora`; the folder that it saves is an ordinary one of transformers. Then the whole command
`weitiao predict RUN rows.jsonl -o out.jsonl` stands beside a process that loads that folder and calls
`model.generate()` row by row, and one that does so in batches, of the size among BATCHES that proves fastest. With
--work the rows and the tuned model are kept and found again. Writes benchmarks/results/generate.md.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import beside
from beside import Numbers

UPDATES, BATCH = 20, 8
BATCHES = (16, 64)
OURS, LOOP = "weitiao predict", "generate(), row by row"


def main() -> None:
    o = beside.options("folder", rows=100, model="smollm2-135m").parse_args()
    with beside.work(o.work) as folder:
        work = Path(folder)
        sources = sorted({row["source"] for row in beside.lines(o.folder / "test.jsonl")})
        rows = beside.dump(work / "rows.jsonl", [{"source": x} for x in random.Random(o.seed).sample(sources, o.rows)])
        model = tuned(o, work)
        tried = {size: generated(work, rows, "--batch", size)["generate_s"] for size in BATCHES}
        best = min(tried, key=lambda size: tried[size])
        sides = {OURS: lambda: beside.predicted(work, rows), LOOP: lambda: generated(work, rows),
                 f"generate(), batches of {best}": lambda: generated(work, rows, "--batch", best)}
        bf16 = beside.has_bf16(model)
        if bf16:
            sides[f"generate(), batches of {best}, bf16"] = lambda: generated(work, rows, "--batch", best, "--bf16")
        turns = beside.in_turns(sides, o.turns)
        beside.write("generate.md", page(o, turns, tried, equal(work), bf16=bf16))


def tuned(o: argparse.Namespace, work: Path) -> Path:
    """The folder of a decoder that has learnt a little of how such answers are written."""
    rows = random.Random(o.seed).sample(beside.lines(o.folder / "train.jsonl"), UPDATES * BATCH)
    if not (work / "run" / "model").is_dir():
        train, test = (beside.dump(work / f"{name}.jsonl", part) for name, part in
                       (("train", rows), ("test", beside.lines(o.folder / "test.jsonl")[:BATCH])))
        beside.weitiao("tune", train, "--test", test, "--task", "generate", "--columns", "prompt=source,target=target",
                       "--model", o.model, "--method", "lora", "--out", work / "run", "--json", "--set",
                       f"tune.steps={UPDATES}", "--set", f"tune.batch_size={BATCH}", "--set", "split.validation=0",
                       "--set", "evaluate.baselines=[]")
    return work / "run" / "model"


def generated(work: Path, rows: Path, *flags: Any) -> Numbers:
    """`model.generate()` in a process and an environment of its own."""
    out = work / ("batched.jsonl" if flags else "loop.jsonl")
    ran, got = beside.peer("hf_generate.py", work / "run" / "model", rows, out, *map(str, flags))
    return {**ran.numbers, "rows_s": got["rows"] / ran.seconds, **got}


def equal(work: Path) -> float:
    """Share of texts that are those of the loop."""
    ours = [row["predicted_text"] for row in beside.lines(work / "ours.jsonl")]
    theirs = [row["text"] for row in beside.lines(work / "loop.jsonl")]
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)


def page(o: argparse.Namespace, turns: beside.Turns, tried: dict[int, float], share: float, *,
         bf16: bool) -> list[str]:
    loop = turns[LOOP][0]
    return [
        *beside.head(f"Answering {o.rows} prompts of {o.folder.name}, {o.model}", turns),
        f"One decoder, tuned by LoRA for {UPDATES} updates of {BATCH} rows; prompts drawn by seed {o.seed}; greedy, at "
        f"most {loop['most']} tokens an answer, {loop['tokens'] / o.rows:.1f} on average; fp32"
        + ("." if bf16 else " throughout: this CPU gains nothing by bf16."), "",
        *beside.table({
            "rows/s": beside.told("rows_s", ".2f"),
            "of the loop": beside.beside("rows_s", turns[LOOP]),
            **beside.costs(turns[LOOP], "the loop's")}, turns), "",
        f"{share:.1%} of weitiao's texts are those of the loop, letter by letter (n = {o.rows}). Batch sizes that were "
        "tried, seconds of generation alone: " + ", ".join(f"{size}: {s:.1f}" for size, s in tried.items()) + "."]


if __name__ == "__main__":
    main()
