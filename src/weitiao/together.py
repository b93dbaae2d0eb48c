"""A run's tuning by several processes: those that torchrun or its like has started, or further ones started here.

    weitiao tune reviews.csv --nproc 2 --max-restarts 1
    torchrun --nnodes 2 --nproc-per-node 1 … -m weitiao tune reviews.csv --out /shared/runs/reviews
    srun --nodes 2 --ntasks 2 weitiao tune reviews.csv --out /shared/runs/reviews

>>> tune(recipe, run, show, processes=2, max_restarts=1)     # this process is rank 0

Rank 0 prepares, selects, judges and writes; the others wait for it, tune with it and end. A rank that dies or hangs
ends the job with its number in the message; what was saved is whole, and `weitiao tune --resume` goes on from there.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from weitiao.core import files, launcher
from weitiao.core.children import Child
from weitiao.core.errors import RecipeError, RunError, TrainingError, WeitiaoError
from weitiao.core.i18n import t
from weitiao.events import Event, Note
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.tuning import stage
from weitiao.tuning.meeting import joined
from weitiao.tuning.ranks import Ranks

_NOTHING = Path("/dev/null")  # in place of a run's folder: there is nothing to tune
_APPEARS = 30.0  # seconds that a network's file system may take to show what another host has written


@contextmanager
def together(folder: Path, processes: int, *, allow_inexact: bool = False) -> Iterator[Ranks]:
    """All ranks of the tuning in that run folder; with `processes` above 1 the others are started, and gone afterwards.

    Raises TrainingError `train.rank_lost`; RecipeError `ranks.twice` where both a launcher and `processes` ask.
    """
    with ExitStack() as stack:
        started = stack.enter_context(_started(processes)) if processes > 1 else []
        try:
            with joined() as ranks:
                _meet(ranks, folder, allow_inexact)
                yield ranks
        except TrainingError as e:
            if e.code != "train.rank_lost" or not started:
                raise
            raise _told(started, e) from e


def tune(recipe: Recipe, run: Run, on_event: Callable[[Event], None], *, allow_inexact: bool = False,
         processes: int = 1, max_restarts: int = 0) -> None:
    """The stage tune by all ranks; started again from the last checkpoint, at most so many times, where one is lost.

    Rank 0 is this process: where it is killed itself, torchrun or its like must start it again. Raises what tuning and
    `together` raise.
    """
    for number in range(max_restarts + 1):
        try:
            with together(run.folder, processes, allow_inexact=allow_inexact) as ranks:
                stage.tune(recipe, run, on_event=on_event, allow_inexact=allow_inexact, ranks=ranks)
                return
        except TrainingError as e:
            if e.code != "train.rank_lost" or number == max_restarts:
                raise
            on_event(Note(t("{w}: {e}; starting again from the last checkpoint (restart {n} of at most {k})",
                            "{w}：{e}；从最近的检查点重新开始（第 {n} 次，最多 {k} 次）", w=e.where, e=e.what,
                            n=number + 1, k=max_restarts)))


def dismiss() -> None:
    """Where the run is tuned already: tell so to the ranks that a launcher has started."""
    with joined() as ranks:
        ranks.same((str(_NOTHING), False, ""))
        ranks.gather(True)


def assist() -> None:
    """What every rank but the first does: wait for the run of rank 0 and tune it with the others, if it is to be.

    Raises what tuning raises.
    """
    with joined() as ranks:
        folder, allow_inexact = _meet(ranks)
        if folder == _NOTHING:
            return
        run = Run.open(folder)
        recipe = Recipe.read(run.folder / "recipe.toml")
        stage.tune(recipe, run, on_event=_silent, allow_inexact=allow_inexact, ranks=ranks)


def _meet(ranks: Ranks, folder: Path = Path(), allow_inexact: bool = False) -> tuple[Path, bool]:
    """Rank 0's run folder and its word on inexact resumption, once every rank sees that very folder.

    Raises RunError `ranks.no_shared_folder`, on every rank.
    """
    manifest = folder / "manifest.json"
    own = files.sha256(manifest) if ranks.first and ranks.size > 1 else ""
    name, allowed, digest = ranks.same((str(folder.resolve()), allow_inexact, own))
    until = time.monotonic() + min(_APPEARS, launcher.patience() / 2)
    while not (sees := _sees(Path(name), digest)) and time.monotonic() < until:
        time.sleep(0.5)
    blind = [r for r, seen in enumerate(ranks.gather(sees)) if not seen]
    if blind:
        raise RunError(
            "ranks.no_shared_folder",
            t("{r} does not see the run folder of {z}", "{r} 看不到 {z} 的运行目录", r=ranks.named(blind[0]),
              z=ranks.named(0)), where=name,
            expected=t("one folder that all hosts see under the same path, such as a mount of NFS",
                       "所有主机以同一路径看到的同一个目录，例如 NFS 挂载"),
            fix=t("give such a folder with --out; a base model that is a folder must lie in one, too",
                  "请用 --out 指定这样的目录；以目录给出的基座模型也须如此"))
    return Path(name), allowed


def _sees(folder: Path, digest: str) -> bool:
    try:
        return not digest or files.sha256(folder / "manifest.json") == digest
    except OSError:
        return False


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


class _Process(Child):
    """A further rank."""

    def __init__(self, rank: int, environment: Mapping[str, str]) -> None:
        super().__init__([sys.executable, "-m", "weitiao.together"], {**environment, "RANK": str(rank)})
        self.rank = rank


@contextmanager
def _started(processes: int) -> Iterator[list[_Process]]:
    """Further ranks of this process, which becomes rank 0; threads are shared out."""
    import torch

    if launcher.size() > 1:
        raise RecipeError("ranks.twice", t("a launcher has started {n} processes already", "启动器已启动 {n} 个进程",
                                           n=launcher.size()), where="--nproc",
                          fix=t("leave out --nproc, or start weitiao without the launcher",
                                "请去掉 --nproc，或不用启动器运行 weitiao"))
    threads = torch.get_num_threads()
    each = max(1, threads // processes)
    job = {**meeting(processes), "OMP_NUM_THREADS": str(each)}
    torch.set_num_threads(each)
    with launcher.told({**job, "RANK": "0", "LOCAL_RANK": "0"}):
        others = [_Process(i, {**os.environ, "LOCAL_RANK": str(i)}) for i in range(1, processes)]
        try:
            yield others
        finally:
            for process in others:
                process.end()
            torch.set_num_threads(threads)


def meeting(processes: int) -> dict[str, str]:
    """The environment by which so many processes of this machine find one another, at a port that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    return {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def _told(started: list[_Process], e: TrainingError) -> TrainingError:
    """The error with what is known of ranks that were started here and have ended."""
    dead = {p.rank: fate for p in started if (fate := p.fate())}
    if not dead:
        return e
    said = "; ".join(t("rank {r} ended ({f})", "进程 {r} 已结束（{f}）", r=r, f=f) for r, f in dead.items())
    return TrainingError("train.rank_lost", said, where=", ".join(f"rank {r}" for r in dead), fix=e.fix)


def _silent(_: Event) -> None:
    """Rank 0 tells."""


if __name__ == "__main__":
    sys.exit(main())
