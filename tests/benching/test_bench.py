"""Counts, parts and refusals of `weitiao bench`; that a number was measured is tested, never how large it is."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tuning_case import Case, table
from weitiao import benching, pipeline
from weitiao.benching import limits, shares, steps
from weitiao.cli import main
from weitiao.core.errors import RecipeError
from weitiao.recipe import Recipe
from weitiao.run import Run

RATES = {"fp32": 2e9, "bf16": 1e9}


class Seen(NamedTuple):
    """What shares.py reads of an event of torch's profiler."""

    name: str
    self_cpu_time_total: float
    cpu_parent: Any = None
    sequence_nr: int = -1


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "measured", lambda device: {
        "device": str(device), "name": "a machine", "cpus": 2, "threads": 1, "cpu_capability": "AVX2",
        "units": ["avx2"], "rates": RATES, "bandwidth": 8e9})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, ["text", "label"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(table(60))
    return path


def test_where_an_operation_stands_decides_before_its_name() -> None:
    inside, step = Seen(shares.DROPOUT, 1.0), Seen("Optimizer.step#AdamW.step", 2.0)
    batch = Seen(shares.DATA, 3.0)
    backward = Seen("autograd::engine::evaluate_function: MulBackward0", 4.0, sequence_nr=7)
    found = shares.of([inside, Seen("aten::mul", 5.0, inside, 7), step, Seen("aten::copy_", 6.0, step), batch,
                       Seen("aten::cat", 7.0, batch), backward, Seen("aten::mul", 8.0, backward), Seen("aten::mul", 9.0),
                       Seen("aten::addmm", 10.0), Seen("aten::bmm", 11.0), Seen("aten::copy_", 12.0),
                       Seen("aten::embedding", 13.0), Seen("something", 14.0)], on_gpu=False)
    total = sum(range(1, 15))
    assert found == {part: n / total for part, n in {
        "matrix": 10, "attention": 11, "dropout": 18, "layers": 9, "optimiser": 8, "embedding": 13, "copies": 12,
        "data": 10, "other": 14}.items()}


def test_operations_are_those_of_the_shapes(tiny_folder: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    """Every weight matrix: 2 operations a token forwards; backwards 2 for the input and 2 for the weight. Twice as many
    updates of the same rows are twice as many operations."""
    case = Case(tiny_folder, tiny_tokenizer, rows=8)
    with ExitStack() as stack:
        engine = case.engine(stack, tmp_path)
        engine.model.train()
        once, twice = steps.counted(engine, range(1)), steps.counted(engine, range(2))
        tokens = sum(max(case.rows.encoded[i].length for i in one) * len(one) for one in engine.batches(0))
        layers = sum(p.numel() for n, p in engine.model.named_parameters() if p.ndim == 2 and "embeddings" not in n)
    assert once > 0 and twice == 2 * once
    assert 5.5 * tokens * layers < once < 8 * tokens * layers
    assert all(p.grad is None for p in engine.weights.masters.values())


@pytest.mark.usefixtures("limited")
def test_a_recipe_is_measured_and_leaves_nothing(data: Path, tiny_folder: Path) -> None:
    before = sorted(data.parent.iterdir())
    asked = Recipe.build({"data": {"train": [str(data)]}, "model": {"name": str(tiny_folder)},
                          "tune": {"precision": "fp32", "device": "cpu", "head_start": "probe"}})
    found = benching.recipe(asked, updates=2)
    training, words = found["training"], found["tokenizer"]
    assert training["updates"] == 2 and training["precision"] == "fp32" and training["limit"] == RATES["fp32"]
    assert training["operations"] > 0 and training["tokens"] >= training["rows"] > 0 and 0 <= training["padding"] < 1
    assert training["share"] == pytest.approx(training["operations_per_second"] / RATES["fp32"])
    assert set(training["where"]) == set(shares.PARTS) and sum(training["where"].values()) == pytest.approx(1)
    assert all(training["where"][part] > 0 for part in ("matrix", "attention", "dropout", "optimiser", "data"))
    assert words["rows"] >= 4000 and words["tokens"] > words["rows"] and words["share"] > 0
    assert sorted(data.parent.iterdir()) == before and json.dumps(found)


@pytest.mark.usefixtures("limited")
def test_the_command_says_it_in_two_languages(data: Path, tiny_folder: Path, tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", str(data), "--model", str(tiny_folder), "--updates", "1", "--device", "cpu"]
    assert main([*asked, "--set", "tune.precision=fp32"]) == 0
    said = capsys.readouterr().out
    assert "matrix products" in said and "a measurement of 1 updates" in said and "1 updates of" in said
    assert main(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"]["rates"] == RATES
    assert main(["bench", "--lang", "zh"]) == 0
    assert "本机" in capsys.readouterr().out


def test_a_run_is_measured_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert main(["bench", str(tmp_path), "--model", "minilm", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "cli.run_takes_no_settings"


@pytest.mark.usefixtures("limited")
def test_a_run_says_what_its_stages_took(data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    asked = Recipe.build({"data": {"train": [str(data)]}, "model": {"name": str(tiny_folder)},
                          "tune": {"precision": "fp32", "device": "cpu"}})
    run = Run.create(tmp_path / "run", asked.to_toml(), asked.hash, {"asked": asked.hash})
    with pytest.raises(RecipeError, match=r"recipe\.unresolved"):
        benching.bench(run.folder)
    pipeline.begin(asked, run, lambda _: None)
    found = benching.bench(run.folder, updates=1)
    assert {"prepare", "select"} <= set(found["stages"]) and found["training"]["updates"] == 1
    assert not (run.folder / "tune").exists()


def test_units_are_read_off_the_processor(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor : 0\nflags : fpu avx2 amx_bf16 avx512_vnni\nbugs : spectre fma\n")
    assert limits.units(path) == ["avx2", "avx512_vnni", "amx_bf16"]
    assert limits.units(tmp_path / "nothing") == []
