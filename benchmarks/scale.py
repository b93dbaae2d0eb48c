"""What `weitiao tune` takes by the number of rows, stage by stage: seconds a row and peak memory.

    python benchmarks/scale.py ROOT WORK --rows 10000 [100000 1000000]

Rows are made as in benchmarks/check_rows.py: real short texts (Chinese, English) with some of their words exchanged.
Each size runs in a process of its own: preparing, choosing, encoding (into an empty token cache, and found there
again), and the first updates, on the base of `--model`. WORK keeps what is done. Writes benchmarks/results/scale.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from check_rows import made

from weitiao.run import machine

HERE = Path(__file__).resolve().parent
UPDATES = 3
PROSE = "\n## What this page shows"  # written by hand, and kept


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[])
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--inside", type=int, default=0, help="how the process of one size is started")
    o = parser.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    if o.inside:
        print(json.dumps(stages(o.work, o.inside, o.model)))
        return
    for rows in o.rows:
        kept = o.work / f"{rows}.json"
        if not kept.is_file():
            path = o.work / f"rows-{rows}.csv"
            with path.open("w", encoding="utf-8", newline="") as f:
                table = csv.writer(f)
                table.writerow(["text", "label"])
                table.writerows(made(o.root, rows))
            again = [sys.executable, __file__, str(o.root), str(o.work), "--inside", str(rows), "--model", o.model]
            said = subprocess.run(again, check=True, capture_output=True, text=True,
                                  env={**os.environ, "WEITIAO_CACHE": str(o.work / "cache")}).stdout
            kept.write_text(said.splitlines()[-1])
            path.unlink()
    results = sorted((json.loads(p.read_text()) for p in o.work.glob("[0-9]*.json")), key=lambda r: r["rows"])
    path = HERE / "results" / "scale.md"
    _, said, prose = path.read_text(encoding="utf-8").partition(PROSE) if path.is_file() else ("", "", "")
    path.write_text(page(results) + said + prose, encoding="utf-8")
    print(path)


def stages(work: Path, rows: int, model: str) -> dict[str, Any]:
    """Seconds of a processor, and the most that the process held, after each stage."""
    from weitiao import pipeline, splits
    from weitiao.core import memory
    from weitiao.recipe import Recipe
    from weitiao.run import Run
    from weitiao.tuning import fit
    from weitiao.tuning.stage import ready

    recipe = Recipe.build({"data": {"train": [str(work / f"rows-{rows}.csv")]}, "model": {"name": model},
                           "tune": {"steps": UPDATES, "device": "cpu", "head_start": "random"}})
    run = Run.create(work / f"run-{rows}", recipe.to_toml(), recipe.hash, {"asked": recipe.hash})
    done: dict[str, Any] = {"rows": rows, "bytes": (work / f"rows-{rows}.csv").stat().st_size}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        memory.release()
        memory.restart_peak()
        start, wall = time.process_time(), time.perf_counter()
        got = work()
        done[name] = {"cpu": time.process_time() - start, "wall": time.perf_counter() - wall,
                      "megabytes": round((memory.peak() or 0) / 1e6)}
        return got

    timed("prepare", lambda: pipeline.prepared(recipe, run, lambda _: None))
    resolved = timed("select", lambda: pipeline._select(recipe, run, lambda _: None))
    _, task = splits.load_task(run)

    def encoded() -> Any:
        return ready(resolved, task, {part: splits.stored(run, part) for part in ("train", "validation")})

    timed("encode", encoded)
    both = timed("encode again", encoded)
    updates = resolved.updated({"tune": {"evaluate_every": UPDATES * 10, "steps": UPDATES}})
    timed("updates", lambda: fit(updates, run.folder, model=both.model, task=task, train=both.rows["train"],
                                 validation=both.rows["validation"], on_event=lambda _: None))
    done["tokens"] = sum(len(w) for row in both.rows["train"].encoded[:1000] for w in row.windows) / 1000
    return done


def page(results: list[dict[str, Any]]) -> str:
    names = ("prepare", "select", "encode", "encode again", "updates")
    lines = ["# What tuning takes by the number of rows", "",
             f"{datetime.now(UTC):%Y-%m-%d}, {machine()['processor']}, one core shared with other work: seconds are "
             f"those of a processor. Base minilm; {UPDATES} updates of the default's batch; one run each. Up to 20,000 "
             "rows are encoded in memory, more into the token cache. "
             "Made by `python benchmarks/scale.py ROOT WORK --rows …`.", "",
             "## µs of a processor a row", "", "| rows | file, MB | " + " | ".join(names[:4]) + " | updates, s |",
             "|--:|--:|" + "--:|" * 5]
    lines += [f"| {r['rows']:,} | {r['bytes'] / 1e6:.0f} | "
              + " | ".join(f"{r[n]['cpu'] / r['rows'] * 1e6:,.0f}" for n in names[:4])
              + f" | {r['updates']['cpu']:.1f} |" for r in results]
    lines += ["", "## Most that the process held, MB", "", "| rows | " + " | ".join(names) + " |", "|--:|" + "--:|" * 5]
    lines += [f"| {r['rows']:,} | " + " | ".join(f"{r[n]['megabytes']:,}" for n in names) + " |" for r in results]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
