"""`weitiao predict` and transformers' pipeline in turns on one file of short and long texts, with one tuned model.

    python benchmarks/predict.py DATA [--rows 10000] [--model e5-small] [--turns 3] [--work DIR]

DATA holds the folders of SETS, each with train.jsonl and test.jsonl. A classifier of which set a text comes from is
tuned for some updates by `weitiao tune`; the folder that it saves is an ordinary one of transformers, and the pipeline
loads it as it is. Then the whole command `weitiao predict RUN rows.jsonl -o out.jsonl` stands beside a process that
runs the pipeline: as it comes, row by row, and at its best batch size, chosen among BATCHES on every tenth row. With
--work the rows and the tuned model are kept and found again. Writes benchmarks/results/predict.md.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import beside
from beside import Numbers

SETS = (("thucnews-title10", "text", 20), ("goemotions", "text", 20), ("banking77", "text", 15), ("sst2", "text", 13),
        ("waimai-10k", "text", 12), ("csl-title", "source", 8), ("kdconv-domain", "text", 4),
        ("dialogsum", "source", 4), ("cmrc2018", "context", 4))
"""Folder, column of the texts, share of the rows in percent: 80 % are sentences, 20 % paragraphs and longer."""
LEARNT = 40  # training rows of a set
BATCHES = (2, 8, 32)
SAMPLE = 10
PLAIN, OURS = "pipeline, as it comes", "weitiao predict"


def main() -> None:
    o = beside.options("data", rows=10_000, model="e5-small").parse_args()
    with beside.work(o.work) as folder:
        work = Path(folder)
        rows = beside.dump(work / "rows.jsonl", drawn(o.data, o.rows, o.seed))
        model = tuned(o.data, work, o.model, o.seed)
        tried = {size: pipeline(work, rows, "--batch", size, "--every", SAMPLE)["predict_s"] for size in (1, *BATCHES)}
        best = min(tried, key=lambda size: tried[size])
        sides = {OURS: lambda: beside.predicted(work, rows), PLAIN: lambda: pipeline(work, rows)}
        if best > 1:
            sides[f"pipeline, batch_size={best}"] = lambda: pipeline(work, rows, "--batch", best)
        bf16 = beside.has_bf16(model)
        if bf16:
            sides["pipeline, bf16"] = lambda: pipeline(work, rows, "--bf16")
        turns = beside.in_turns(sides, o.turns)
        beside.write("predict.md", page(o, turns, tried, agreement(work), lengths(model, rows), bf16=bf16))


def drawn(data: Path, rows: int, seed: int) -> list[Numbers]:
    """So many texts out of the sets' test parts, shuffled; a set with too few gives some more than once."""
    draw, out = random.Random(seed), []
    for name, column, percent in SETS:
        texts = sorted({row[column] for row in beside.lines(data / name / "test.jsonl")})
        wanted = rows * percent // 100
        out += draw.sample(texts, wanted) if wanted <= len(texts) else draw.choices(texts, k=wanted)
    draw.shuffle(out)
    return [{"text": text} for text in out]


def tuned(data: Path, work: Path, model: str, seed: int) -> Path:
    """The folder of a model that has learnt for one epoch which set a text is from."""
    draw, rows = random.Random(seed), []
    for name, column, _ in SETS:
        texts = sorted({row[column] for row in beside.lines(data / name / "train.jsonl")})
        rows += [{"text": text, "label": name} for text in draw.sample(texts, LEARNT)]
    draw.shuffle(rows)
    if not (work / "run" / "model").is_dir():
        beside.weitiao("tune", beside.dump(work / "train.jsonl", rows), "--model", model, "--out", work / "run",
                       "--json", "--set", "tune.epochs=1", "--set", "evaluate.baselines=[]",
                       "--set", "check.mode=off")  # which set a text is from shows in signs that the check stops at
    return work / "run" / "model"


def pipeline(work: Path, rows: Path, *flags: Any) -> Numbers:
    """The pipeline in a process and an environment of its own; its answers as it comes are kept to be compared."""
    out = work / ("other.jsonl" if flags else "pipeline.jsonl")
    ran, got = beside.peer("hf_pipeline.py", work / "run" / "model", rows, out, *map(str, flags))
    return {**ran.numbers, "rows_s": got["rows"] / ran.seconds, "predict_s": got["predict_s"]}


def agreement(work: Path) -> tuple[float, float, int]:
    """Share of equal labels, the largest difference of a probability, rows."""
    mark = "predicted_probabilities."
    ours = [{k.removeprefix(mark): v for k, v in row.items() if k.startswith(mark)}
            for row in beside.lines(work / "ours.jsonl")]
    theirs = beside.lines(work / "pipeline.jsonl")
    equal = sum(max(a, key=a.__getitem__) == max(b, key=b.__getitem__) for a, b in zip(ours, theirs, strict=True))
    apart = max(abs(a[label] - b[label]) for a, b in zip(ours, theirs, strict=True) for label in b)
    return equal / len(ours), apart, len(ours)


def lengths(model: Path, rows: Path) -> str:
    """How long the texts are, in tokens."""
    from weitiao import models

    ids = models.tokenizer(model)([row["text"] for row in beside.lines(rows)], verbose=False)["input_ids"]
    sizes = sorted(min(512, len(x)) for x in ids)
    n = len(sizes)
    return (f"{sum(sizes):,} tokens, {sizes[n // 2]} in the median row, {sizes[n * 9 // 10]} and "
            f"{sizes[n * 99 // 100]} at the 90th and 99th percentile; {sum(len(x) > 512 for x in ids)} rows cut at 512")


def page(o: argparse.Namespace, turns: beside.Turns, tried: dict[int, float], agreed: tuple[float, float, int],
         sizes: str, *, bf16: bool) -> list[str]:
    share, apart, n = agreed
    return [
        *beside.head(f"Predicting {o.rows:,} mixed rows, {o.model}", turns),
        f"Texts of {', '.join(name for name, *_ in SETS)}, drawn by seed {o.seed}: {sizes}. One tuned model; weitiao "
        "counts with fp32, and so does the pipeline"
        + ("." if bf16 else "; this CPU gains nothing by bf16, so that side is left out.")
        + " The pipeline is given truncation=True, without which it fails at the first long text.", "",
        *beside.table({
            "rows/s": beside.told("rows_s", ".1f"),
            "of the pipeline as it comes": beside.beside("rows_s", turns[PLAIN]),
            **beside.costs(turns[PLAIN], "the pipeline's")}, turns), "",
        f"Equal labels {share:.4%}, largest difference of a probability {apart:.1e} (n = {n:,}, all labels of a row).",
        "Batch sizes that were tried on every tenth row, seconds of prediction alone: "
        + ", ".join(f"{size}: {seconds:.1f}" for size, seconds in tried.items()) + "."]


if __name__ == "__main__":
    main()
