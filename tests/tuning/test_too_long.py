"""Rows longer than the model reads: what becomes of them by each policy, and that the screen and the run's files say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import weitiao
from tuning_case import make_recipe
from weitiao.core import files
from weitiao.core.errors import DataError
from weitiao.events import Event, Note
from weitiao.recipe import Recipe


def _recipe(folder: Path, too_long: str) -> Recipe:
    return make_recipe(steps=2).updated({
        "model": {"name": str(folder), "max_length": 40}, "task": {"name": "generate", "too_long": too_long, "max_new_tokens": 4},
        "split": {"validation": 0.0}, "evaluate": {"baselines": [], "rows": 2, "resamples": 100}})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """20 training rows: two with a long prompt, one with a long answer. The test file beside them is short."""
    rows = [{"prompt": f"good {i} " + "movie " * (50 if i in (3, 5) else 1), "completion": "very " * (60 if i == 9 else 1) + f"{i}"}
            for i in range(20)]
    for name, some in (("train", rows), ("test", [{"prompt": f"bad {i}", "completion": str(i)} for i in range(4)])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in some), encoding="utf-8")
    return tmp_path / "train.jsonl"


@pytest.mark.parametrize(("too_long", "out", "cut"), [("truncate", 1, 2), ("drop", 3, 0)])
def test_what_is_cut_and_left_out_is_counted(too_long: str, out: int, cut: int, file: Path, tiny_folders: dict[str, Path],
                                             tmp_path: Path) -> None:
    said: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Note):
            said.append(event.text)

    weitiao.tune(file, test=tmp_path / "test.jsonl", recipe=_recipe(tiny_folders["decoder"], too_long),
                 out=tmp_path / "run", on_event=listen)
    counted = files.read_json(tmp_path / "run" / "tune" / "encoding.json")["train"]
    assert (counted["rows_left_out"], counted["rows_cut"], counted["rows"]) == (out, cut, 20 - out)
    assert any(f"of 20 training rows {out} are left out" in x and f"and {cut} lost" in x for x in said), said


def test_the_run_stops_where_that_is_asked_for(file: Path, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.too_long.*3 rows are longer than 40 tokens") as e:
        weitiao.tune(file, test=tmp_path / "test.jsonl", recipe=_recipe(tiny_folders["decoder"], "stop"), out=tmp_path / "run")
    assert all(place in str(e.value) for place in ("train.jsonl:4", "train.jsonl:6", "train.jsonl:10"))
