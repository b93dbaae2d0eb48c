"""What goes wrong in a long run, done to either side in the same way: kills, bits that flip, files that are gone or
others, a forward pass that gives NaN.

>>> bench = Bench(side, Job(folder, "plain"), work)
>>> bench.kills(10, aimed=False)
Counter({'identical': 10})

A side is a function that begins or resumes a run in a folder, run in a child process of its own (a fork of one server
that has the imports behind it, so that a start takes no time), and a few facts about its files. Outcomes are words:
"identical" and "different" compare the final weights with those of a run that nothing happened to; "refuses" ends
with an error; "stuck" does not end. A resumption whose messages hold lines that those of a healthy one lack has "said"
something.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

UPDATES, SAVE_EVERY = 24, 4  # two epochs of 96 rows
STOPPED = 14  # between two checkpoints
PAUSE = 0.03  # seconds after each update: a kill may fall anywhere, however busy the machine
PATIENCE = 180.0  # seconds; a whole run takes some
FLIPS = 3  # of a bit, in each file


@dataclass(frozen=True)
class Job:
    """One run: its folder of rows and base, the setting that it is run in, and what is to happen to it."""

    folder: Path
    setting: str = "plain"
    batch: int = 8
    die_after: int = 0  # updates; 0: never
    poison_after: int = 0  # updates; the next forward pass in training gives NaN


@dataclass(frozen=True)
class Side:
    """What the harness knows of one side. All but `run` look at a run's folder."""

    run: Callable[[Job, Path], None]
    saving: Callable[[Path], bool]  # is a checkpoint being written right now?
    checkpoint: Callable[[Path], Path]  # the newest one
    weights: Callable[[Path], Path]  # the file of the final weights; of a run without an end, one that is not there


# -- inside the child --------------------------------------------------------------------------------------------------


