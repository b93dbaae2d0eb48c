"""Texts written by a tuned model, through the real command with a tiny local decoder: from the file to the report."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from calling import weitiao as call

WORDS = ["the", "a", "food", "movie", "music", "travel", "service", "room", "price", "good", "bad", "great", "happy", "sad", "one", "two", "three"]


def rows(n: int, seed: int) -> list[dict[str, Any]]:
    r = random.Random(seed)
    out = []
    for _ in range(n):
        words = r.choices(WORDS, k=4)
        out.append({"source": " ".join(words), "target": " ".join(words[:2])})
    return out


def write(path: Path, values: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values), encoding="utf-8")
    return str(path)


FAST = ("--set", "tune.steps=6", "--set", "tune.precision=fp32", "--set", "tune.learning_rate=0.01")


@pytest.fixture(scope="module")
def run(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("written")
    test = [{**v, "references": [v["target"], "a good one"]} for v in rows(20, 2)]
    got = call("tune", write(home / "train.jsonl", rows(60, 1)), "--test", write(home / "test.jsonl", test), "--model",
               str(tiny_folders["decoder"]), "--method", "lora", "--out", str(home / "r"), "--json", *FAST,
               "--set", "evaluate.rows=12", "--set", "task.packing=true")
    assert got.code == 0, got
    return home, json.loads(got.stdout)


def test_scores_are_those_of_written_answers(run: tuple[Path, dict[str, Any]]) -> None:
    scores = run[1]["scores"]
    names = [m["name"] for m in scores["metrics"]]
    assert names[0] == "rougeL" and {"bleu", "chrf", "exact_match", "length_ratio", "stopped", "perplexity",
                                     "bits_per_byte"} <= set(names)
    assert scores["n"] == 12 and scores["not_drawn"] == 8
    assert [b["name"] for b in scores["baselines"]] == ["copy", "nearest", "zero_shot", "few_shot"]
    assert all(p["n"] == 12 and p["metric"] == "rougeL" for p in scores["paired"])


def test_the_report_shows_the_worst_answers(run: tuple[Path, dict[str, Any]]) -> None:
    home = run[0] / "r"
    with (home / "evaluate" / "errors.csv").open(encoding="utf-8-sig", newline="") as f:
        worst = next(csv.DictReader(f))
    assert {"source", "prompt", "target", "prediction", "correct"} <= set(worst)
    page = (home / "report.html").read_text(encoding="utf-8")
    assert worst["prompt"] in page and "ROUGE-L" in page and "few" not in page.split("</style>")[0]
    card = (home / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: text-generation" in card and "AutoModelForCausalLM" in card and "Answers: a text" in card
    assert json.loads((home / "tune" / "encoding.json").read_text(encoding="utf-8"))["train"]["rows_left_out"] == 0


def test_predicting_a_text_and_a_file(run: tuple[Path, dict[str, Any]]) -> None:
    home = run[0]
    one = json.loads(call("predict", str(home / "r"), "--text", "good food", "--json").stdout)["predictions"][0]
    assert set(one) == {"text", "stopped"}
    out = home / "p.csv"
    assert call("predict", str(home / "r"), str(home / "test.jsonl"), "-o", str(out)).code == 0
    with out.open(encoding="utf-8", newline="") as f:
        found = list(csv.DictReader(f))
    assert len(found) == 20 and {"predicted_text", "predicted_stopped"} <= set(found[0])
    scored = json.loads(call("evaluate", str(home / "r"), str(home / "test.jsonl"), "--json").stdout)
    assert scored["metrics"][0]["n"] == 20 and scored["not_drawn"] == 0


def test_what_is_learnt_is_shown(run: tuple[Path, dict[str, Any]], tiny_folders: dict[str, Path]) -> None:
    home = run[0]
    shown = json.loads(call("show", "data", str(home / "r"), "--mask", "-n", "2", "--json").stdout)["rows"]
    assert len(shown) == 2 and [p["learnt"] for p in shown[0]["parts"]] == [False, True]
    assert shown[0]["parts"][1]["text"].endswith("[SEP]")
    plain = call("show", "data", str(home / "train.jsonl"), "--mask", "-n", "1", "--model", str(tiny_folders["decoder"]))
    assert plain.code == 0 and "⟦" in plain.stdout and "[SEP]⟧" in plain.stdout
    assert "target:" in call("show", "data", str(home / "train.jsonl"), "-n", "1").stdout


def test_labels_have_no_mask(tmp_path: Path) -> None:
    path = write(tmp_path / "l.jsonl", [{"text": f"good {i}", "label": "ab"[i % 2]} for i in range(20)])
    assert "cli.no_mask" in call("show", "data", path, "--mask").stderr


@pytest.mark.parametrize(("values", "options", "code"), [
    (rows(30, 1), ["--model", "ENCODER"], "model.says_nothing"),
    ([{"prompt": f"问题{i}", "completion": f"回答{i}"} for i in range(30)], [], "model.must_be_named"),
    (rows(30, 1), ["--model", "DECODER", "--set", "model.max_length=16", "--set", "task.too_long=stop"], "data.too_long"),
    ([{"source": f"good {i}", "target": "yes"} for i in range(30)], ["--task", "generate"], "data.one_class"),
    ([{"prompt": f"good {i}", "completion": f"{'great ' * 12}{i}"} for i in range(30)],
     ["--model", "DECODER", "--set", "model.max_length=9"], "data.all_left_out"),
])
def test_what_cannot_be_tuned_is_refused(values: list[dict[str, Any]], options: list[str], code: str,
                                         tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    names = {"ENCODER": str(tiny_folders["encoder"]), "DECODER": str(tiny_folders["decoder"])}
    got = call("tune", write(tmp_path / "x.jsonl", values), *(names.get(o, o) for o in options), "--out",
               str(tmp_path / "r"), *FAST)
    assert got.code and f"[{code}]" in got.stderr, got


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_summaries_of_a_csv_file(kind: str, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    lines = ["article,summary", *(f"\"{v['source']} . {v['source']} .\",{v['target']}" for v in rows(40, 3))]
    (tmp_path / "s.csv").write_text("\n".join(lines), encoding="utf-8")
    got = call("tune", str(tmp_path / "s.csv"), "--model", str(tiny_folders[kind]), "--out", str(tmp_path / "r"), "--json",
               *FAST)
    assert got.code == 0, got
    scores = json.loads(got.stdout)["scores"]
    assert scores["task"] == "summarise" and scores["baselines"][0]["name"] == "lead"
