"""Several processes that tune one model: each makes a part of every update's passes, and all hold the same weights.

>>> with joined() as ranks:                 # tuning/meeting.py
...     ranks.total(3.0), ranks.same("runs/news-3")
(6.0, 'runs/news-3')

Pass i of an update is made by rank i mod size. Gradients are added up once an update, in float32, on the masters: the
micro-batches before it need no communication, low precision enters into no sum over ranks, and every rank gets the same
bytes. The sum is divided by the count over all ranks, so two processes learn what one would. All processes must see the
same run folder; only rank 0 writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from weitiao.core import launcher
from weitiao.core.errors import TrainingError
from weitiao.core.i18n import t
from weitiao.tuning.pulse import Lost, Pulse

T = TypeVar("T")
_BUCKET = 2**24  # numbers that are summed at once: a copy of them is held


class Ranks:
    """This process among `size`, numbered from 0. Alone, everything is as if nothing were there."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self.pulse: Pulse | None = None

    @property
    def first(self) -> bool:
        """Is this the one that writes?"""
        return self.rank == 0

    @property
    def share(self) -> float:
        """Of what all ranks hold together, what one memory must: a GPU's is one rank's, a host's all of its ranks'."""
        if not self.pulse or torch.cuda.is_available():
            return 1 / self.size
        return self.pulse.hosts.count(self.pulse.hosts[self.rank]) / self.size

    def own(self, number: int) -> bool:
        """Is the pass of that number this process's?"""
        return number % self.size == self.rank

    def total(self, value: float) -> float:
        """The sum of a number over all ranks."""
        if self.size == 1:
            return value
        summed = torch.tensor([value], dtype=torch.float64, device=_device())
        self._wait(dist.all_reduce, summed)
        return float(summed)

    def add_up(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Make each gradient the sum over all ranks; a rank without one counts as zero. Parted ones are it."""
        if self.size == 1:
            return
        for bucket in _buckets(p for p in parameters if not isinstance(p, DTensor)):
            flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
            self._wait(dist.all_reduce, flat)
            sizes = [p.numel() for p in bucket]
            for parameter, summed in zip(bucket, torch.split(flat, sizes), strict=True):
                parameter.grad = summed.view_as(parameter).clone()

    def same(self, value: T) -> T:
        """Rank 0's value everywhere."""
        if self.size == 1:
            return value
        held: list[Any] = [value]
        self._wait(dist.broadcast_object_list, held, 0)
        return held[0]  # type: ignore[no-any-return]

    def gather(self, value: T) -> list[T]:
        """Every rank's value, by rank."""
        if self.size == 1:
            return [value]
        held: list[Any] = [None] * self.size
        self._wait(dist.all_gather_object, held, value)
        return held

    def wait(self) -> None:
        """Until all have come here."""
        self.total(0.0)

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Rank 0 first; the others begin when it has ended."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def check_equal(self, parameters: Iterable[torch.nn.Parameter], step: int) -> None:
        """Raises TrainingError `train.ranks_apart` where the ranks no longer hold the same numbers."""
        if self.size == 1:
            return
        with torch.no_grad():
            sums = [(float(p.double().sum()), float(p.double().abs().sum())) for p in parameters
                    if not isinstance(p, DTensor)]
        told = self.gather(sums)
        if others := [r for r, got in enumerate(told) if got != told[0]]:
            raise TrainingError(
                "train.ranks_apart", t("rank {r} holds other weights than rank 0 at step {s}",
                                       "第 {s} 步时进程 {r} 的权重与进程 0 不同", r=others[0], s=step),
                where=self.named(others[0]), expected=t("equal machines and libraries", "相同的机器和库版本"),
                fix=t("use the same versions and kinds of processors everywhere", "请在各处使用相同的版本和处理器类型"))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Collectives that torch makes by itself: where one fails because a rank is lost, that rank is named."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as e:
            found = self.pulse.lost(launcher.patience()) if self.pulse else None
            if not found:
                raise
            raise self._gone(found) from e

    def named(self, rank: int) -> str:
        """A rank with its host."""
        return f"rank {rank} ({self.pulse.hosts[rank]})" if self.pulse else f"rank {rank}"

    def _wait(self, collective: Any, *args: Any) -> None:
        if self.pulse:
            self.pulse.passed += 1
        try:
            collective(*args)
        except RuntimeError as e:  # how torch says that another rank is gone or silent
            raise self._lost(str(e).splitlines()[0]) from e

    def _lost(self, said: str) -> TrainingError:
        found = self.pulse.lost(launcher.patience()) if self.pulse else None
        if found:
            return self._gone(found)
        return _vanished(self.named(self.rank), t("it waited in vain for the other ranks: {e}", "等不到其他进程：{e}",
                                                  e=said))

    def _gone(self, found: Lost) -> TrainingError:
        return _vanished(self.named(found.rank), t("of {n} ranks, this one is lost: {w}",
                                                   "共 {n} 个进程，此进程已失联：{w}", n=self.size, w=found.why))


ALONE = Ranks()


def _vanished(where: str, what: str) -> TrainingError:
    return TrainingError("train.rank_lost", what, where=where,
                         fix=t("see its own messages; continue with: weitiao tune --resume RUN",
                               "请查看该进程自己的信息；继续请用：weitiao tune --resume RUN"))


def _device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")


def _buckets(parameters: Iterable[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Parameters of one dtype and device together, of `_BUCKET` numbers or a single larger one."""
    bucket: list[torch.nn.Parameter] = []
    for parameter in parameters:
        full = sum(p.numel() for p in bucket) + parameter.numel() > _BUCKET
        if bucket and (full or bucket[0].dtype != parameter.dtype or bucket[0].device != parameter.device):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket
