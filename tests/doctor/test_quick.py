"""The check within a run: on the screen, in the run's folder, in the report; what says stop stops it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from doctor_case import lines, recipe

from weitiao import events, pipeline, splits
from weitiao.core import files
from weitiao.core.errors import DataError
from weitiao.doctor import quick
from weitiao.prepare import prepare
from weitiao.recipe import Recipe
from weitiao.run import Run

WORDS = ["food", "movie", "film", "music", "travel", "service", "room", "price"]


def rows(n: int, sign: str = "") -> list[dict[str, Any]]:
    """Texts without a pattern; `sign` stands before those of one label."""
    draw = random.Random(3)
    data = [{"text": " ".join(draw.choices(WORDS, k=6)) + f" {i}", "label": draw.choice(["good", "bad"])} for i in range(n)]
    return [{**r, "text": sign + r["text"]} if r["label"] == "good" else r for r in data]


def begun(folder: Path, data: list[dict[str, Any]], base: Path, **tree: Any) -> tuple[Run, list[events.Event]]:
    """Prepared, checked and with a base chosen."""
    asked = recipe({"model": {"name": str(base)}, **tree}, train=lines(folder / "rows.jsonl", data))
    run = Run.create(folder / "run", asked.to_toml(), asked.hash, {})
    told: list[events.Event] = []
    pipeline.begin(asked, run, told.append)
    return run, told


def verdict(told: list[events.Event]) -> tuple[str, ...]:
    return next(e.lines for e in told if isinstance(e, events.DataVerdict))


def test_good_data_say_nothing(tmp_path: Path, tiny_folder: Path) -> None:
    run, told = begun(tmp_path, rows(200), tiny_folder)
    report = files.read_json(run.folder / "check" / "report.json")
    assert (report["verdict"], report["findings"], report["rows"], report["of"]) == ("good", [], 200, 200)
    assert not any("weitiao check" in line for line in verdict(told))
    assert [p.name for p in (run.folder / "check").iterdir()] == ["report.json"]
    assert "check" in run.manifest["stages"]


def test_a_handful_of_rows_is_said_to_be_one(tmp_path: Path, tiny_folder: Path) -> None:
    _, told = begun(tmp_path, rows(20), tiny_folder)
    assert any(line.startswith("look: rows: train ") for line in verdict(told))


def test_what_is_worth_a_look_is_told_and_kept(tmp_path: Path, tiny_folder: Path) -> None:
    data = rows(200)
    for i in (3, 5, 7):
        data[i]["text"] += " call 13812345678"
    run, told = begun(tmp_path, data, tiny_folder)
    said = verdict(told)
    assert said[-2].startswith("look: 3 of 200") and "mobile" in said[-2]
    assert said[-1] == f"the rows: weitiao check {tmp_path / 'rows.jsonl'}"
    finding = files.read_json(run.folder / "check" / "report.json")["findings"][0]
    assert finding["code"] == "personal.cn_mobile" and "13812345678" not in json.dumps(finding)


def test_a_sign_that_gives_the_label_away_stops_the_run(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(DataError, match=r"check\.stopped") as e:
        begun(tmp_path, rows(200, "[POS] "), tiny_folder)
    assert "[POS]" in e.value.what and 'check.go_on=["leaks.sign"]' in e.value.fix and "rows.jsonl:" in e.value.where
    assert not (tmp_path / "run").exists()
    (tmp_path / "again").mkdir()
    run, told = begun(tmp_path / "again", rows(200, "[POS] "), tiny_folder, check={"go_on": ["leaks.sign"]})
    assert any(line.startswith("STOP: ") for line in verdict(told)) and (run.folder / "select").is_dir()


def test_off(tmp_path: Path, tiny_folder: Path) -> None:
    run, told = begun(tmp_path, rows(200, "[POS] "), tiny_folder, check={"mode": "off"})
    assert not (run.folder / "check").exists() and not any("POS" in line for line in verdict(told))


def test_of_many_rows_some_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "ROWS", 150)
    data = [{**r, "text": r["text"] + " 13812345678"} for r in rows(400)]
    asked = recipe(train=lines(tmp_path / "rows.jsonl", data))
    run = Run.create(tmp_path / "run", asked.to_toml(), asked.hash, {})
    prepare(asked, run)
    quick.stage(asked, run)
    report = files.read_json(run.folder / "check" / "report.json")
    assert (report["rows"], report["of"], report["findings"][0]["count"]) == (150, 400, 150)
    assert "150 drawn rows" in quick.lines(report, asked)[0]


def test_some_rows_of_a_part(tmp_path: Path) -> None:
    import numpy as np

    from weitiao.example import Example

    made = [Example(str(i), {"text": f"t{i}"}, "a", f"f:{i}", {"k": "v"}) for i in range(5000)]
    splits.write(tmp_path / "x.parquet", made)
    assert splits.count(tmp_path / "x.parquet") == 5000
    assert list(splits.read(tmp_path / "x.parquet", np.array([0, 4096, 4999]))) == [made[0], made[4096], made[4999]]
    assert list(splits.read(tmp_path / "x.parquet", np.array([], np.int64))) == []


def test_a_handful_of_lines() -> None:
    finding = {"verdict": "look", "said": "x", "code": "a.b", "threshold": "", "do": "", "spots": []}
    report = {"findings": [finding] * 9, "rows": 10, "of": 10}
    told = quick.lines(report, Recipe.build({"data": {"train": ["r.csv"]}}))
    assert len(told) == 5 and told[-1] == "5 more; the rows: weitiao check r.csv"
