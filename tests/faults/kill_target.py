"""A run in a process of its own, to be killed: saves after every update, so that kills often fall into a save, and is
slowed down a little so that they fall anywhere."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from transformers import AutoTokenizer

import weitiao.models.build  # noqa: F401 - imported before the fork, as all above: a child starts in no time
from tuning_case import Case
from weitiao.events import Event
from weitiao.tuning import fit

SETTINGS = {"epochs": 4.0, "evaluate_every": 3, "save_every": 1, "average": 0.9, "micro_batch_size": 3,
            "head_start": "probe"}


def run(model: Path, out: Path) -> None:
    """Begin or resume the run in `out`."""
    torch.set_num_threads(1)
    case = Case(model, AutoTokenizer.from_pretrained(model))
    fit(folder=out, on_event=slow, **case.inputs(**SETTINGS))


def slow(_: Event) -> None:
    time.sleep(0.01)
