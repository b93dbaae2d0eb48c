"""What the comparisons with peers share: sides in turns, each a process of its own, and a page of medians and spread.

    turns = beside.in_turns({"weitiao": ours, "pipeline": peer}, turns=3)
    beside.write("predict.md", [*beside.head("…", turns), *table])

A side is a function that runs once and returns its numbers by name. Turns go A B A B, so that what else happens on
the machine meets all sides. The peers run in an environment of their own, .peers/, made from peers.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from weitiao.core import rates
from weitiao.run import machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PEER_PYTHON = HERE.parent / ".peers" / "bin" / "python"
PROSE = "\n## What this page shows"  # written by hand, and kept when the page is made again

Numbers = dict[str, Any]
Turns = dict[str, list[Numbers]]


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended well: wall and processor time, the most memory that its process held, its output."""

    seconds: float
    cpu_seconds: float
    peak_gb: float
    out: str

    @property
    def numbers(self) -> Numbers:
        return {"wall_s": self.seconds, "cpu_s": self.cpu_seconds, "peak_gb": self.peak_gb}


def options(data: str, *, rows: int, model: str) -> argparse.ArgumentParser:
    """What every comparison is asked: the folder `data`, sizes, turns, where to work."""
    parser = argparse.ArgumentParser()
    parser.add_argument(data, type=Path)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--model", default=model)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--work", type=Path, help="keep here what is made on the way")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def timed(command: Sequence[str | Path]) -> Ran:
    """Run it offline. A failure ends the benchmark with the command's own words. (What this process itself holds when
    it starts another counts as held by that one, too: keep it small.)"""
    start = time.perf_counter()
    process = subprocess.Popen([str(x) for x in command], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{out}\nexit code {process.returncode}: {' '.join(map(str, command))}")
    per_gb = 1e9 if sys.platform == "darwin" else 1e9 / 1024  # only there in bytes
    return Ran(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / per_gb, out)


def weitiao(*arguments: str | Path) -> Ran:
    """The command as a user runs it, in the environment of this process."""
    return timed([sys.executable, "-m", "weitiao", *arguments])


def predicted(work: Path, rows: Path) -> Numbers:
    """The whole of `weitiao predict` with the run in `work`; the answers stay in ours.jsonl."""
    ran = weitiao("predict", work / "run", rows, "-o", work / "ours.jsonl", "--json")
    return {**ran.numbers, "rows_s": len(lines(rows)) / ran.seconds}


def peer(script: str, *arguments: str | Path) -> tuple[Ran, Numbers]:
    """A script of this folder in the peers' environment, and the JSON object of its last line."""
    ran = timed([PEER_PYTHON, HERE / script, *arguments])
    return ran, json.loads(ran.out.strip().splitlines()[-1])


def in_turns(sides: Mapping[str, Callable[[], Numbers]], turns: int) -> Turns:
    """Each side once, one after the other, so many times."""
    got: Turns = {name: [] for name in sides}
    for number in range(turns):
        for name, side in sides.items():
            got[name].append(side())
            print(f"turn {number + 1} of {turns}, {name}: {got[name][-1]}", flush=True)
    return got


def has_bf16(base: Path) -> bool:
    """Is it worth asking a peer for bf16 on this CPU, with a base of that folder's width? On those without such units
    it runs at a fraction of fp32."""
    width = json.loads((base / "config.json").read_text(encoding="utf-8"))["hidden_size"]
    return rates.gain(width) > rates.GAIN


def work(folder: Path | None) -> AbstractContextManager[str]:
    """The folder for what is made on the way: the one that was named, which is kept, or a temporary one."""
    if folder is None:
        return TemporaryDirectory()
    folder.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(folder.resolve()))


# -- the page ------------------------------------------------------------------------------------------------------

def head(title: str, turns: Turns, packages: Sequence[str] = ("torch", "transformers")) -> list[str]:
    """Title, then who measured when and where, with which versions on both sides; without `packages` no peer took part.
    """
    facts = machine()
    n = len(next(iter(turns.values())))
    ours = ", ".join(f"{k} {v}" for k, v in facts["libraries"].items())
    return [
        f"# {title}", "",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {facts['processor']}, {facts['cpus']} CPUs, "
        f"{facts['platform']}; Python {facts['python']}; weitiao with {ours}"
        + (f"; the peer with {versions(packages)}." if packages else "."),
        f"{n} turn{'s' * (n > 1)} of each side, one after the other; medians, smallest and largest in brackets. Wall "
        "time is the whole process, imports included; memory is the most that its process held.", ""]


def versions(packages: Sequence[str]) -> str:
    """What the peers' environment holds of these."""
    ask = ("import sys; from importlib.metadata import version; "
           "print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))")
    return timed([PEER_PYTHON, "-c", ask, *packages]).out.strip()


def table(columns: Mapping[str, Callable[[list[Numbers]], str]], turns: Turns) -> list[str]:
    """A Markdown table: a row a side, a column for each name, told from the side's turns."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    return [*lines, *(f"| {side} | " + " | ".join(tell(got) for tell in columns.values()) + " |"
                      for side, got in turns.items())]


COSTS: dict[str, tuple[str, str]] = {"wall time, s": ("wall_s", ".0f"), "processor, s": ("cpu_s", ".0f"),
                                     "memory, GB": ("peak_gb", ".2f")}


def costs(side: list[Numbers], whose: str) -> dict[str, Callable[[list[Numbers]], str]]:
    """The columns of what every command costs, its memory also beside that of `side`."""
    return {**{name: told(*what) for name, what in COSTS.items()}, f"memory of {whose}": beside("peak_gb", side)}


def told(key: str, form: str) -> Callable[[list[Numbers]], str]:
    """The column of that number: median [smallest, largest]."""
    return lambda got: spread([g[key] for g in got], form)


def beside(key: str, side: list[Numbers]) -> Callable[[list[Numbers]], str]:
    """The column of that number's median divided by that of `side`."""
    return lambda got: f"{middle(got, key) / middle(side, key):.2f}"


def middle(got: list[Numbers], key: str) -> float:
    return statistics.median(g[key] for g in got)


def spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, stdout=subprocess.PIPE, text=True,
                          check=True)
    return done.stdout.strip()


def write(name: str, lines: Sequence[str]) -> None:
    """Write the page; what was written by hand below PROSE stays."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / name
    _, said, prose = path.read_text(encoding="utf-8").partition(PROSE) if path.is_file() else ("", "", "")
    path.write_text("\n".join([*lines, ""]) + said + prose, encoding="utf-8")
    print(path)


def lines(path: Path) -> list[Numbers]:
    """The objects of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def dump(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write such a file."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
