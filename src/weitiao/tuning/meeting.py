"""The ranks of one tuning meet, each from its own process and perhaps its own host.

>>> with joined() as ranks:                 # RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, as torchrun sets them
...     ranks.size, ranks.named(1)
(2, 'rank 1 (gpu04)')
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from weitiao.core import launcher, network
from weitiao.core.errors import TrainingError, WeitiaoError
from weitiao.core.i18n import t
from weitiao.tuning.pulse import Pulse
from weitiao.tuning.ranks import ALONE, Ranks

_KEPT = "TORCHELASTIC_USE_AGENT_STORE"


@contextmanager
def joined() -> Iterator[Ranks]:
    """All ranks together, by NCCL where each has a CUDA GPU, else by gloo; alone without a launcher.

    Raises TrainingError `ranks.no_meeting`, and inside `train.rank_lost`; RecipeError `ranks.bad_environment`.
    """
    if launcher.size() == 1:
        yield ALONE
        return
    with launcher.told(launcher.environment()), launcher.told(_interface()):
        store = _met()
        try:
            ranks = Ranks(dist.get_rank(), dist.get_world_size())
            ranks.pulse = Pulse(store, ranks.rank, ranks.gather(socket.gethostname()))
            try:
                yield ranks
            except Exception as e:
                if not isinstance(e, WeitiaoError):
                    ranks.pulse.failed(f"{type(e).__name__}: {e}")
                elif e.code != "train.rank_lost":
                    ranks.pulse.failed(f"[{e.code}] {e.what}")
                raise
            finally:
                ranks.pulse.close()
        finally:
            dist.destroy_process_group()


def _met() -> Any:
    """Join the process group; a store of our own among its ranks. Raises TrainingError `ranks.no_meeting`."""
    on_gpu, limit = torch.cuda.is_available(), timedelta(seconds=launcher.patience())
    backend = "nccl" if on_gpu else "gloo"
    # torchrun's agent keeps the store when it starts the job again: what was said before counts no more. torch itself
    # would read the addresses of processes that are gone (2.13, `_create_c10d_store`).
    attempt, kept = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), os.environ.get(_KEPT) == "True"
    if on_gpu:
        torch.cuda.set_device(launcher.local_rank())
    try:
        if not kept:
            dist.init_process_group(backend, timeout=limit)
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        own = dist.TCPStore(host, port, None, False, timeout=limit)  # type: ignore[attr-defined]
        if kept:
            dist.init_process_group(backend, store=dist.PrefixStore(f"ranks/{attempt}", own),  # type: ignore[attr-defined]
                                    rank=launcher.rank(), world_size=launcher.size(), timeout=limit)
    except (RuntimeError, ValueError) as e:  # nobody there, a port in use, an address or a port missing
        raise _apart(str(e).splitlines()[0]) from e
    return dist.PrefixStore(f"weitiao/{attempt}", own)  # type: ignore[attr-defined]


def _apart(said: str) -> TrainingError:
    at = ":".join(os.environ.get(x, "?") for x in ("MASTER_ADDR", "MASTER_PORT"))
    return TrainingError(
        "ranks.no_meeting",
        t("the {n} ranks did not all meet at {a} within {s:g} s: {e}",
          "{n} 个进程未能在 {s:g} 秒内全部在 {a} 会合：{e}", n=launcher.size(), a=at, s=launcher.patience(), e=said),
        where=f"rank {launcher.rank()} ({socket.gethostname()})",
        expected=t("all ranks started, each with the MASTER_ADDR and a free MASTER_PORT of rank 0's host, which every "
                   "host reaches", "所有进程均已启动，MASTER_ADDR 为进程 0 所在主机，MASTER_PORT 为其空闲端口，"
                   "且各主机均可访问"),
        fix=t("look at the other ranks' messages; where a host has several networks set GLOO_SOCKET_IFNAME; where "
              "preparing the data takes long set {p}",
              "请查看其他进程的信息；主机有多个网络时请设 GLOO_SOCKET_IFNAME；数据准备较久时请设 {p}",
              p=launcher.PATIENCE))


def _interface() -> dict[str, str]:
    """The network that gloo is to use, where nobody has said it."""
    found = network.interface(os.environ.get("MASTER_ADDR", ""))
    return {"GLOO_SOCKET_IFNAME": found} if found and "GLOO_SOCKET_IFNAME" not in os.environ else {}
