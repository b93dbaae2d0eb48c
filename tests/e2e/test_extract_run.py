"""Answers in passages through the real command, with a tiny local model: files in, run, folder, predictions."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from calling import weitiao as call

from weitiao.bundle import load
from weitiao.core import files

FILLER = ["the", "movie", "film", "music", "travel", "service", "room", "price", "it", "was", "really", "very"]
KINDS = ["good", "bad", "great", "awful", "slow", "fast", "clean", "dirty", "happy", "sad"]
NUMBERS = ["one", "two", "three"]


def articles(n: int, seed: int) -> dict[str, Any]:
    """Passages that hold how something was, and half of them also how many there were: a question about each."""
    r = random.Random(seed)
    paragraphs = []
    for i in range(n):
        words = [r.choice(FILLER) for _ in range(r.randint(5, 20))]
        asked = [("how was it ?", r.choice(KINDS)), ("no ?", r.choice(NUMBERS) if i % 2 else "")]
        for _, answer in asked:
            words.insert(r.randint(0, len(words)), answer) if answer else None
        context = " ".join(words)
        qas = [{"id": f"{seed}-{i}-{q[:2]}", "question": q, "is_impossible": not answer,
                "answers": [{"text": answer, "answer_start": f" {context} ".find(f" {answer} ")}] if answer else []}
               for q, answer in asked]
        paragraphs.append({"context": context, "qas": qas})
    return {"version": "v2.0", "data": [{"title": "made", "paragraphs": paragraphs}]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    for name, n in (("train", 160), ("validation", 20), ("test", 30)):
        made = articles(n, len(name))
        if name == "train":
            first, second = made["data"][0]["paragraphs"][:2]
            first["qas"][0]["answers"][0]["answer_start"] += 1  # beside its place
            second["qas"][1]["answers"][0]["text"] = "two films"  # nowhere
        (folder / f"{name}.json").write_text(json.dumps(made), encoding="utf-8")
    return folder


SETTINGS = ("--set", "tune.learning_rate=0.01", "--set", "tune.head_learning_rate=0.01", "--set", "tune.precision=fp32")


@pytest.fixture(scope="module")
def run(data: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("runs") / "answers"
    got = call("tune", str(data / "train.json"), "--validation", str(data / "validation.json"), "--test",
               str(data / "test.json"), "--model", str(tiny_folder), "--out", str(out), "--json", "--set",
               "tune.epochs=12", *SETTINGS)
    assert got.code == 0, got
    return out, json.loads(got.stdout)


def test_it_learns_and_chooses_a_threshold(run: tuple[Path, dict[str, Any]]) -> None:
    names = {m["name"]: m for m in run[1]["scores"]["metrics"]}
    assert list(names)[:2] == ["f1", "exact_match"] and "accuracy_unanswerable" in names
    assert names["f1"]["n"] == 60 and names["f1"]["low"] < names["f1"]["value"] <= names["f1"]["high"]
    assert names["exact_match_answerable"]["value"] > 0.5, names
    baselines = {b["name"]: b["metrics"][0]["value"] for b in run[1]["scores"]["baselines"]}
    assert set(baselines) == {"blind", "sentence", "typed"}
    assert names["f1"]["value"] > max(baselines.values()) and run[1]["scores"]["verdict"]["outcome"] == "better"
    assert files.read_json(run[0] / "model" / "weitiao.json")["task"]["state"]["threshold"] != 0.0


def test_what_was_repaired_and_rejected_is_told(run: tuple[Path, dict[str, Any]], data: Path) -> None:
    from weitiao import prepare

    report = files.read_json(run[0] / "prepare" / "report.json")
    assert report["targets"]["train"] == {"questions with an answer": 239, "without one": 80,
                                          "answers moved to where they stand": 1}
    (bad,) = [json.loads(x) for x in (run[0] / "prepare" / "rejected.jsonl").read_text().splitlines()]
    assert (bad["line"], bad["field"], bad["code"]) == (4, "answers", "row.answer_not_in_passage")
    assert bad["file"].endswith("train.json") and '"id": "5-1-' in bad["raw"]
    lines = "\n".join(line for part in prepare.summary(report) for line in part)
    assert "in all parts: questions with an answer 314" in lines and "answers moved to where they stand 1" in lines and "places count its questions" in lines


def test_plain_transformers_gives_the_same_logits(run: tuple[Path, dict[str, Any]]) -> None:
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    plain = AutoModelForQuestionAnswering.from_pretrained(run[0] / "model").eval()
    tokens = AutoTokenizer.from_pretrained(run[0] / "model")(
        ["is the food good ?"], ["the food was really bad ."], return_tensors="pt")
    with torch.no_grad():
        theirs, ours = plain(**tokens), load(run[0]).model(**tokens)
    np.testing.assert_allclose(torch.stack([theirs.start_logits, theirs.end_logits], -1), ours, atol=1e-6)


def test_predictions_stand_where_they_say(run: tuple[Path, dict[str, Any]]) -> None:
    bundle = load(run[0])
    asked = [("is the food good ?", "  the movie was really bad .   the food was really clean . " * 6), ("is it ?", "yes")]
    for (_, context), got in zip(asked, bundle.predict(asked), strict=True):
        for one in got["n_best"]:
            assert context[one["start"] : one["end"]] == one["answer"] == one["answer"].strip() != ""
        assert got["answer"] in ("", got["n_best"][0]["answer"])
    assert bundle.predict([{"question": asked[0][0], "context": asked[0][1]}])[0]["n_best"] == bundle.predict(asked)[0]["n_best"]


def test_neither_batch_size_nor_order_matters(run: tuple[Path, dict[str, Any]], data: Path) -> None:
    from weitiao.example import Row
    from weitiao.formats import read_rows

    bundle = load(run[0])
    rows = [bundle.read(r) for r in read_rows([data / "test.json"]) if isinstance(r, Row)]
    want = bundle.outputs(rows)
    for got in (bundle.outputs(rows, batch_tokens=1), bundle.outputs(rows[::-1])[::-1]):
        for a, b in zip(want, got, strict=True):
            assert [s.text for s in a][:1] == [s.text for s in b][:1]
            assert [s.score for s in a] == pytest.approx([s.score for s in b], abs=1e-4)


def test_prediction_by_the_command(run: tuple[Path, dict[str, Any]], data: Path, tmp_path: Path) -> None:
    one = call("predict", str(run[0]), "--text", "is the food good ?", "--text", "the food was really bad .", "--json")
    assert one.code == 0 and set(json.loads(one.stdout)["predictions"][0]) == {
        "answer", "probability", "start", "end", "score", "no_answer_probability", "n_best"}
    assert call("predict", str(run[0]), "--text", "q ?", "--text", "the food was bad .").code == 0
    for kind in ("csv", "jsonl", "parquet"):
        assert call("predict", str(run[0]), str(data / "test.json"), "-o", str(tmp_path / f"p.{kind}")).code == 0
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 60 and rows[59]["row_source"].endswith("test.json:60") and not any(r["row_error"] for r in rows)
    for row in rows:
        if row["predicted_answer"]:
            assert row["context"][int(row["predicted_start"]) : int(row["predicted_end"])] == row["predicted_answer"]
    assert json.loads(rows[0]["predicted_n_best"])[0]["answer"]


def test_evaluating_another_file(run: tuple[Path, dict[str, Any]], data: Path) -> None:
    got = call("evaluate", str(run[0]), str(data / "test.json"), "--json")
    scores = json.loads(got.stdout)
    assert got.code == 0 and scores["metrics"][0]["value"] == run[1]["scores"]["metrics"][0]["value"]
    again = call("evaluate", str(run[0]), str(data / "train.json"), "--json")
    assert json.loads(again.stdout)["bad_rows"] == 1
    counted = json.loads(again.stdout)["counted"]
    assert counted["answers moved to where they stand"] == 1 and counted["questions with an answer"] == 239
    assert "answers moved to where they stand 1" in call("evaluate", str(run[0]), str(data / "train.json")).stdout


def test_the_page_and_the_card_speak_of_answers(run: tuple[Path, dict[str, Any]]) -> None:
    page = (run[0] / "report.html").read_text(encoding="utf-8")
    assert "exact match" in page and "questions with an answer 314" in page and "labels in the training rows" not in page
    card = (run[0] / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: question-answering" in card and "a question and a passage" in card and "a number" not in card
    with (run[0] / "evaluate" / "errors.csv").open(encoding="utf-8-sig", newline="") as f:
        rows = list(csv.DictReader(f))
    assert rows and {"source", "question", "context", "target", "prediction", "probability"} <= set(rows[0])
    assert all("{" not in r["target"] for r in rows)


@pytest.mark.parametrize("method", ["lora", "freeze"])
def test_other_methods(data: Path, tiny_folder: Path, tmp_path: Path, method: str) -> None:
    got = call("tune", str(data / "train.json"), "--test", str(data / "test.json"), "--model", str(tiny_folder),
               "--method", method, "--out", str(tmp_path / "r"), "--json", "--set", "tune.steps=4", *SETTINGS)
    assert got.code == 0, got
    assert load(tmp_path / "r").predict([("is the food good ?", "the food was bad .")])[0]["n_best"]


def test_a_stopped_run_goes_on_to_the_same_bytes(run: tuple[Path, dict[str, Any]], data: Path, tiny_folder: Path,
                                                 tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from weitiao.tasks.extract import Task

    calibrate = Task.calibrate
    monkeypatch.setattr(Task, "calibrate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    stopped = call("tune", str(data / "train.json"), "--validation", str(data / "validation.json"), "--test",
                   str(data / "test.json"), "--model", str(tiny_folder), "--out", str(tmp_path / "r"), "--json", "--set",
                   "tune.epochs=12", *SETTINGS)
    assert stopped.code != 0 and not (tmp_path / "r" / "model").exists()
    monkeypatch.setattr(Task, "calibrate", calibrate)
    assert call("tune", "--resume", str(tmp_path / "r"), "--json").code == 0
    for name in ("model/model.safetensors", "evaluate/predictions.parquet"):
        assert (tmp_path / "r" / name).read_bytes() == (run[0] / name).read_bytes(), name


BAD: list[Any] = [
    ({"question": "q ?", "context": "", "answers": ["x"]}, "data.too_many_bad_rows", "the text is empty"),
    ({"question": "q ?", "context": "the food", "answers": ["film"]}, "data.too_many_bad_rows", "does not stand in the passage"),
    ({"question": "q ?", "context": "the food", "answers": {"text": ["food"], "answer_start": ["x"]}}, "data.too_many_bad_rows", "whole number"),
    ({"question": "q ?", "context": "the food", "answers": []}, "data.no_answers", "no row has an answer"),
]


@pytest.mark.parametrize(("row", "code", "said"), BAD)
def test_files_that_cannot_be_used(row: dict[str, Any], code: str, said: str, tmp_path: Path, tiny_folder: Path) -> None:
    good = {"question": "q ?", "context": "the food", "answers": ["food"]}
    rows = [row] * 30 + [good] * (not row["context"])  # a column without any text is no passage
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    got = call("tune", str(tmp_path / "bad.jsonl"), "--task", "extract", "--model", str(tiny_folder), "--out",
               str(tmp_path / "r"), "--json")
    error = json.loads(got.stdout)["error"]
    assert got.code == 3 and error["code"] == code and error["fix"]
    assert said in error["what"]
    if code == "data.too_many_bad_rows":
        assert f"{tmp_path / 'bad.jsonl'}:1:" in error["what"]


def test_columns_that_are_missing_are_named(tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "bad.csv").write_text("question,answer\nwho ?,me\nwhy ?,so\n", encoding="utf-8")
    got = call("tune", str(tmp_path / "bad.csv"), "--task", "extract", "--model", str(tiny_folder), "--json")
    error = json.loads(got.stdout)["error"]
    assert error["code"] == "data.no_task" and "question=" in error["fix"]


def test_cleaning_is_refused(data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    got = call("tune", str(data / "train.json"), "--model", str(tiny_folder), "--out", str(tmp_path / "r"), "--json",
               "--set", "clean.width=true")
    error = json.loads(got.stdout)["error"]
    assert got.code == 2 and error["code"] == "recipe.bad_value" and error["where"] == "clean.width"
