"""What torchrun, or whatever else starts several processes of one job, tells each of them by its environment.

>>> rank(), size()            # RANK=1 WORLD_SIZE=2
(1, 2)
"""

from __future__ import annotations

import os

PATIENCE = "WEITIAO_RANK_SECONDS"
"""Environment: seconds after which a rank that does not answer ends the job; 600 where it is not set."""


def rank() -> int:
    """The number of this process, from 0; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """How many processes there are; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this process on its machine: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def patience() -> float:
    """Seconds after which a rank that does not answer ends the job."""
    return float(os.environ.get(PATIENCE, "600"))
