"""What torchrun, srun, a Kubernetes operator or whatever else starts several processes of one job tells each of them.

>>> rank(), size()            # RANK=1 WORLD_SIZE=2, or in a step of srun SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2
(1, 2)

torchrun and the operators set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT (pytorch.org, "torchrun";
Kubeflow's PyTorchJob), which come first. srun sets SLURM_PROCID, SLURM_LOCALID, SLURM_STEP_NUM_TASKS and
SLURM_STEP_NODELIST (srun's manual, "Output environment variables"). SLURM_NTASKS is not looked at: a batch script that
starts one process without srun has it, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t

PATIENCE = "WEITIAO_RANK_SECONDS"
"""Environment: seconds after which a rank that does not answer ends the job; 600 where it is not set."""

_RESTARTS = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")
_FIRST_PORT, _PORTS = 15000, 10000  # where the ranks of a step of srun meet: by the job's number


def rank() -> int:
    """The number of this process, from 0; 0 without a launcher. Raises RecipeError `ranks.bad_environment`."""
    found = _number("SLURM_PROCID" if _by_srun() else "RANK", 0)
    if found >= size():
        raise _bad("RANK", str(found), f"0 … {size() - 1}")
    return found


def size() -> int:
    """How many processes there are; 1 without a launcher. Raises RecipeError `ranks.bad_environment`."""
    found = _number("SLURM_STEP_NUM_TASKS" if _by_srun() else "WORLD_SIZE", 1)
    if found < 1:
        raise _bad("WORLD_SIZE", str(found), "1 …")
    if found > 1 and not _by_srun() and "RANK" not in os.environ:  # every process would take itself for the first
        raise _bad("RANK", "", f"0 … {found - 1}")
    return found


def local_rank() -> int:
    """The number of this process on its machine: that of its GPU."""
    return _number("SLURM_LOCALID" if _by_srun() else "LOCAL_RANK", 0)


def restarted() -> bool:
    """Did torchrun or SLURM start this job again after it had failed?"""
    return any(_number(name, 0) > 0 for name in _RESTARTS)


def may_restart() -> bool:
    """Will torchrun start the job again when a rank is lost?"""
    return _number("TORCHELASTIC_MAX_RESTARTS", 0) > 0


def patience() -> float:
    """Seconds after which a rank that does not answer ends the job. Raises RecipeError `ranks.bad_environment`."""
    said = os.environ.get(PATIENCE, "600")
    try:
        found = float(said)
    except ValueError as e:
        raise _bad(PATIENCE, said, "600") from e
    if not 0 < found < 1e7:
        raise _bad(PATIENCE, said, "600")
    return found


def environment() -> dict[str, str]:
    """What `torch.distributed` asks of the environment, where srun has said it in its own words; else nothing."""
    if not _by_srun():
        return {}
    job = re.sub(r"\D", "", os.environ.get("SLURM_JOB_ID", "")) or "0"
    port = _FIRST_PORT + (int(job) + _number("SLURM_STEP_ID", 0)) % _PORTS
    return {"RANK": str(rank()), "WORLD_SIZE": str(size()), "LOCAL_RANK": str(local_rank()),
            "MASTER_ADDR": os.environ.get("MASTER_ADDR") or first_host(os.environ.get("SLURM_STEP_NODELIST", "")),
            "MASTER_PORT": os.environ.get("MASTER_PORT") or str(port)}


@contextmanager
def told(values: Mapping[str, str]) -> Iterator[None]:
    """The environment with these values; as it was afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def first_host(listed: str) -> str:
    """The first of a list of hosts as SLURM writes it: `gpu[03-05,9],login` is `gpu03`."""
    if not listed:
        raise _bad("SLURM_STEP_NODELIST", listed, "node[1-4]")
    first = re.split(r",(?![^[]*\])", listed)[0]
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", first)


def _by_srun() -> bool:
    """Is this one of several processes of a step, and has nobody set RANK for it?"""
    return "RANK" not in os.environ and _number("SLURM_STEP_NUM_TASKS", 1) > 1 and "SLURM_PROCID" in os.environ


def _number(name: str, default: int) -> int:
    said = os.environ.get(name, str(default))
    if not re.fullmatch(r"\d{1,9}", said.strip()):
        raise _bad(name, said, str(default))
    return int(said)


def _bad(name: str, said: str, expected: str) -> RecipeError:
    return RecipeError(
        "ranks.bad_environment", t("the environment says {x!r} here", "该环境变量的值为 {x!r}", x=said), where=name,
        expected=expected, fix=t("start it with torchrun, srun or --nproc, or set RANK, WORLD_SIZE, MASTER_ADDR and "
                                 "MASTER_PORT",
                                 "请用 torchrun、srun 或 --nproc 启动，或设置 RANK、WORLD_SIZE、MASTER_ADDR 和 "
                                 "MASTER_PORT"))
