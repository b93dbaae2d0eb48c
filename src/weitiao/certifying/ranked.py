"""One update's gradient by several processes, each of which runs this file: what `checks/ranks` starts.

    RANK=0 WORLD_SIZE=2 … python -m weitiao.certifying.ranked RUN ROWS SCRATCH     # leaves SCRATCH/ranks.safetensors

>>> loss, gradient = by_ranks(case, 2)
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from weitiao.certifying.case import Case, gradient_of, varied
from weitiao.core import launcher
from weitiao.core.errors import TrainingError
from weitiao.core.i18n import t
from weitiao.together import meeting
from weitiao.tuning.meeting import joined

_FILE = "ranks.safetensors"


def passes(rows: list[int]) -> list[list[int]]:
    """More than there are ranks, of unequal lengths, and a number that the ranks do not divide."""
    cut = [rows[: len(rows) // 2], rows[len(rows) // 2 : -1], rows[-1:]]
    return [part for part in cut if part]


def by_ranks(case: Case, size: int) -> tuple[float, torch.Tensor]:
    """Mean loss and gradient of the first update by `size` processes. Raises TrainingError `train.rank_lost`."""
    scratch = case.folder()
    job = {**os.environ, **meeting(size)}
    command = [sys.executable, "-m", "weitiao.certifying.ranked", str(case.run.folder), str(case.rows), str(scratch)]
    ranks = [subprocess.Popen(command, env={**job, "RANK": str(i), "LOCAL_RANK": str(i)},  # noqa: S603
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for i in range(size)]
    told = [process.communicate()[1] for process in ranks]
    for i, process in enumerate(ranks):
        if process.returncode:
            raise TrainingError("train.rank_lost", t("rank {r} ended: {x}", "进程 {r} 已结束：{x}", r=i,
                                                     x=told[i].strip()[-300:]), where=f"rank {i}")
    found = load_file(scratch / _FILE)
    return float(found["loss"]), found["gradient"]


def main() -> None:
    """One rank."""
    scratch = Path(sys.argv[3])
    own = scratch / f"rank-{launcher.rank()}"
    own.mkdir()
    case = Case.of(Path(sys.argv[1]), int(sys.argv[2]), own)
    with joined() as ranks, case.engine(ranks=ranks, micro_batch_size=1) as engine:
        loss, gradient = gradient_of(engine, passes(varied(engine)))
        if ranks.first:
            save_file({"loss": torch.tensor(loss, dtype=torch.float64), "gradient": gradient}, scratch / _FILE)


if __name__ == "__main__":
    main()
