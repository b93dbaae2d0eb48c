"""A prepared run tuned by several processes, each of which calls this; see test_sharded.py."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch

import weitiao.models.build  # noqa: F401 - imported before the fork, as all above: a child starts in no time
from weitiao.core.errors import WeitiaoError
from weitiao.events import Event, Progress
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.tuning.meeting import joined
from weitiao.tuning.stage import tune


def run(folder: Path, environment: Mapping[str, str], dies: int | None) -> None:
    """Tune the run in `folder`; an error lands in `rank-<n>.json`. Rank `dies` does so after update 3."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    rank = int(environment.get("RANK", "0"))

    def listen(event: Event) -> None:
        if rank == dies and isinstance(event, Progress) and event.step == 3:
            os._exit(9)

    try:
        with joined() as ranks:
            tune(Recipe.read(folder / "recipe.toml"), Run.open(folder), on_event=listen, allow_inexact=True, ranks=ranks)
    except WeitiaoError as e:
        (folder / f"rank-{rank}.json").write_text(json.dumps(e.as_dict()))
