"""Starts runs, kills them at random moments, goes on with them and compares what they end with.

>>> runs = Runs("tagging", base, ranks=2, scratch=tmp_path)
>>> runs.survive(kills=25, dice=random.Random(1))
Tally(kills=25, in_a_save=11, runs=7, identical=7, different=0, stuck=0)
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import target

from weitiao.together import meeting

# Each process is a fork of one server that has the imports behind it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["target"])
# What takes time or says how long something took differs from run to run, and so do logs of the locks.
TIMED = {"timing.jsonl", "costs.json", "manifest.json", "report.html", "README.md", ".lock"}
MOST_SECONDS = 240  # a run takes a few; a busy machine is no stuck run
PER_RUN = 4  # kills


@dataclass(slots=True)
class Tally:
    """What became of the runs."""

    kills: int = 0
    in_a_save: int = 0
    runs: int = 0
    identical: int = 0
    different: int = 0
    stuck: int = 0


def digest(run: Path) -> dict[str, str]:
    """SHA-256 of all that a run leaves and that a repetition has to leave, too."""
    return {str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(run.rglob("*")) if p.is_file() and p.name not in TIMED}


def unfinished(run: Path) -> list[str]:
    """What lies there under a temporary name."""
    return [str(p.relative_to(run)) for p in run.rglob(".*") if p.suffix in (".tmp", ".old")]


def in_a_save(run: Path) -> bool:
    """Is something being written right now?"""
    return any(p.suffix in (".tmp", ".old") for f in (run, run / "tune", run / "tune" / "checkpoints") for p in f.glob(".*"))


class Runs:
    """Repetitions of one run, which begin where its tuning does.

    Args:
        kind: one of `target.KINDS`.
        base: a model's folder or name.
        ranks: processes that tune together.
    """

    def __init__(self, kind: str, base: str, ranks: int, scratch: Path, tune: Mapping[str, object] = target.TUNE) -> None:
        self.ranks, self.scratch, self._begun, self._number = ranks, scratch, scratch / "begun", 0
        self.run_alone(target.begin, kind, base, self._begun, tune)
        started = time.monotonic()
        self.want = digest(self.finished(self.new()))
        self.seconds = time.monotonic() - started

    def run_alone(self, what: object, *args: object) -> None:
        """A function in a fork, which must end well."""
        process = FORKS.Process(target=what, args=args)
        process.start()
        process.join()
        assert process.exitcode == 0, args

    def new(self) -> Path:
        """The folder of a new repetition."""
        self._number += 1
        folder = self.scratch / str(self._number)
        shutil.copytree(self._begun, folder)
        return folder

    def start(self, run: Path) -> list[BaseProcess]:
        """All ranks, where there is something left to tune."""
        tuned = "tune" in json.loads((run / "manifest.json").read_text())["stages"]
        size = 1 if tuned else self.ranks
        job = {**meeting(size), "WEITIAO_RANK_SECONDS": "20"} if size > 1 else {}
        ranks: list[BaseProcess] = [FORKS.Process(target=target.work, args=(run, {**job, "RANK": str(i)} if job else {}))
                                    for i in range(size)]
        for process in ranks:
            process.start()
        return ranks

    def finished(self, run: Path) -> Path:
        """Go on to the end. Raises TimeoutError where that does not come."""
        ranks = self.start(run)
        if not _ended(ranks):
            raise TimeoutError(run)
        assert [p.exitcode for p in ranks] == [0] * len(ranks), run
        return run

    def kill(self, run: Path, dice: random.Random) -> str:
        """Go on and kill one of the ranks: "save" or "step" by what it hit, "" where it came too late.

        Raises TimeoutError where the other ranks do not end by themselves.
        """
        ranks, started = self.start(run), time.monotonic()
        ranks[0].join(dice.uniform(0.0, self.seconds))
        if dice.random() < 0.5:  # half of the kills wait for a save to be under way, then for a random part of its time
            while ranks[0].is_alive() and not in_a_save(run):
                time.sleep(0.002)
            time.sleep(dice.uniform(0.0, 0.01))
        hit = "save" if in_a_save(run) else "step"
        victim = dice.choice(ranks)
        victim.kill()
        if not _ended(ranks):
            raise TimeoutError(run)
        if victim.exitcode == -9:
            return hit
        self.seconds = min(self.seconds, time.monotonic() - started)  # the first run was made on a busier machine
        return ""

    def survive(self, kills: int, dice: random.Random) -> Tally:
        """Kill that many times, over as many runs as it takes."""
        tally = Tally()
        while tally.kills < kills:
            run = self.new()
            tally.runs += 1
            try:
                for _ in range(min(PER_RUN, kills - tally.kills)):
                    if not (hit := self.kill(run, dice)):
                        break
                    tally.kills += 1
                    tally.in_a_save += hit == "save"
                same = digest(self.finished(run)) == self.want and not unfinished(run)
            except TimeoutError:
                tally.stuck += 1
                continue
            tally.identical += same
            tally.different += not same
            if same:
                shutil.rmtree(run)
        return tally


def _ended(ranks: list[BaseProcess]) -> bool:
    """Have all ended by themselves? Those that have not are killed."""
    until = time.monotonic() + MOST_SECONDS
    for process in ranks:
        process.join(max(0.0, until - time.monotonic()))
    late = [process for process in ranks if process.is_alive()]
    for process in late:
        process.kill()
        process.join()
    return not late
