"""A recipe is priced from a few of its own steps, for every task and kind of base."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weitiao import pipeline, tasks
from weitiao.core import memory
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.splits import load, load_task
from weitiao.tuning import costs, measuring
from weitiao.tuning.batches import Batches

SAMPLES = [pytest.param((name, i, kind), id=f"{name}-{i}-{kind}")
           for name in tasks.names() for i, sample in enumerate(tasks.load(name).SAMPLES) for kind in sample.kinds]
PARTS = {"load", "head", "weigh", "tune", "validate", "save", "judge", "baselines"}


def prepared(folder: Path, base: Path, name: str, number: int, **tune: Any) -> tuple[Recipe, Run]:
    sample = tasks.load(name).SAMPLES[number]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sample.rows), encoding="utf-8")
    recipe = Recipe.build({
        "data": {"train": [str(path)], "validation": [str(path)], "test": [str(path)], "columns": dict(sample.columns)},
        "task": {"name": name, **sample.options}, "model": {"name": str(base)},
        "tune": {"epochs": 2.0, "device": "cpu", "precision": "fp32"} | tune})
    run = Run.create(folder / "run", recipe.to_toml(), recipe.hash, {})
    return pipeline.begin(recipe, run, lambda _: None), run


@pytest.mark.parametrize("case", SAMPLES)
def test_every_task_has_a_price(case: Any, tiny_folders: dict[str, Path], tmp_path: Path,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    name, number, kind = case
    monkeypatch.setattr("weitiao.tuning.measuring._BUDGET", 0.1)
    recipe, run = prepared(tmp_path, tiny_folders[kind], name, number)
    _, task = load_task(run)
    state = task.state()
    cost = costs.price(recipe, task, {p: load(run, p) for p in ("train", "validation", "test")})
    assert set(cost.seconds) == set(cost.cpu_seconds) == PARTS
    assert cost.total == pytest.approx(sum(cost.seconds.values()), abs=0.1)
    assert all(v >= 0 for v in cost.cpu_seconds.values()) and cost.total > 3
    assert cost.steps >= 1 and cost.tokens_per_row > 0 and cost.disk_gb >= 0 and cost.how
    assert task.state() == state
    if memory.peak() is not None:
        assert cost.memory_gb == max(cost.memory.values()) > 0.1


def test_more_rows_cost_more_time_in_proportion(tiny_folder: Path, tmp_path: Path) -> None:
    recipe, run = prepared(tmp_path, tiny_folder, "classify", 0, epochs=50.0)
    _, task = load_task(run)
    train = load(run, "train")
    few = costs.price(recipe, task, {"train": train, "validation": [], "test": train})
    many = costs.price(recipe, task, {"train": train * 8, "validation": [], "test": train})
    assert few.seconds["validate"] == 0 and many.steps >= 4 * few.steps
    assert many.cpu_seconds["tune"] > 2 * few.cpu_seconds["tune"]


def test_the_longest_pass_is_one_that_the_run_makes() -> None:
    """Two updates of an epoch's many: the longest rows of all are not met, and cost no memory."""
    batches = Batches([(8 + i, 1) for i in range(64)], seed=1, batch_size=4, micro_batch_size=4, micro_batch_tokens=4096)
    few, whole = (measuring._chosen(batches, steps)[0] for steps in (2, batches.per_epoch))
    assert few in [*batches(0), *batches(1)] and 63 in whole and max(few) < 63


def test_a_child_process_prints_json(tiny_folder: Path, tmp_path: Path) -> None:
    recipe, run = prepared(tmp_path, tiny_folder, "classify", 0)
    other = tmp_path / "other.toml"
    other.write_text(recipe.updated({"tune": {"steps": 7}}).to_toml(), encoding="utf-8")
    said = subprocess.run([sys.executable, "-m", "weitiao.tuning.costs", str(run.folder), "--recipe", str(other)],
                          capture_output=True, text=True, check=True)
    found = json.loads(said.stdout)
    assert found["steps"] == 7 and set(found["seconds"]) == PARTS
