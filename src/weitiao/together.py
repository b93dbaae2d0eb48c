"""A run's tuning by several processes: those that torchrun or its like has started, or further ones started here.

    weitiao tune reviews.csv --nproc 2
    torchrun --nnodes 2 --nproc-per-node 1 … -m weitiao tune reviews.csv --out /shared/runs/reviews

>>> with together(run.folder, processes=2) as ranks:         # this process is rank 0
...     tune(recipe, run, on_event=show, ranks=ranks)

Rank 0 prepares, selects, judges and writes; the others wait for it, tune with it and end. A rank that dies or hangs
ends the job with its number in the message; what was saved is whole, and `weitiao tune --resume` goes on from there.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from weitiao.core.errors import RecipeError, TrainingError, WeitiaoError
from weitiao.core.i18n import t
from weitiao.core.launcher import patience, size
from weitiao.events import Event
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.tuning.ranks import Ranks, joined

_LAST = 300  # characters of a dead rank's words that are shown


@contextmanager
def together(folder: Path, processes: int, *, allow_inexact: bool = False) -> Iterator[Ranks]:
    """All ranks of the tuning in that run folder; with `processes` above 1 the others are started, and gone afterwards.

    Raises TrainingError `train.rank_lost`; RecipeError `ranks.twice` where both a launcher and `processes` ask.
    """
    with ExitStack() as stack:
        started = stack.enter_context(_started(processes)) if processes > 1 else []
        try:
            with joined() as ranks:
                ranks.same((str(folder.resolve()), allow_inexact))
                yield ranks
        except TrainingError as e:
            if e.code != "train.rank_lost" or not started:
                raise
            raise _lost(started, e) from e


def assist() -> None:
    """What every rank but the first does: wait for the run of rank 0 and tune it with the others.

    Raises what tuning raises.
    """
    from weitiao.tuning.stage import tune

    with joined() as ranks:
        folder, allow_inexact = ranks.same(("", False))
        run = Run.open(Path(folder))
        tune(Recipe.read(run.folder / "recipe.toml"), run, on_event=_silent, allow_inexact=allow_inexact, ranks=ranks)


def main() -> int:
    """One of the processes that `together` starts."""
    try:
        assist()
    except WeitiaoError as e:
        sys.stderr.write(f"{e}\n")
        return e.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


class _Process:
    """A further rank, what it says, and what became of it."""

    def __init__(self, rank: int, environment: Mapping[str, str]) -> None:
        self.rank, self._said = rank, tempfile.TemporaryFile()  # noqa: SIM115
        self._running = subprocess.Popen([sys.executable, "-m", "weitiao.together"], stdout=self._said,
                                         stderr=subprocess.STDOUT, env={**environment, "RANK": str(rank)})

    def fate(self) -> str:
        """How it died, with its last words; "" while it lives or where all went well."""
        code = self._running.poll()
        if not code:
            return ""
        self._said.seek(0)
        words = " ".join(self._said.read().decode(errors="replace").split())[-_LAST:]
        how = signal.Signals(-code).name if code < 0 else t("exit code {c}", "退出码 {c}", c=code)
        return f"{how}: {words}" if words else how

    def end(self) -> None:
        """Wait a little for it, then stop it."""
        for stop in (self._running.terminate, self._running.kill):
            try:
                self._running.wait(timeout=5)
                break
            except subprocess.TimeoutExpired:
                stop()
        self._running.wait()
        self._said.close()


@contextmanager
def _started(processes: int) -> Iterator[list[_Process]]:
    """Further ranks of this process, which becomes rank 0; threads are shared out."""
    import torch

    if size() > 1:
        raise RecipeError("ranks.twice", t("a launcher has started {n} processes already", "启动器已启动 {n} 个进程",
                                           n=size()), where="--nproc",
                          fix=t("leave out --nproc, or start weitiao without the launcher",
                                "请去掉 --nproc，或不用启动器运行 weitiao"))
    threads = torch.get_num_threads()
    each = max(1, threads // processes)
    job = {**meeting(processes), "OMP_NUM_THREADS": str(each)}
    before = {k: os.environ.get(k) for k in (*job, "RANK", "LOCAL_RANK")}
    os.environ.update(job, RANK="0", LOCAL_RANK="0")
    torch.set_num_threads(each)
    others = [_Process(i, {**os.environ, "LOCAL_RANK": str(i)}) for i in range(1, processes)]
    try:
        yield others
    finally:
        for process in others:
            process.end()
        torch.set_num_threads(threads)
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def meeting(processes: int) -> dict[str, str]:
    """The environment by which so many processes of this machine find one another, at a port that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    return {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def _lost(started: list[_Process], e: TrainingError) -> TrainingError:
    """The error that names the rank which is gone, or those of which one is silent."""
    dead = {p.rank: fate for p in started if (fate := p.fate())}
    if dead:
        said = "; ".join(t("rank {r} ended ({f})", "进程 {r} 已结束（{f}）", r=r, f=f) for r, f in dead.items())
        where = ", ".join(f"rank {r}" for r in dead)
    else:
        where = ", ".join(f"rank {p.rank}" for p in started)
        said = t("no answer within {s:g} s", "{s:g} 秒内没有应答", s=patience())
    return TrainingError("train.rank_lost", said, where=where, fix=e.fix)


def _silent(_: Event) -> None:
    """Rank 0 tells."""


if __name__ == "__main__":
    sys.exit(main())
