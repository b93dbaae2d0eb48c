"""Tagging through the real command, with a tiny local model: files in, a run that finds, explains and ships."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calling import weitiao as call

from weitiao import events, pipeline
from weitiao.bundle import load
from weitiao.core import files
from weitiao.example import Example
from weitiao.recipe import Recipe

PLACES = ["电影院", "北京", "坡上", "school", "new room"]
PEOPLE = ["李好", "happy love", "小票"]
SETTINGS = ("--set", "tune.epochs=15", "--set", "tune.learning_rate=0.01", "--set", "tune.head_learning_rate=0.01",
            "--set", "tune.precision=fp32", "--set", "evaluate.resamples=200")


def rows(n: int, seed: int) -> list[dict[str, Any]]:
    """Someone goes somewhere, in Chinese or English."""
    r = random.Random(seed)
    out = []
    for _ in range(n):
        who, where = r.choice(PEOPLE), r.choice(PLACES)
        start, middle, end = r.choice([("我看", "去", "了。"), ("the ", " at ", " !"), ("", "在", "吃")])
        text = start + who + middle + where + end
        at = len(start) + len(who) + len(middle)
        out.append({"text": text, "entities": [{"start": len(start), "end": len(start) + len(who), "label": "PER"},
                                               {"start": at, "end": at + len(where), "label": "LOC"}]})
    return out


def conll(values: list[dict[str, Any]]) -> str:
    """The same rows by words, BMES."""
    from weitiao.tasks._units import units

    out = []
    for row in values:
        lines = []
        for a, b in units(row["text"]):
            inside = [e for e in row["entities"] if e["start"] <= a and b <= e["end"]]
            tag = "O"
            if inside:
                e = inside[0]
                letter = "S" if (a, b) == (e["start"], e["end"]) else "B" if a == e["start"] else "E" if b == e["end"] else "M"
                tag = f"{letter}-{e['label']}"
            lines.append(f"{row['text'][a:b]}\t{tag}")
        out.append("\n".join(lines))
    return "\n\n".join(out) + "\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, n in (("train", 120), ("test", 40)):
        made = rows(n, n)
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(x) for x in made) + "\n")
        (folder / f"{name}.conll").write_text(conll(made), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "r"
    got = call("tune", str(data / "train.jsonl"), "--test", str(data / "test.jsonl"), "--model", str(tiny_folder), "--out",
               str(out), *SETTINGS)
    assert got.code == 0, got
    assert "task: tag" in got.stdout and "span F1" in got.stdout
    return out


def test_it_finds_and_compares(run: Path) -> None:
    scores = files.read_json(run / "evaluate" / "scores.json")
    first = scores["metrics"][0]
    assert first["name"] == "span_f1" and first["value"] > 0.9 and first["n"] == 40
    assert {b["name"] for b in scores["baselines"]} == {"dictionary", "context", "frozen_words"}
    assert {"f1[PER]", "precision[LOC]", "recall[PER]"} <= {m["name"] for m in scores["metrics"]}
    assert not (run / "evaluate" / "confusion.json").exists()


def test_a_file_of_words_and_tags_gives_the_same_rows(run: Path, data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    got = call("tune", str(data / "train.conll"), "--test", str(data / "test.conll"), "--model", str(tiny_folder), "--out",
               str(tmp_path / "r"), *SETTINGS, "--set", "tune.steps=2", "--set", "tune.epochs=auto")
    assert got.code == 0, got
    assert "the tags follow the scheme BMES" in got.stdout
    targets = [files.read_json(x / "prepare" / "report.json")["targets"] for x in (run, tmp_path / "r")]
    assert targets[0] == targets[1]


def test_mended_tags_and_entities_within_words_are_told(tiny_folder: Path, tmp_path: Path) -> None:
    made = [{"tokens": ["go", "to", "x"], "tags": ["O", "O", tag]} for tag in ["B-LOC"] * 9 + ["I-LOC"]]
    made.append({"tokens": list("看movie"), "tags": ["O", "B-LOC", "I-LOC", "O", "O", "O"]})
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(x) for x in made) + "\n")
    got = call("tune", str(tmp_path / "t.jsonl"), "--test", str(tmp_path / "t.jsonl"), "--model", str(tiny_folder), "--out",
               str(tmp_path / "r"), "--set", "tune.steps=1", "--set", "evaluate.baselines=[]")
    assert got.code == 0, got
    assert "the tags follow the scheme BIO" in got.stdout and "2 tags or spans break the rules" in got.stdout
    assert "1 training entities begin or end within a word" in got.stdout


def test_report_card_and_errors_can_be_read(run: Path, data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "Label by label" in html and "span F1" in html and "What is taken for what" not in html
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "something of 2 kinds stands" in card and "AutoModelForTokenClassification.from" in card
    assert "pipeline_tag: token-classification" in card
    # A model that has hardly learnt makes errors to look at.
    got = call("tune", str(data / "train.jsonl"), "--test", str(data / "test.jsonl"), "--model", str(tiny_folder), "--out",
               str(tmp_path / "r"), "--set", "tune.steps=2", "--set", "evaluate.baselines=[]", "--lang", "en")
    assert got.code == 0, got
    with (tmp_path / "r" / "evaluate" / "errors.csv").open(encoding="utf-8-sig", newline="") as f:
        errors = list(csv.DictReader(f))
    assert errors and float(errors[0]["correct"]) < 1
    assert errors[0]["target"].startswith("PER: ") and " | LOC: " in errors[0]["target"]
    assert errors[0]["target"].split(": ")[-1] in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_predictions_have_places_in_the_text_as_it_was_given(run: Path, tmp_path: Path) -> None:
    said = call("predict", str(run), "--text", "我看李好去北京了。")
    assert said.code == 0 and "PER 李好 [2:4]" in said.stdout and "LOC 北京 [5:7]" in said.stdout
    (tmp_path / "in.csv").write_text("id,text\n1,  我看 小票去电影院了。\n2,\n3,nothing\n", encoding="utf-8")
    for kind in ("csv", "jsonl", "parquet"):
        got = call("predict", str(run), str(tmp_path / "in.csv"), "-o", str(tmp_path / f"out.{kind}"))
        assert got.code == 0, got
    with (tmp_path / "out.csv").open(encoding="utf-8") as f:
        first, empty, _ = csv.DictReader(f)
    for found in json.loads(first["predicted_entities"]):
        assert first["text"][found["start"]:found["end"]] == found["text"] and 0 < found["probability"] <= 1
    assert [x["label"] for x in json.loads(first["predicted_entities"])] == ["PER", "LOC"]
    assert "empty" in empty["row_error"] and not empty["predicted_entities"]


def test_words_and_their_text_are_answered_alike(run: Path) -> None:
    bundle = load(run)
    text = "the happy love at new room!"
    as_words = bundle.predict([{"text": ["the", "happy", "love", "at", "new", "room", "!"]}])
    assert as_words == bundle.predict([text]) and len(as_words[0]["entities"]) == 2


def test_evaluating_another_file_gives_the_same_scores(run: Path, data: Path) -> None:
    got = call("evaluate", str(run), str(data / "test.jsonl"), "--json")
    assert got.code == 0, got
    want = files.read_json(run / "evaluate" / "scores.json")["metrics"][0]["value"]
    assert json.loads(got.stdout)["metrics"][0]["value"] == pytest.approx(want)


def test_plain_transformers_loads_the_folder_and_gives_the_same_logits(run: Path, tmp_path: Path) -> None:
    bundle = load(run)
    examples = [Example(str(i), {"text": x["text"]}, None, f"x:{i}") for i, x in enumerate(rows(20, 7))]
    encoded = bundle.task.encode(examples, bundle.tokenizer, 64)
    import torch

    with torch.no_grad():
        ours = [bundle.model(input_ids=torch.tensor(r.windows), attention_mask=torch.ones(1, r.length, dtype=torch.int64))
                for r in encoded]
    np.savez(tmp_path / "ours.npz", *[x.numpy() for x in ours])
    (tmp_path / "ids.json").write_text(json.dumps([r.windows for r in encoded]))
    code = f"""
