"""Random SIGKILLs over four tasks, by one process and by two, and what the runs end with that go on after them.

    python benchmarks/kills.py WORK [--kills 200]
    python benchmarks/kills.py WORK --kills 5 --task classification --ranks 1 --base minilm
    python benchmarks/kills.py WORK --page benchmarks/results/kills.md

Each run begins where tuning does, is killed up to four times at random moments (half of them in a save), gone on with
by `weitiao tune --resume`'s own function, and compared with a run that nobody killed: every file of it, but for those
that hold times. The harness is that of tests/faults. WORK keeps what was counted: another call adds to it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Before anything imports torch: two processes share what cores there are.
os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tests")]
_COUNTED = ("kills", "in_a_save", "runs", "identical", "different", "stuck")


def main() -> None:
    import target

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--kills", type=int, default=200, help="in all, over the tasks and 1 and 2 ranks")
    parser.add_argument("--task", nargs="+", choices=[*target.KINDS], default=[*target.KINDS])
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--base", default="", help="a starter or a folder; else a tiny model made here")
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    counted = asked.work / "kills.jsonl"
    if asked.page:
        asked.page.write_text(page([json.loads(x) for x in counted.read_text().splitlines()]), encoding="utf-8")
        return
    cells = [(kind, ranks) for kind in asked.task for ranks in asked.ranks]
    for kind, ranks in cells:
        for line in measured(kind, asked.base, ranks, -(-asked.kills // len(cells)), counted):
            with counted.open("a") as f:
                f.write(json.dumps(line) + "\n")


def measured(kind: str, base: str, ranks: int, kills: int, counted: Path) -> Iterator[dict[str, Any]]:
    """What became of one run after another, until there were so many kills."""
    from killing import PER_RUN, Runs
    from target import KINDS

    import tiny
    from weitiao.run import machine

    before = counted.read_text().count("\n") if counted.exists() else 0
    command, facts = ["git", "rev-parse", "--short", "HEAD"], machine()
    made = {"commit": subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip(),
            "date": datetime.now(UTC).date().isoformat(), "processor": facts["processor"], "cpus": facts["cpus"],
            "python": facts["python"], **{name: facts["libraries"][name] for name in ("torch", "transformers")}}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bases"
        bases = {"encoder": tiny.encoder(folder, tiny.tokenizer()), **tiny.speakers(folder, tiny.tokenizer())}
        runs = Runs(kind, base or str(bases[KINDS[kind].base]), ranks, Path(scratch))
        dice, done = random.Random(f"{kind} {ranks} {before}"), 0
        while done < kills:
            tally = runs.survive(min(PER_RUN, kills - done), dice)
            done += tally.kills
            sys.stderr.write(f"{kind}, {ranks}: {tally}\n")
            yield {"task": kind, "base": base or "tiny", "ranks": ranks, **asdict(tally), **made}


def page(lines: list[dict[str, Any]]) -> str:
    rows: dict[tuple[str, str, int], dict[str, int]] = {}
    for line in lines:
        row = rows.setdefault((line["task"], line["base"], line["ranks"]), dict.fromkeys(_COUNTED, 0))
        for name in _COUNTED:
            row[name] += line[name]
    total = {name: sum(row[name] for row in rows.values()) for name in _COUNTED}
    table = ["| task | base | ranks | kills | of these in a save | runs | identical | different | stuck |",
             "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    table += [f"| {task} | {base} | {ranks} | " + " | ".join(str(row[n]) for n in _COUNTED) + " |"
              for (task, base, ranks), row in rows.items()]
    table += ["| all | | | " + " | ".join(str(total[n]) for n in _COUNTED) + " |"]
    last = lines[-1]
    commits = ", ".join(dict.fromkeys(line["commit"] for line in lines))
    return f"""# Runs that are killed

{last["date"]}, commit {commits}; {last["processor"]}, {last["cpus"]} core(s), one thread a process;
Python {last["python"]}, torch {last["torch"]}, transformers {last["transformers"]}. Made by `benchmarks/kills.py`.

SIGKILL at random moments of tuning, evaluation and report, up to four in a run, of one of the ranks; half of them wait
for a save to be under way. Identical: every file that the run leaves has the bytes of a run that nobody killed (but for
times: timing.jsonl, costs.json, manifest.json, report.html, README.md), and nothing half-written lies there. Stuck: a
process that did not end by itself. "tiny" is a base of two layers made by the benchmark, of the kind that the task
needs. Generation is tuned with LoRA on packed rows, pretraining learns masked words after a head was fitted. Each run
makes 12 updates and saves after each.

{chr(10).join(table)}
"""


if __name__ == "__main__":
    main()
