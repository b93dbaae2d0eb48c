"""What must be equal, measured on transformers' Trainer and on weitiao side by side; a page of tables.

    python benchmarks/invariants [--kills 10] [--work DIR]            (or: make invariants)

Each side runs in its own environment on the same rows and base models (made.py). Six steps, each of which leaves a
JSON file in the work folder; with --work a step whose file is there is not done again. Writes
benchmarks/results/invariants.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import made
import page

from weitiao.run import machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEER = ROOT / ".peers" / "bin" / "python"
KINDS = ("classification", "regression", "tagging", "T5", "BART", "causal LM")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--work", type=Path)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = o.work.resolve() if o.work else Path(scratch)
        measure(work, o.kills)
        result = ROOT / "benchmarks" / "results" / "invariants.md"
        result.write_text(page.page(work, KINDS, facts(work), o.kills), encoding="utf-8")
    print(result)


def measure(work: Path, kills: int) -> None:
    """All that the page tells, step by step."""
    for kind in KINDS:
        made.make(work, kind)
    for kind in ("classification", "masked LM"):
        made.make(work, kind, train=96, small=True, dropout=True)
    two = [PEER, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    for name, command in {
        "trainer-1": [PEER, HERE / "trainer.py", work, *KINDS],
        "trainer-2": [*two, HERE / "trainer.py", work, *KINDS],
        "weitiao": [sys.executable, HERE / "ours.py", work, *KINDS],
        "trainer-runs": [PEER, HERE / "trainer_runs.py", work, kills],
        "weitiao-runs": [sys.executable, HERE / "ours_runs.py", work, kills],
    }.items():
        if not (work / f"{name}.json").is_file():
            print(f"{name} …", flush=True)
            subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr, env=environment())


def environment() -> dict[str, str]:
    """One thread: two on a busy machine would only wait for one another."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def facts(work: Path) -> str:
    """When, what, where, with which versions."""
    here = machine()
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, stdout=subprocess.PIPE, text=True,
                            check=True).stdout.strip()
    peer = json.loads((work / "trainer-1.json").read_text())["versions"]
    said = {side: ", ".join(f"{k} {v}" for k, v in found.items())
            for side, found in (("weitiao", here["libraries"]), ("peer", peer))}
    return (f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}, {here['processor']}, {here['cpus']} CPUs (one thread each "
            f"process), {here['platform']}; Python {here['python']}; weitiao with {said['weitiao']}; the Trainer with "
            f"{said['peer']}. float32 on both sides, seed 1.")


if __name__ == "__main__":
    main()
