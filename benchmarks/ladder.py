"""Where the speed of tuning comes from: one technique after the other switched on, rows a second and memory of each.

    python benchmarks/ladder.py FOLDER... [--model e5-small] [--updates 20] [--turns 3] [--columns text=title]

FOLDER holds train.jsonl. The data are prepared and the settings chosen as `weitiao tune` does. Then the same updates
(rows, batch size, head, optimiser) are made by a process for each rung, in turns; what a rung does not have yet is put
back to what transformers and torch do by themselves. On a CPU without bf16 products the last rung is left out, for
weitiao leaves it out, too. Writes benchmarks/results/ladder-<folder>.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import beside
from beside import Numbers

from weitiao import models, pipeline
from weitiao.benching import steps
from weitiao.core import memory
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.splits import load, load_task
from weitiao.tuning import attention, batches, embeddings, setup
from weitiao.tuning.costs import sampled
from weitiao.tuning.dropout import Dropout
from weitiao.tuning.loop import updates
from weitiao.tuning.setup import Job, prepare
from weitiao.tuning.speed import Stopwatch
from weitiao.tuning.stage import ready

PLAIN = "transformers' model, rows as they are drawn, AdamW fused"
RUNGS = ("rows of like length together", "forward passes of few tokens", "dropout masks cut from a pool",
         "word embeddings: rows in use alone", "bf16 weights with fp32 masters, attention by products")
WARM = 2  # updates before those that count
_ROWS, _LONGEST = 4000, 32  # rows that are encoded, at equal distances; and of the longest ones


@contextmanager
def only(rung: int) -> Iterator[dict[str, Any]]:
    """Have the first so many of `RUNGS` and none above; the settings of the recipe's `tune` that go with it."""
    tune: dict[str, Any] = {}
    with ExitStack() as stack:
        if rung < 1:
            stack.enter_context(patch.object(batches, "WINDOW", 1))
        if rung < 2:
            tune["micro_batch_tokens"] = 1 << 30
        if rung < 3:
            stack.enter_context(patch.object(setup, "Dropout", lambda seed, pooled: Dropout(seed, pooled=False)))
        if rung < 4:
            stack.enter_context(patch.object(embeddings, "applies", lambda base: False))
        if rung < 5:
            stack.enter_context(patch.object(attention, "applies", lambda base: False))
            tune["precision"] = "fp32"
        yield tune


def climbed(folder: Path, rung: int, count: int) -> Numbers:
    """In this process: so many updates of the prepared run with so many techniques."""
    run = Run.open(folder)
    _, task = load_task(run)
    known = steps.settled(Recipe.read(run.folder / "recipe.toml"), task, "", count)
    rows = {part: sampled(load(run, part), _ROWS, _LONGEST) for part in ("train", "validation")}
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        tune = stack.enter_context(only(rung))
        made = ready(known, task, rows)
        job = Job(known.updated({"tune": tune}), Path(home), made.model, task, made.rows["train"],
                  made.rows["validation"])
        _, session = prepare(job, stack)
        list(updates(session.engine, 0, WARM))
        memory.release()
        memory.restart_peak()
        watch = Stopwatch()
        done = list(updates(session.engine, WARM, WARM + count))
        took = watch.read()
        peak = memory.peak() or 0
    rows_made, tokens = sum(u.rows for u in done), sum(u.tokens for u in done)
    return {"rows_s": rows_made / took.cpu, "wall_rows_s": rows_made / took.wall, "tokens": tokens / rows_made,
            "peak_gb": peak / 1e9, "loss": sum(u.loss for u in done) / len(done)}


def ladder(data: Path, o: argparse.Namespace) -> list[str]:
    """The page of a data set."""
    with tempfile.TemporaryDirectory() as work:
        columns = dict(pair.split("=") for pair in o.columns.split(",") if pair)
        asked = Recipe().updated({"data": {"train": (str(data / "train.jsonl"),), "columns": columns},
                                  "model": {"name": o.model}, "check": {"mode": "off"}})
        run = Run.create(Path(work) / "run", asked.to_toml(), asked.hash, {"asked": asked.hash})
        resolved = pipeline.begin(asked, run, lambda event: None)
        names = RUNGS if beside.has_bf16(models.find(resolved.model.name).folder) else RUNGS[:-1]
        sides: dict[str, Callable[[], Numbers]] = {
            name: lambda rung=rung: json.loads(beside.timed(
                [sys.executable, __file__, str(run.folder), "--rung", str(rung), "--updates", str(o.updates)]
            ).out.strip().splitlines()[-1]) for rung, name in enumerate((PLAIN, *(f"+ {name}" for name in names)))}
        turns = beside.in_turns(sides, o.turns)
    return page(data.name, resolved, turns, o.updates)


def page(name: str, recipe: Recipe, turns: beside.Turns, count: int) -> list[str]:
    plain = turns[PLAIN]
    return [
        *beside.head(f"Where the speed of tuning comes from: {name}, {recipe.model.name}", turns, ()),
        f"{count} updates of {recipe.tune.batch_size} rows after {WARM} that do not count, seed {recipe.seed}, at most "
        f"{recipe.model.max_length} tokens a row. Rows a second of a processor; tokens a row with padding; the most "
        "memory that the process held during the updates.", "",
        *beside.table({
            "rows/s": beside.told("rows_s", ".1f"), "of the first line": beside.beside("rows_s", plain),
            "tokens a row": lambda got: f"{got[0]['tokens']:.1f}", "memory, GB": beside.told("peak_gb", ".2f"),
            "mean loss": lambda got: f"{got[0]['loss']:.4f}"}, turns)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="e5-small")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--columns", default="")
    parser.add_argument("--rung", type=int)
    o = parser.parse_args()
    if o.rung is not None:
        print(json.dumps(climbed(o.folders[0], o.rung, o.updates)))
        return
    for data in (folder.resolve() for folder in o.folders):
        beside.write(f"ladder-{data.name}.md", ladder(data, o))


if __name__ == "__main__":
    main()
