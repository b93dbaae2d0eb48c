"""What `weitiao check` costs by the number of rows: processor time, memory, disk.

    python benchmarks/check_rows.py ROOT WORK --rows 100000 [1000000 10000000]

ROOT holds a folder for each data set, with train.jsonl. From their short texts (Chinese and English) a CSV file of so
many rows is written to WORK: each row is a text with some of its words exchanged for words of other texts, so rows are
as varied as real ones and a few are near copies. The check runs in a process of its own with all its sections. WORK
keeps what is done. Writes benchmarks/results/check_rows.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import beside

from weitiao.run import machine

SETS = ("banking77", "sst2", "clinc150", "waimai-10k", "thucnews-title10", "fewclue-tnews")
_PAUSE = 0.5  # seconds between two looks at its memory
_PIECE = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+|\s+")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[])
    o = parser.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    for rows in o.rows:
        kept = o.work / f"{rows}.json"
        if not kept.is_file():
            kept.write_text(json.dumps(measured(o.root, o.work, rows)))
            print(kept.read_text(), flush=True)
    results = sorted((json.loads(p.read_text()) for p in o.work.glob("*.json")), key=lambda r: r["rows"])
    beside.write("check_rows.md", page(results))


def measured(root: Path, work: Path, rows: int) -> dict[str, Any]:
    """One file, one check."""
    path = work / f"rows-{rows}.csv"
    with path.open("w", encoding="utf-8", newline="") as f:
        table = csv.writer(f)
        table.writerow(["text", "label"])
        table.writerows(made(root, rows))
    start, own = time.perf_counter(), 0
    child = os.posix_spawn(sys.executable, [sys.executable, "-m", "weitiao", "check", str(path), "--out",
                                            str(work / f"out-{rows}"), "--quiet"], dict(os.environ))
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            break
        own = max(own, anonymous(child))
        time.sleep(_PAUSE)
    size = path.stat().st_size
    path.unlink()
    return {"rows": rows, "bytes": size, "exit": os.waitstatus_to_exitcode(status),
            "cpu": round(used.ru_utime + used.ru_stime, 1), "wall": round(time.perf_counter() - start, 1),
            "megabytes": round(used.ru_maxrss / 1024), "own": round(own / 1024)}


def anonymous(child: int) -> int:
    """KiB that are the process's own. What it maps of its temporary files the system takes back when it wants to."""
    found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{child}/status").read_text())
    return int(found[1]) if found else 0  # a process that has ended has none


def made(root: Path, rows: int) -> Iterator[tuple[str, str]]:
    """Text and label of each row."""
    draw = random.Random(1)
    pool = []
    for name in SETS:
        lines = (root / name / "train.jsonl").read_text(encoding="utf-8").split("\n")
        pool += [(r["text"], f"{name}-{r['label']}") for r in map(json.loads, filter(None, lines))
                 if len(r["text"]) < 120]
    pieces = [_PIECE.findall(text) for text, _ in pool]
    for _ in range(rows):
        at = draw.randrange(len(pool))
        words, others = list(pieces[at]), pieces[draw.randrange(len(pool))]
        for _ in range(max(1, len(words) // 3)):
            words[draw.randrange(len(words))] = draw.choice(others)
        yield "".join(words).strip() or "x", pool[at][1]


def page(results: list[dict[str, Any]]) -> list[str]:
    lines = ["# What a check costs by the number of rows", "",
             f"{datetime.now(UTC):%Y-%m-%d}, {machine()['processor']}, one core for it, other work on the rest: "
             "processor time says more than the clock. All sections with their defaults, the tokenizer and the labels' "
             "model on drawn rows among them. Made by `python benchmarks/check_rows.py ROOT WORK --rows …`.", "",
             "| rows | file, MB | processor, s | µs a row | clock, s | peak memory, MB | of it its own, MB |",
             "|--:|--:|--:|--:|--:|--:|--:|"]
    lines += [f"| {r['rows']:,} | {r['bytes'] / 1e6:.0f} | {r['cpu']:.0f} | {r['cpu'] / r['rows'] * 1e6:.0f} | "
              f"{r['wall']:.0f} | {r['megabytes']:,} | {r['own']:,} |" for r in results]
    return lines


if __name__ == "__main__":
    main()
