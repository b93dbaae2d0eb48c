"""`weitiao bench`: what this machine can do at most, how much of it a run or a recipe reaches, and where its time goes.

>>> found = bench(Path("runs/news-3"), updates=5)
>>> found["training"]["share"], found["training"]["where"]["matrix"]
(0.61, 0.58)

    {"machine": {...}, "tokenizer": {...} or None, "training": {...} or None, "stages": {"tune": 48.2, ...} or None}

Nothing is kept: the updates are made on a fresh base and forgotten. What is measured is a few updates, and said so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weitiao import pipeline
from weitiao.benching import limits, steps, words
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.events import Event
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.splits import load, load_task
from weitiao.tuning.costs import sampled
from weitiao.tuning.precision import device as find
from weitiao.tuning.stage import ready

__all__ = ["bench", "machine", "recipe"]

UPDATES = 5
_ROWS, _LONGEST = 4000, 32  # rows that are encoded, at equal distances; and of the longest ones

Say = Callable[[str], None]


def machine(device: str = "auto", say: Say = lambda _: None) -> dict[str, Any]:
    """The machine alone. Raises RecipeError `device.missing`."""
    say(t("Measuring the machine …", "正在测量本机……"))
    return {"machine": limits.measured(find(device)), "tokenizer": None, "training": None, "stages": None}


def bench(folder: Path, *, updates: int = UPDATES, device: str = "", say: Say = lambda _: None) -> dict[str, Any]:
    """The machine and the recipe of a run, which has been prepared; on its own rows, from its untouched base.

    Raises RunError `run.missing`, `run.unreadable`; RecipeError `recipe.unresolved` for a run without settings.
    """
    run = Run.open(folder)
    known = Recipe.read(run.folder / "recipe.toml")
    if "resolved" not in run.manifest:
        raise RecipeError("recipe.unresolved", t("this run has not chosen its settings yet", "该运行还没有确定设置"),
                          where=str(folder), fix=t("continue it with: weitiao tune --resume {f}",
                                                   "请先继续运行：weitiao tune --resume {f}", f=folder))
    took = {stage: facts["seconds"] for stage, facts in run.manifest["stages"].items()}
    return _work(known, run, updates, device, say) | {"stages": took}


def recipe(asked: Recipe, *, updates: int = UPDATES, on_event: Callable[[Event], None] = lambda _: None,
           say: Say = lambda _: None) -> dict[str, Any]:
    """The machine and a recipe: its data are prepared and its settings chosen as `weitiao tune` does, in a folder that
    vanishes. Raises what these stages raise."""
    if not asked.data.train:
        raise RecipeError("recipe.no_data", t("no training file is named", "没有指定训练文件"), where="data.train",
                          expected="weitiao bench reviews.csv")
    with tempfile.TemporaryDirectory(prefix="weitiao-bench-") as scratch:
        run = Run.create(Path(scratch) / "run", asked.to_toml(), asked.hash, {"asked": asked.hash})
        resolved = pipeline.begin(asked, run, on_event)
        return _work(resolved, run, updates, asked.tune.device, say)


def _work(known: Recipe, run: Run, updates: int, device: str, say: Say) -> dict[str, Any]:
    found = machine(device or known.tune.device, say)
    _, task = load_task(run)
    known = steps.settled(known, task, device, updates)
    parts = {part: sampled(load(run, part), _ROWS, _LONGEST) for part in ("train", "validation")}
    say(t("Making {n} updates …", "正在进行 {n} 次更新……", n=updates))
    made = ready(known, task, parts)
    found["tokenizer"] = words.measured(parts["train"], task, made.tokenizer, made.settings)
    with tempfile.TemporaryDirectory(prefix="weitiao-bench-") as home:
        found["training"] = steps.measured(known, Path(home), task, made, updates, found["machine"]["rates"])
    return found
