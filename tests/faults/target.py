"""What happens in the process that a test kills, starves or stops: one run of a task by a method, alone or as a rank.

>>> begin("generation", base, folder)      # prepared and selected: what follows is `weitiao tune --resume`
>>> work(folder, {})
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

# Much of this is imported before the fork only, so that a child starts in no time.
import pandas  # noqa: F401
import peft  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch
import transformers.models.bert.modeling_bert
import transformers.models.llama.modeling_llama  # noqa: F401

import weitiao.doctor.quick
import weitiao.evaluate
import weitiao.models.build
import weitiao.models.ssru
import weitiao.prepare
import weitiao.report
import weitiao.select
import weitiao.tuning.stage  # noqa: F401
from weitiao import methods, pipeline, tasks
from weitiao.core.errors import WeitiaoError
from weitiao.core.launcher import rank
from weitiao.events import Event
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.together import assist


class Kind(NamedTuple):
    """A task with the sample of its own that is learnt, the kind of base and the method."""

    task: str
    sample: int
    base: str
    method: str


KINDS = {
    "classification": Kind("classify", 0, "encoder", "full"),
    "tagging": Kind("tag", 0, "encoder", "full"),
    "generation": Kind("generate", 1, "decoder", "lora"),  # packed rows
    "pretraining": Kind("pretrain", 0, "encoder", "full"),  # of masked words, with a head that is fitted first
}
for one in KINDS.values():
    tasks.load(one.task), methods.load(one.method)
# Saves after every update, so that faults often fall into a save.
TUNE = {"steps": 12, "batch_size": 6, "micro_batch_size": 2, "learning_rate": 1e-3, "evaluate_every": 4,
        "save_every": 1, "average": 0.9, "precision": "fp32", "device": "cpu"}


def begin(kind: str, base: str, folder: Path, tune: Mapping[str, Any] = TUNE) -> None:
    """A run in `folder`, its rows beside it, up to where tuning begins."""
    task, number, _, method = KINDS[kind]
    sample = tasks.load(task).SAMPLES[number]
    data = folder.with_suffix(".jsonl")
    data.write_text("".join(json.dumps(dict(r), ensure_ascii=False) + "\n" for r in sample.rows for _ in range(3)))
    recipe = Recipe.build({
        "data": {"train": [str(data)], "validation": [str(data)], "test": [str(data)], "columns": dict(sample.columns)},
        "task": {"name": task, **sample.options}, "model": {"name": base, "max_length": 48},
        "method": {"name": method}, "evaluate": {"baselines": [], "resamples": 100, "rows": 4}, "tune": dict(tune)})
    run = Run.create(folder, recipe.to_toml(), recipe.hash, {"asked": recipe.hash})
    with run.lock():
        pipeline.begin(recipe, run, lambda _: None)


def work(folder: Path, environment: Mapping[str, str]) -> None:
    """Go on with the run in `folder`, or help as another rank; ends with the error's exit code."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    try:
        if rank() > 0:
            assist()
        else:
            pipeline.resume(folder, slow)
    except WeitiaoError as e:
        (folder.parent / f"{folder.name}-{rank()}.error").write_text(json.dumps(e.as_dict()))
        sys.exit(e.exit_code)


def slow(_: Event) -> None:
    """So that kills fall anywhere."""
    time.sleep(0.01)