def child(run: Callable[[Job, Path], None], job: Job, out: Path) -> None:
    """Run with all messages going to a file beside the run."""
    told = os.open(beside(out, "said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(told, 1)
    os.dup2(told, 2)
    torch.set_num_threads(1)
    run(job, out)
    sys.stdout.flush()


def ended(out: Path) -> None:
    """A side's `run` says: the last update is made."""
    beside(out, "ended").touch()


class Misfortune:
    """What happens to a run, told of each update by the side's `run`."""

    def __init__(self, job: Job, out: Path) -> None:
        self.job, self.out, self.armed = job, out, False
        torch.nn.modules.module.register_module_forward_hook(self._poison)

    def after(self, update: int) -> None:
        if not beside(self.out, "began").exists():  # behind the first update: before it libraries are still loaded
            beside(self.out, "began").touch()
        time.sleep(PAUSE)
        if update == self.job.die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.armed = update == self.job.poison_after > 0

    def _poison(self, module: torch.nn.Module, _: Any, out: Any) -> Any:
        if self.armed and module.training and isinstance(module, torch.nn.LayerNorm):
            self.armed = False
            return out * float("nan")
        return None


# -- outside -----------------------------------------------------------------------------------------------------------


def beside(out: Path, name: str) -> Path:
    return out.with_name(f"{out.name}.{name}")


class Bench:
    """A side in one setting, with the run that nothing happens to, which all others are compared with."""

    def __init__(self, side: Side, job: Job, work: Path, preload: str) -> None:
        self.side, self.work = side, work
        shutil.copytree(job.folder, work / "rows")  # its own: the training file is replaced for a while
        self.job = replace(job, folder=work / "rows")
        # The server imports by this path alone.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))
        self.forks = multiprocessing.get_context("forkserver")
        self.forks.set_forkserver_preload([preload])
        self.dice = random.Random(1)
        self.whole, self.seconds = work / "whole", 0.0
        self.finish(self.job, self.whole)
        self.wanted = self._bytes(self.whole)
        self.seconds = beside(self.whole, "ended").stat().st_mtime - beside(self.whole, "began").stat().st_mtime

    # -- kills ---------------------------------------------------------------------------------------------------------

    def kills(self, count: int, *, aimed: bool) -> tuple[Counter[str], int]:
        """So many runs, each killed once and resumed: how they ended, and how many kills fell into a save."""
        found: Counter[str] = Counter()
        saves = 0
        for number in range(count):
            out = self.work / f"killed-{'aimed' if aimed else 'any'}-{number}"
            saves += self._killed(out, aimed)
            found[self.resumed(self.job, out)[0]] += 1
        return found, saves

    def _killed(self, out: Path, aimed: bool) -> bool:
        """Begin and kill, at any moment of the training or in a save; was it in one?"""
        while True:
            process = self.start(self.job, out)
            while not beside(out, "began").exists():
                assert process.is_alive(), beside(out, "said").read_text()
                time.sleep(0.001)
            time.sleep(self.dice.uniform(0, 0.8 if aimed else 0.95) * self.seconds)
            if aimed:
                while process.is_alive() and not self.side.saving(out):
                    pass
                time.sleep(self.dice.uniform(0, 0.005))
            during = self.side.saving(out)
            alive = process.is_alive() and not beside(out, "ended").exists()
            process.kill()
            process.join()
            if alive:
                return during
            self._clear(out)

    # -- files ---------------------------------------------------------------------------------------------------------

    def flips(self, names: list[str], times: int = FLIPS) -> dict[str, Counter[str]]:
        """For each of these files: what became of the runs that resumed with one bit of it flipped."""
        return {name: Counter(self._with(lambda out, name=name, i=i: flip(out / name, random.Random(f"{name} {i}")))
                              for i in range(times)) for name in names}

    def missing(self, names: list[str]) -> dict[str, str]:
        """For each of these files: what becomes of a run that resumes without it."""
        return {name: self._with(lambda out, name=name: (out / name).unlink()) for name in names}

    def of_checkpoint(self) -> list[str]:
        """The files of the newest checkpoint."""
        return [str(p.relative_to(self.stopped())) for p in sorted(self.side.checkpoint(self.stopped()).iterdir())]

    def _with(self, damage: Callable[[Path], Any], **changed: Any) -> str:
        """A stopped run, something done to it, and what then becomes of it."""
        out = self.work / "damaged"
        self._clear(out)
        shutil.copytree(self.stopped(), out)
        damage(out)
        ended, lines = self.resumed(replace(self.job, **changed), out)
        return ended if ended in ("refuses", "stuck") or not lines - self._healthy() else f"{ended}, said"

    def stopped(self) -> Path:
        """A run that was killed between two checkpoints."""
        out = self.work / "stopped"
        if not out.is_dir():
            self.start(replace(self.job, die_after=STOPPED), out).join()
        return out

    def _healthy(self) -> set[str]:
        """What a resumption says to which nothing is done."""
        out = self.work / "healthy"
        if not out.is_dir():
            shutil.copytree(self.stopped(), out)
            assert self.resumed(self.job, out)[0] in ("identical", "different")
        return said(out)

    # -- other changes -------------------------------------------------------------------------------------------------

    def other_rows(self) -> str:
        """Resumed when the file of training rows holds others."""
        train = self.job.folder / "train.jsonl"
        before = train.read_bytes()
        try:
            return self._with(lambda out: shutil.copy(self.job.folder / "other.jsonl", train))
        finally:
            train.write_bytes(before)

    def other_batch(self) -> str:
        """Resumed with twice the batch size."""
        return self._with(lambda out: None, batch=2 * self.job.batch)

    def finished(self) -> str:
        """A run that had ended, resumed."""
        out = self.work / "finished"
        shutil.copytree(self.whole, out)
        return self.resumed(self.job, out)[0]

    def poisoned(self) -> tuple[int | None, Path]:
        """A run with one forward pass that gives NaN: its exit code and folder."""
        out = self.work / "poisoned"
        process = self.start(replace(self.job, poison_after=STOPPED), out)
        process.join(PATIENCE)
        return process.exitcode, out

    # -- running -------------------------------------------------------------------------------------------------------

    def start(self, job: Job, out: Path) -> Any:
        for name in ("began", "ended"):
            beside(out, name).unlink(missing_ok=True)
        process = self.forks.Process(target=child, args=(self.side.run, job, out))
        process.start()
        return process

    def finish(self, job: Job, out: Path) -> None:
        process = self.start(job, out)
        process.join()
        if process.exitcode:
            raise RuntimeError(beside(out, "said").read_text())

    def resumed(self, job: Job, out: Path) -> tuple[str, set[str]]:
        """How a run ends that goes on, and what it said."""
        process = self.start(job, out)
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            return "stuck", set()
        if process.exitcode:
            return "refuses", said(out)
        return "identical" if self._bytes(out) == self.wanted else "different", said(out)

    def _bytes(self, out: Path) -> bytes:
        return self.side.weights(out).read_bytes()

    def _clear(self, out: Path) -> None:
        shutil.rmtree(out, ignore_errors=True)
        for path in out.parent.glob(f"{out.name}.*"):
            path.unlink()


def flip(path: Path, dice: random.Random) -> None:
    """One bit of a file."""
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def said(out: Path) -> set[str]:
    """The lines of a child's messages, without what differs from run to run: numbers and the name of the folder."""
    return set(_lines(beside(out, "said").read_text(errors="replace"), out))


def _lines(text: str, out: Path) -> Iterator[str]:
    for line in text.replace(str(out), "RUN").splitlines():
        if line.strip():
            yield re.sub(r"[\d.e+-]*\d[\d.e+-]*", "#", line.strip())
