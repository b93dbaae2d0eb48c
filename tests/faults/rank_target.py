"""A tuning by several processes, each of which calls this; see test_ranks.py."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

import weitiao.models.build  # noqa: F401 - imported before the fork, as all above: a child starts in no time
from tuning_case import Case
from weitiao.core.errors import WeitiaoError
from weitiao.events import Event, Note, Progress
from weitiao.tuning import fit
from weitiao.tuning.meeting import joined

# 60 rows in updates of 14: the last one of an epoch holds 4, and its passes are not as many as the ranks may be.
SETTINGS = {"epochs": 2.0, "batch_size": 14, "evaluate_every": 5, "save_every": 2, "head_start": "probe"}
HANGS = 600  # seconds: far longer than any wait for it


def run(model: Path, out: Path, environment: Mapping[str, str], tune: Mapping[str, Any], does: Mapping[int, str]) -> None:
    """Tune in `out` and leave `rank-<n>.safetensors` with the last weights, or `rank-<n>.json` with the error.

    `does`: what happens after update 3 by rank: "die", "hang", "drift" (its weights change), "overflow" (the next pass
    is no number) or "full" (the next pass does not fit).
    """
    os.environ.update(environment)
    torch.set_num_threads(1)
    rank = int(environment.get("RANK", "0"))
    case = Case(model, AutoTokenizer.from_pretrained(model))
    inputs = case.inputs(**SETTINGS, **tune)
    inputs["model"] = case.model(dropout=0.0)

    def listen(event: Event) -> None:
        if isinstance(event, Note):
            notes.append(event.text)
        if isinstance(event, Progress) and event.step == 3:
            if does.get(rank) in ("overflow", "full"):
                hook = inputs["model"].register_forward_hook(lambda *of_it: (hook.remove(), spoiled(does[rank], of_it[2]))[1])
            if does.get(rank) == "die":
                os._exit(9)
            if does.get(rank) == "hang":
                time.sleep(HANGS)
            if does.get(rank) == "drift":
                with torch.no_grad():
                    next(p for p in inputs["model"].parameters() if p.requires_grad).add_(1e-3)

    notes: list[str] = []
    try:
        with joined() as ranks:
            fit(folder=out, on_event=listen, ranks=ranks, **inputs)
    except WeitiaoError as e:
        (out / f"rank-{rank}.json").write_text(json.dumps(e.as_dict()))
        return
    (out / f"rank-{rank}.json").write_text(json.dumps(notes))
    named = {n: p.detach().contiguous() for n, p in inputs["model"].named_parameters() if "embeddings" not in n}
    save_file({n: p.clone() for n, p in named.items()}, out / f"rank-{rank}.safetensors")


def spoiled(how: str, logits: torch.Tensor) -> torch.Tensor:
    """What becomes of a pass."""
    if how == "full":
        raise torch.OutOfMemoryError("CUDA out of memory")
    return logits * float("nan")
