"""Ranks that part the weights among them learn what one process does, and their checkpoints load on any number of ranks."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import sharded_target
import torch
from forks import FORKS
from safetensors.torch import load_file

from weitiao import pipeline, tasks
from weitiao.recipe import Recipe
from weitiao.run import Run


def prepared(folder: Path, name: str, base: Path, method: str, **tune: Any) -> Path:
    """A run of the task's own sample that is about to be tuned."""
    sample = tasks.load(name).SAMPLES[0]
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(dict(r), ensure_ascii=False) + "\n" for r in sample.rows for _ in range(3)))
    settings = {"steps": 6, "batch_size": 6, "learning_rate": 1e-3, "save_every": 2, "evaluate_every": 3, "precision": "fp32",
                "embeddings": "train", "clip": 0.1}
    recipe = Recipe.build({
        "data": {"train": [str(data)], "validation": [str(data)], "test": [str(data)], "columns": dict(sample.columns)},
        "task": {"name": name, **sample.options}, "model": {"name": str(base), "max_length": 48, "dropout": 0.0},
        "method": {"name": method} | ({"dropout": 0.0} if method == "lora" else {}), "check": {"mode": "off"}, "tune": {**settings, **tune}})
    run = Run.create(folder / "run", recipe.to_toml(), recipe.hash, {"asked": recipe.hash})
    pipeline.begin(recipe, run, lambda _: None)
    return run.folder


def tuned(run: Path, size: int, shard: str, dies: int | None = None) -> Path:
    """That run, tuned by `size` ranks in a copy."""
    out = run.with_name(f"{size}-{shard}")
    if not out.exists():
        shutil.copytree(run, out)
    recipe = Recipe.read(out / "recipe.toml").updated({"tune": {"shard": shard}})
    (out / "recipe.toml").write_text(recipe.to_toml())
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    job = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WEITIAO_RANK_SECONDS": "60"}
    ranks = [FORKS.Process(target=sharded_target.run, args=(out, {**job, "RANK": str(i)}, dies)) for i in range(size)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
        process.kill()
    return out


def said(run: Path) -> list[str]:
    return [p.read_text() for p in sorted(run.glob("rank-*.json"))]


def check_same(run: Path, other: Path) -> None:
    assert not said(run) and not said(other)
    got, want = ([json.loads(x) for x in (r / "tune" / "metrics.jsonl").read_text().splitlines()] for r in (run, other))
    for a, b in zip(got, want, strict=True):
        if "validation" in b:
            assert a["validation"] == pytest.approx(b["validation"], rel=1e-3)
        else:
            assert (a["loss"], a["gradient_norm"], a["rows"]) == pytest.approx((b["loss"], b["gradient_norm"], b["rows"]), rel=1e-3)
    weights, wanted = (load_file(r / "model" / "model.safetensors") for r in (run, other))
    for name, value in wanted.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(("name", "kind", "method"), [("classify", "encoder", "full"), ("classify", "encoder", "lora"),
                                                      ("generate", "decoder", "full"), ("generate", "decoder", "lora")])
def test_parted_weights_learn_what_whole_ones_do(name: str, kind: str, method: str, tiny_folders: dict[str, Path],
                                                 tmp_path: Path) -> None:
    run = prepared(tmp_path, name, tiny_folders[kind], method)
    alone = tuned(run, 1, "none")
    for size in (2, 4):
        check_same(tuned(run, size, "full"), alone)


def test_checkpoints_load_on_another_number_of_ranks(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = prepared(tmp_path, "classify", tiny_folders["encoder"], "full", average=0.9)
    whole = tuned(run, 2, "full")
    for size in (1, 4):
        begun = run.with_name(f"{size}-full")
        shutil.copytree(whole, begun)
        shutil.rmtree(begun / "model")
        shutil.rmtree(begun / "tune" / "checkpoints" / "6")
        (begun / "tune" / "outcome.json").unlink()
        check_same(tuned(run, size, "full"), whole)


def test_a_rank_that_dies_is_named(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(prepared(tmp_path, "classify", tiny_folders["encoder"], "full"), 2, "full", dies=1)
    told = [json.loads(x) for x in said(run)]
    assert [(x["code"], x["where"]) for x in told] == [("train.rank_lost", f"rank 1 ({socket.gethostname()})")]
    assert (run / "tune" / "checkpoints" / "2").is_dir() and not (run / "model").exists()


def test_what_looks_at_whole_matrices_is_refused(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(prepared(tmp_path, "classify", tiny_folders["encoder"], "full", optimizer="muon"), 2, "full")
    told = [json.loads(x) for x in said(run)]
    assert [(x["code"], x["where"]) for x in told] == [("recipe.bad_value", "tune.optimizer")] * 2


def test_bf16_layers_have_float32_masters(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = prepared(tmp_path, "classify", tiny_folders["encoder"], "full", precision="bf16")
    parted, whole = tuned(run, 2, "full"), tuned(run, 2, "none")
    assert not said(parted)
    saved = load_file(parted / "tune" / "checkpoints" / "6" / "state.safetensors")
    assert {v.dtype for k, v in saved.items() if k.startswith("master/")} == {torch.float32}
    got, want = ([json.loads(x)["loss"] for x in (r / "tune" / "metrics.jsonl").read_text().splitlines() if '"loss"' in x and
                  "validation" not in x] for r in (parted, whole))
    assert got == pytest.approx(want, rel=3e-2)