import json, numpy as np, torch
from transformers import AutoModelForTokenClassification
model = AutoModelForTokenClassification.from_pretrained({str(run / "model")!r}).eval()
ours = np.load({str(tmp_path / "ours.npz")!r})
with torch.no_grad():
    gaps = [abs(model(input_ids=torch.tensor(w)).logits.numpy() - ours[f"arr_{{i}}"]).max()
            for i, w in enumerate(json.load(open({str(tmp_path / "ids.json")!r})))]
print(float(max(gaps)), model.config.id2label)
"""
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    gap, _, labels = got.stdout.partition(" ")
    assert float(gap) < 1e-5
    assert labels.strip() == "{0: 'O', 1: 'B-LOC', 2: 'I-LOC', 3: 'B-PER', 4: 'I-PER'}"


def test_answers_do_not_depend_on_batches(run: Path) -> None:
    bundle = load(run)
    examples = [Example(str(i), {"text": x["text"]}, None, f"x:{i}") for i, x in enumerate(rows(30, 8))]
    want = bundle.outputs(examples)
    for tokens in (1, 60):
        got = bundle.outputs(examples[::-1], batch_tokens=tokens)[::-1]
        assert [[e[:3] for e in x.entities] for x in got] == [[e[:3] for e in x.entities] for x in want]


@pytest.mark.parametrize("method", ["lora", "freeze", "head"])
def test_every_method_tunes(method: str, data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    if method == "lora":
        pytest.importorskip("peft")
    got = call("tune", str(data / "train.jsonl"), "--test", str(data / "test.jsonl"), "--model", str(tiny_folder),
               "--method", method, "--out", str(tmp_path / "r"), "--set", "tune.steps=4",
               "--set", "evaluate.baselines=['dictionary']", "--json")
    assert got.code == 0, got
    assert json.loads(got.stdout)["scores"]["baselines"][0]["name"] == "dictionary"


def test_long_texts_are_read_whole_with_windows_or_counted(data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    long = [{"text": "好 " * 40 + x["text"], "entities": [
        {**e, "start": e["start"] + 80, "end": e["end"] + 80} for e in x["entities"]]} for x in rows(60, 5)]
    (tmp_path / "long.jsonl").write_text("\n".join(json.dumps(x) for x in long) + "\n")
    found = {}
    for how in ("windows", "truncate"):
        got = call("tune", str(tmp_path / "long.jsonl"), "--test", str(tmp_path / "long.jsonl"), "--model", str(tiny_folder),
                   "--out", str(tmp_path / how), "--set", f"model.long_texts={how}", "--set", "model.max_length=32",
                   *SETTINGS, "--set", "evaluate.baselines=[]")
        assert got.code == 0, got
        assert ("tokens cut off" in got.stdout) == (how == "truncate")
        found[how] = files.read_json(tmp_path / how / "evaluate" / "scores.json")["metrics"][0]["value"]
    assert found["truncate"] == 0 and found["windows"] > 0.5


class Stopped(Exception):
    pass


def test_a_stopped_run_goes_on_to_the_same_bytes(data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    recipe = Recipe.build({"model": {"name": str(tiny_folder)}, "evaluate": {"baselines": []}, "tune": {
        "steps": 8, "save_every": 2, "precision": "fp32", "learning_rate": 0.01}, "data": {
            "train": [str(data / "train.jsonl")], "test": [str(data / "test.jsonl")]}})

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.step == 5:
            raise Stopped

    pipeline.start(recipe, tmp_path / "whole")
    with pytest.raises(Stopped):
        pipeline.start(recipe, tmp_path / "stopped", stop)
    pipeline.resume(tmp_path / "stopped")
    for name in ("model/model.safetensors", "evaluate/scores.json"):
        assert files.sha256(tmp_path / "whole" / name) == files.sha256(tmp_path / "stopped" / name)


@pytest.mark.parametrize(("lines", "says"), [
    (['{"tokens": ["a", "b"], "tags": ["O"]}'] * 9 + ['{"tokens": ["a"], "tags": ["B-x"]}'], "2 words and 1 tags"),
    (['{"text": "ab", "entities": [[0, 9, "x"]]}'] * 9, "the text has 2 characters"),
    (['{"text": "abc", "entities": [[0, 2, "x"], [1, 3, "y"]]}'] * 9, "overlap"),
    (['{"tokens": ["a", "b"], "ner_tags": [0, 3]}'] * 9, "task.tag_names"),
    (['{"tokens": ["a", "b"], "tags": ["O", "O"]}'] * 9, "no row has an entity"),
])
def test_bad_files_are_refused_with_their_place(lines: list[str], says: str, tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("\n".join(lines) + "\n")
    got = call("tune", str(tmp_path / "bad.jsonl"), "--model", str(tiny_folder), "--out", str(tmp_path / "r"))
    assert got.code == 3 and says in got.stderr, got
    assert "bad.jsonl:1:" in got.stderr or "no row" in says


def test_cleaning_is_refused(data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    got = call("tune", str(data / "train.jsonl"), "--model", str(tiny_folder), "--out", str(tmp_path / "r"), "--set",
               "clean.width=true")
    assert got.code == 2 and "move the places" in got.stderr
