"""The main job through the real command, with a tiny local model: what it leaves behind is what it promises."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import weitiao as call

import weitiao
from weitiao.bundle import Bundle, load
from weitiao.example import Example

WORDS = {"pos": "good great love happy clean", "neg": "bad awful hate sad dirty"}


def sentences(n: int, seed: int) -> list[tuple[str, str]]:
    r = random.Random(seed)
    filler = ["the", "a", "food", "movie", "film", "music", "travel", "service", "room", "price", "this", "that", "it", "was", "very", "really", "one", "two", "three"]
    out = []
    for i in range(n):
        label = ("pos", "neg")[i % 2]
        words = [r.choice(filler) for _ in range(r.randint(2, 9))] + [r.choice(WORDS[label].split())]
        r.shuffle(words)
        out.append((" ".join(words), label))
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, n in (("train", 120), ("test", 60)):
        lines = [json.dumps({"text": t, "label": y}) for t, y in sentences(n, len(name))]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


SETTINGS = ("--set", "tune.epochs=8", "--set", "tune.learning_rate=0.01", "--set", "tune.head_learning_rate=0.01",
            "--set", "tune.precision=fp32")


@pytest.fixture(scope="module")
def run(data: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("runs") / "r"
    got = call("tune", str(data / "train.jsonl"), "--test", str(data / "test.jsonl"),
                                   "--model", str(tiny_folder), "--out", str(out), "--json", *SETTINGS)
    assert got.code == 0, got
    return out, json.loads(got.stdout)


def examples(bundle: Bundle, n: int = 100) -> list[Example]:
    return [Example(str(i), {"text": t}, y, f"x:{i}") for i, (t, y) in enumerate(sentences(n, 99))]


def test_the_run_holds_what_the_design_names(run: tuple[Path, dict[str, Any]]) -> None:
    folder, printed = run
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    for name in ("recipe.toml", "manifest.json", "prepare/report.json", "prepare/train.parquet", "prepare/rejected.jsonl",
                 "select/decision.json", "tune/metrics.jsonl", "evaluate/scores.json", "evaluate/predictions.parquet",
                 "evaluate/errors.csv", "model/config.json", "model/model.safetensors", "model/weitiao.json",
                 "report.html", "README.md"):
        assert name in names, sorted(names)
    assert not [n for n in names if n.endswith((".bin", ".pkl", ".pt"))], "a pickle"
    assert printed["scores"]["metrics"][0]["name"] == "accuracy"
    assert 'learning_rate = "auto"' not in (folder / "recipe.toml").read_text(encoding="utf-8")


def test_it_learns_and_says_how_sure_it_is(run: tuple[Path, dict[str, Any]]) -> None:
    score = run[1]["scores"]["metrics"][0]
    assert score["value"] > 0.85 and score["low"] < score["value"] <= score["high"] and score["n"] == 60


def test_plain_transformers_in_a_fresh_process_gives_the_same_logits(run: tuple[Path, dict[str, Any]],
                                                                     tmp_path: Path) -> None:
    bundle = load(run[0])
    rows = examples(bundle)
    np.save(tmp_path / "ours.npy", bundle.outputs(rows))
    (tmp_path / "texts.json").write_text(json.dumps([e.inputs["text"] for e in rows]))
    code = f"""
import json, numpy as np, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder = {str(run[0] / "model")!r}
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
texts = json.load(open({str(tmp_path / "texts.json")!r}))
with torch.no_grad():
    theirs = model(**tokenizer(texts, return_tensors="pt", padding=True, truncation=True)).logits.numpy()
ours = np.load({str(tmp_path / "ours.npy")!r})
print(float(abs(theirs - ours).max()), model.config.id2label)
"""
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    difference, _, labels = got.stdout.partition(" ")
    assert float(difference) < 1e-5
    assert labels.strip() == "{0: 'neg', 1: 'pos'}"


def test_prediction_does_not_depend_on_batch_size_or_order(run: tuple[Path, dict[str, Any]]) -> None:
    bundle = load(run[0])
    rows = examples(bundle)
    want = bundle.outputs(rows)
    for tokens in (1, 50, 100_000):
        np.testing.assert_allclose(bundle.outputs(rows, batch_tokens=tokens), want, atol=2e-6)
    np.testing.assert_allclose(bundle.outputs(rows[::-1])[::-1], want, atol=2e-6)


def test_the_scores_are_those_of_the_model_that_ships(run: tuple[Path, dict[str, Any]], data: Path) -> None:
    rows = [json.loads(line) for line in (data / "test.jsonl").read_text().splitlines()]
    got = load(run[0]).predict([r["text"] for r in rows])
    accuracy = sum(g["label"] == r["label"] for g, r in zip(got, rows, strict=True)) / len(rows)
    assert accuracy == run[1]["scores"]["metrics"][0]["value"]


def test_a_damaged_model_is_noticed(run: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    import shutil

    from weitiao.core.errors import RunError

    copy = tmp_path / "model"
    shutil.copytree(run[0] / "model", copy)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with pytest.raises(RunError) as e:
        load(copy)
    assert e.value.code == "bundle.damaged"


def test_the_same_seed_gives_the_same_bytes(run: tuple[Path, dict[str, Any]], data: Path, tiny_folder: Path,
                                            tmp_path: Path) -> None:
    got = call("tune", str(data / "train.jsonl"), "--test", str(data / "test.jsonl"), "--quiet",
                                   "--model", str(tiny_folder), "--out", str(tmp_path / "r"), *SETTINGS)
    assert got.code == 0, got
    for name in ("model/model.safetensors", "tune/metrics.jsonl", "evaluate/predictions.parquet"):
        assert (tmp_path / "r" / name).read_bytes() == (run[0] / name).read_bytes(), name


def test_resuming_a_finished_run_changes_nothing(run: tuple[Path, dict[str, Any]]) -> None:
    before = {p: p.stat().st_mtime_ns for p in (run[0] / "tune").rglob("*") if p.is_file()}
    got = call("tune", "--resume", str(run[0]), "--json")
    assert got.code == 0, got
    assert {p: p.stat().st_mtime_ns for p in (run[0] / "tune").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("name", ["recipe.toml", "prepare/train.parquet"])
def test_a_changed_run_is_not_resumed(run: tuple[Path, dict[str, Any]], tmp_path: Path, name: str) -> None:
    import shutil

    copy = tmp_path / "r"
    shutil.copytree(run[0], copy)
    path = copy / name
    path.write_bytes(path.read_bytes().replace(b"seed = 1", b"seed = 2") if name == "recipe.toml" else b"x")
    got = call("tune", "--resume", str(copy), "--json")
    assert json.loads(got.stdout)["error"]["code"] == "run.changed"


def test_from_python(data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    result = weitiao.tune(data / "train.jsonl", test=data / "test.jsonl", model=str(tiny_folder), out=tmp_path / "r",
                          steps=4, learning_rate=1e-3)
    assert result.primary.name == "accuracy" and result.primary.n == 60 and result.verdict
    assert set(weitiao.load(result.folder).predict(["good food"])[0]) >= {"label", "probability"}
    # `weitiao.tune` stays the verb, whatever was imported before.
    assert callable(weitiao.tune)
