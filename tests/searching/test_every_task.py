"""Every task in the folder, and every kind of base that it takes, can be tried, judged and compared in a search."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from weitiao import pipeline, tasks
from weitiao.events import Event
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.searching.clock import Clock
from weitiao.searching.gain import gain
from weitiao.searching.session import opened
from weitiao.searching.space import Space
from weitiao.searching.trial import Watch, judge, read

SAMPLES = [pytest.param((name, i, kind), id=f"{name}-{i}-{kind}")
           for name in tasks.names() for i, sample in enumerate(tasks.load(name).SAMPLES) for kind in sample.kinds]


@pytest.mark.parametrize("case", SAMPLES)
def test_it_is_tried_and_judged(case: Any, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    name, number, kind = case
    sample = tasks.load(name).SAMPLES[number]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sample.rows), encoding="utf-8")
    recipe = Recipe.build({
        "data": {"train": [str(path)], "validation": [str(path)], "columns": dict(sample.columns)},
        "split": {"test": 0.0}, "task": {"name": name, **sample.options}, "model": {"name": str(tiny_folders[kind])},
        "tune": {"epochs": 1.0, "device": "cpu", "precision": "fp32"}})
    run = Run.create(tmp_path / "s", recipe.to_toml(), recipe.hash, {})
    default = pipeline.begin(recipe, run, lambda _: None)
    space = Space.default(default, head=True)
    (run.folder / "space.toml").write_text(space.write(default), encoding="utf-8")
    heard: list[Event] = []
    with Clock(run.folder, 60, time.monotonic()) as clock:
        found = opened(run, default, clock, heard.append, final=False)
        for which in ("a", "b"):
            judge(default, run.folder / which, found.bench, Watch(heard.append), [], grouped=True)
    a, b = read(run.folder / "a"), read(run.folder / "b")
    assert a is not None and a == b and a.rows > 0 and set(a.metrics) >= {found.bench.metric}
    groups = len(set(found.bench.groups.values()))
    assert len(a.without) == (groups if groups > 1 else 0) and heard
    if a.defined and a.without:
        assert gain(found.bench.metric, [a, a], [b, b]).value == 0
    assert math.isnan(a.value) or a.value == a.metrics[found.bench.metric]
