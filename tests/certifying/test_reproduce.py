"""`reproduce`: the same bytes from a finished run's own recipe, and whatever is not the same is seen."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from weitiao import pipeline, reproducing
from weitiao.cli import main
from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.recipe import Recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, r = tmp_path_factory.mktemp("data") / "rows.jsonl", random.Random(0)
    words = {"pos": "good great love happy", "neg": "bad awful hate sad"}
    rows = [{"text": f"{r.choice(['the', 'a', 'it', 'this', 'that'])} {r.choice(['food', 'movie', 'room', 'car'])} {i} "
                     f"{r.choice(words[y].split())}", "label": y} for i in range(60) for y in ("pos", "neg")]
    path.write_text("".join(json.dumps(x) + "\n" for x in rows))
    return path


@pytest.fixture(scope="module")
def run(data: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe.build({
        "data": {"train": [str(data)]}, "model": {"name": str(tiny_folder), "max_length": 32},
        "evaluate": {"baselines": ["majority"], "resamples": 100},
        "tune": {"time": "5s", "epochs": 3.0, "learning_rate": 1e-3, "precision": "fp32"}})
    return pipeline.start(recipe, tmp_path_factory.mktemp("runs") / "r").folder


def failed(again: reproducing.Again) -> list[str]:
    return [x.said for x in again.lines if not x.passed]


def test_the_same_machine_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    told: list[list[str]] = []
    again = reproducing.reproduce(run, tmp_path / "again", before=told.append)
    assert told == [[]] and again.otherwise == [] and again.passed
    assert files.sha256(again.folder / "model" / "model.safetensors") == files.sha256(run / "model" / "model.safetensors")
    assert "tune/metrics.jsonl" in [x.said for x in again.lines]


def test_another_library_is_said_and_allowed_for(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "r"
    shutil.copytree(run, copy)
    manifest = files.read_json(copy / "manifest.json")
    manifest["machine"]["libraries"]["torch"] = "1.0"
    files.write_json(copy / "manifest.json", manifest)
    again = reproducing.reproduce(copy, tmp_path / "again")
    assert len(again.otherwise) == 1 and again.otherwise[0].startswith("torch 1.0 → ")
    assert again.passed and {x.unit for x in again.lines} == {"files", "relative", "answers", "absolute"}


def test_other_rows_are_seen(run: Path, data: Path, tmp_path: Path) -> None:
    before = data.read_text()
    try:
        data.write_text(before.replace("great", "fast"))
        again = reproducing.reproduce(run, tmp_path / "again")
    finally:
        data.write_text(before)
    assert "the rows and their parts" in failed(again) and "model/model.safetensors" in failed(again)


@pytest.mark.parametrize(("exact", "scale", "seen"), [(True, 1.0001, True), (False, 1.0001, False), (False, 1.2, True)])
def test_weights_that_differ_are_seen(run: Path, tmp_path: Path, exact: bool, scale: float, seen: bool) -> None:
    from safetensors.torch import load_file, save_file

    other = tmp_path / "r"
    shutil.copytree(run, other)
    weights = {k: v * scale if v.is_floating_point() else v for k, v in load_file(run / "model" / "model.safetensors").items()}
    save_file(weights, other / "model" / "model.safetensors", {"format": "pt"})
    found = [x.said for x in reproducing.compare(run, other, exact=exact) if not x.passed]
    assert bool(found) is seen and (not seen or found[0] in ("model/model.safetensors", "weights"))


def test_a_curve_and_answers_that_differ_are_seen(run: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    other = tmp_path / "r"
    shutil.copytree(run, other)
    curve = other / "tune" / "metrics.jsonl"
    lines: list[dict[str, Any]] = [json.loads(x) for x in curve.read_text().splitlines()]
    lines[0]["loss"] *= 1.2
    curve.write_text("".join(json.dumps(x) + "\n" for x in lines))
    table = pq.read_table(other / "evaluate" / "predictions.parquet")
    rows = table.to_pylist()
    for row in rows:
        row["prediction"] = '"neg"' if row["prediction"] == '"pos"' else '"pos"'
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), other / "evaluate" / "predictions.parquet")
    for exact in (True, False):
        found = [x.said for x in reproducing.compare(run, other, exact=exact) if not x.passed]
        assert found == ["tune/metrics.jsonl" if exact else "losses", f"answers to {len(rows)} test rows that differ"]


def test_half_a_run_cannot_be_repeated(tmp_path: Path, run: Path) -> None:
    shutil.copytree(run, tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "evaluate")
    with pytest.raises(RunError) as e:
        reproducing.reproduce(tmp_path / "half", tmp_path / "again")
    assert e.value.code == "run.unfinished" and not (tmp_path / "again").exists()


def test_the_command(run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["reproduce", str(run), "--lang", "en"]) == 0
    out = capsys.readouterr().out
    assert "bytes must be equal" in out and out.rstrip().endswith("reproduced") and run.with_name("r-again").is_dir()
    assert main(["reproduce", str(run), "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "run.exists"
