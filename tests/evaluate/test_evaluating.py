"""The stage evaluate on a run made by hand: what it writes, what it says, what it refuses."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weitiao import bundle, evaluate, models, splits, tasks
from weitiao.core import files, i18n
from weitiao.core.errors import DataError
from weitiao.example import Example
from weitiao.metrics import Score
from weitiao.metrics.paired import Paired
from weitiao.models.build import build
from weitiao.recipe import Recipe
from weitiao.run import Run

WORDS = {"pos": "good great love happy", "neg": "bad awful hate sad"}


def examples(n: int, seed: int) -> list[Example]:
    r = random.Random(seed)
    out = []
    for i in range(n):
        name = ("neg", "pos")[i % 2]
        words = [r.choice(["the", "food", "movie", "was", "it", "very"]) for _ in range(4)] + [r.choice(WORDS[name].split())]
        out.append(Example(f"{seed}-{i}", {"text": " ".join(words)}, name, f"data{seed}.csv:{i + 2}"))
    return out


def make_run(folder: Path, model: Path, train: list[Example], test: list[Example], name: str = "classify",
             leaked: tuple[str, ...] = (), **options: Any) -> tuple[Recipe, Run]:
    """A run up to and with an untuned bundle."""
    recipe = Recipe.build({"model": {"name": str(model), "max_length": 32}, "evaluate": {"resamples": 200}})
    run = Run.create(folder, recipe.to_toml(), recipe.hash, {})
    roles = {r: r for r in train[0].inputs}
    task = tasks.make(name, options, {**roles, "label": "label"})
    task.fit(train)
    (folder / "prepare").mkdir()
    splits.write(folder / "prepare" / "train.parquet", train)
    splits.write(folder / "prepare" / "test.parquet", test)
    splits.write_task(folder / "prepare" / "task.json", name, task)
    files.write_json(folder / "prepare" / "report.json", {"leaked_test_ids": list(leaked)})
    base = models.find(str(model))
    made = build(base, task.head(), pooling="auto", dropout=None, seed=1)
    bundle.save(folder / "model", made, models.tokenizer(base.folder), name, task, bundle.Settings(32, False, {}),
                {"run": {"precision": "fp32"}})
    return recipe, run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    i18n.use("en")
    folder = tmp_path_factory.mktemp("runs") / "r"
    test = [*examples(60, 2), replace(examples(1, 3)[0], target="unheard of")]
    evaluate.evaluate(*make_run(folder, tiny_folder, examples(120, 1), test, leaked=("2-0", "2-1", "2-2")))
    return folder / "evaluate"


@pytest.fixture(scope="module")
def scores(done: Path) -> dict[str, Any]:
    value: dict[str, Any] = files.read_json(done / "scores.json")
    return value


def test_scores_hold_what_they_promise(scores: dict[str, Any]) -> None:
    assert scores["task"] == "classify" and scores["metric"] == "accuracy" and scores["n"] == 60
    assert scores["unknown_labels"] == 1
    first = Score(**scores["metrics"][0])
    assert first.name == "accuracy" and first.n == 60 and first.low is not None and first.signature == "wilson95"
    assert {"f1[pos]", "mcc", "roc_auc", "log_loss"} <= {m["name"] for m in scores["metrics"]}


def test_baselines_stand_on_the_same_rows(scores: dict[str, Any]) -> None:
    assert [b["name"] for b in scores["baselines"]] == ["majority", "tfidf", "frozen"]
    for b in scores["baselines"]:
        assert b["metrics"][0]["name"] == "accuracy" and b["metrics"][0]["n"] == 60 and b["train_rows"] == 120
    tfidf = scores["baselines"][1]
    assert tfidf["metrics"][0]["value"] > 0.9 and tfidf["title"] == {"en": "TF-IDF", "zh": "TF-IDF"}
    assert [p["baseline"] for p in scores["paired"]] == ["majority", "tfidf", "frozen"]
    assert scores["paired"][1]["difference"] == pytest.approx(
        scores["metrics"][0]["value"] - tfidf["metrics"][0]["value"])


def test_an_untuned_model_is_not_called_better(scores: dict[str, Any]) -> None:
    assert scores["best_baseline"] in ("tfidf", "frozen") and scores["verdict"]["outcome"] == "worse"
    assert "better than fine-tuning by" in evaluate.verdict(scores) and "n=60" in evaluate.verdict(scores)
    assert "个百分点" in scores["verdict"]["zh"]


def test_the_screen_names_scores_baselines_leaks_and_left_out_rows(scores: dict[str, Any]) -> None:
    lines = evaluate.summary(scores)
    assert lines[0].startswith("accuracy ") and "on 60 rows" in lines[0] and " %]" in lines[0]
    assert any("TF-IDF: accuracy" in x for x in lines)
    assert any(x.startswith("3 test rows also stand in train; without them: accuracy") for x in lines)
    assert any(x.startswith("1 rows were left out") for x in lines) and lines[-1] == scores["verdict"]["en"]
    i18n.use("zh")
    assert evaluate.summary(scores)[-1] == scores["verdict"]["zh"]
    assert scores["without_leaks"]["n"] == 57 and scores["without_leaks"]["metrics"][0]["n"] == 57


def test_predictions_and_errors_agree(done: Path, scores: dict[str, Any]) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(done / "predictions.parquet").to_pylist()
    assert len(rows) == 60 and set(rows[0]) == {"id", "source", "inputs", "target", "prediction", "probability", "correct"}
    right = [r for r in rows if json.loads(r["target"]) == json.loads(r["prediction"])]
    assert len(right) / 60 == pytest.approx(scores["metrics"][0]["value"]) and sum(r["correct"] for r in rows) == len(right)
    raw = (done / "errors.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    head, *wrong = csv.reader(raw.decode("utf-8-sig").splitlines())
    assert head == ["source", "id", "text", "target", "prediction", "probability"] and len(wrong) == 60 - len(right)
    sure = [float(w[-1]) for w in wrong]
    assert sure == sorted(sure, reverse=True)


def test_the_confusion_matrix_counts_every_row(done: Path) -> None:
    got = files.read_json(done / "confusion.json")
    assert got["labels"] == ["neg", "pos"] and [sum(r) for r in got["counts"]] == [30, 30]


def test_numbers_of_pairs(tmp_path: Path, tiny_folder: Path) -> None:
    r = random.Random(0)
    rows = [Example(str(i), {"text_a": "good food", "text_b": "bad " * r.randint(1, 9)}, r.random(), f"f:{i}")
            for i in range(60)]
    recipe, run = make_run(tmp_path / "r", tiny_folder, rows[:40], rows[40:], "regress")
    evaluate.evaluate(recipe, run)
    got = files.read_json(tmp_path / "r" / "evaluate" / "scores.json")
    assert got["metric"] == "spearman" and "Spearman" in evaluate.summary(got)[0]
    assert not (tmp_path / "r" / "evaluate" / "confusion.json").exists() and got["without_leaks"] is None
    head, *errors = csv.reader((tmp_path / "r" / "evaluate" / "errors.csv").read_text("utf-8-sig").splitlines())
    assert head[-1] == "error" and [float(e[-1]) for e in errors] == sorted((float(e[-1]) for e in errors), reverse=True)


def test_several_labels(tmp_path: Path, tiny_folder: Path) -> None:
    r = random.Random(0)
    rows = []
    for i in range(80):
        names = [w for w in ("fast", "clean") if r.random() < 0.4]
        rows.append(Example(str(i), {"text": " ".join(["the room", *names])}, names, f"f:{i}"))
    recipe, run = make_run(tmp_path / "r", tiny_folder, rows[:50], rows[50:], multi_label=True)
    evaluate.evaluate(recipe, run)
    got = files.read_json(tmp_path / "r" / "evaluate" / "scores.json")
    assert got["metric"] == "f1_micro" and got["baselines"][1]["metrics"][0]["value"] > 0.9
    matrix = files.read_json(tmp_path / "r" / "evaluate" / "confusion.json")
    assert matrix["labels"] == ["clean", "fast"] and matrix["true"] == [sum(n in e.target for e in rows[50:])
                                                                        for n in ("clean", "fast")]


def test_another_file_is_scored_without_baselines(done: Path) -> None:
    got = evaluate.evaluate_file(bundle.load(done.parent), examples(30, 9), resamples=100)
    assert got["n"] == 30 and got["baselines"] == [] and got["verdict"]["outcome"] == "alone"
    assert len(evaluate.summary(got)) == 1 and "no baseline" in evaluate.verdict(got)


def test_the_runs_baselines_can_answer_another_file(done: Path) -> None:
    rows, tuned = examples(30, 9), bundle.load(done.parent)
    got = evaluate.evaluate_file(tuned, rows, run=Run.open(done.parent), resamples=100)
    assert [b["name"] for b in got["baselines"]] == ["majority", "tfidf", "frozen"]
    assert got["best_baseline"] and got["paired"][0]["n"] == 30 and got["verdict"]["outcome"] != "alone"
    most = Counter(e.target for e in splits.load(Run.open(done.parent), "train")).most_common(1)[0][0]
    assert got["baselines"][0]["metrics"][0]["value"] == sum(e.target == most for e in rows) / 30


@pytest.mark.parametrize("rows", [[], [Example("0", {"text": "x"}, None, "")], [Example("0", {"text": "x"}, "new", "")]])
def test_rows_without_a_known_label_cannot_be_scored(done: Path, rows: list[Example]) -> None:
    with pytest.raises(DataError) as e:
        evaluate.evaluate_file(bundle.load(done.parent), rows)
    assert e.value.code == "data.no_test_rows" and e.value.fix


def paired(difference: float, low: float | None, high: float | None, p: float, metric: str = "accuracy") -> Paired:
    return Paired(metric, difference, low, high, p, 1200, "")


@pytest.mark.parametrize(("got", "en", "zh"), [
    (paired(0.041, 0.035, 0.047, 0.001), "fine-tuning beats TF-IDF by 4.1 ± 0.6 points (n=1,200, p=0.001)",
     "微调比 TF-IDF 高 4.1 ± 0.6 个百分点（n=1,200，p=0.001）"),
    (paired(-0.02, -0.03, -0.01, 1e-9), "TF-IDF is better than fine-tuning by 2.0 ± 1.0 points (n=1,200, p<0.001): use it, or "
     "tune on more rows", "TF-IDF 比微调高 2.0 ± 1.0 个百分点（n=1,200，p<0.001）：建议直接用它，或增加训练数据"),
    (paired(0.01, -0.01, 0.03, 0.3), "not established: fine-tuning and TF-IDF differ by +1.0 [-1.0, 3.0] points (n=1,200, p=0.300)",
     "尚不能断定：微调与 TF-IDF 相差 +1.0 [-1.0, 3.0] 个百分点（n=1,200，p=0.300）"),
    (paired(0.01, None, None, 0.01), "not established: fine-tuning and TF-IDF differ by +1.0 points (n=1,200, p=0.010)",
     "尚不能断定：微调与 TF-IDF 相差 +1.0 个百分点（n=1,200，p=0.010）"),
    (paired(0.07, 0.05, 0.09, 0.001, "spearman"), "fine-tuning beats TF-IDF by 0.070 ± 0.020 in Spearman correlation "
     "(n=1,200, p=0.001)", "微调比 TF-IDF 高 0.070 ± 0.020（Spearman 相关）（n=1,200，p=0.001）"),
    (paired(0.203, 0.191, 0.215, 0.001, "bleu"), "fine-tuning beats TF-IDF by 20.3 ± 1.2 BLEU (n=1,200, p=0.001)",
     "微调比 TF-IDF 高 20.3 ± 1.2 BLEU（n=1,200，p=0.001）")])
def test_the_sentence(got: Paired, en: str, zh: str) -> None:
    from weitiao.evaluate._sentences import sentence

    said = sentence(Score(got.metric, 0.9, 0.89, 0.91, 1200, ""), got, "tfidf")
    assert (said["en"], said["zh"]) == (en, zh)


def test_predictions_do_not_depend_on_targets(done: Path) -> None:
    tuned = bundle.load(done.parent)
    rows = examples(20, 5)
    swapped = [replace(e, target="pos" if e.target == "neg" else "neg") for e in rows]
    a, b = evaluate.evaluate_file(tuned, rows, resamples=100), evaluate.evaluate_file(tuned, swapped, resamples=100)
    assert a["metrics"][0]["value"] == pytest.approx(1 - b["metrics"][0]["value"])
    assert np.isclose(a["metrics"][0]["value"] * 20 % 1, 0)


def test_fewer_test_rows_are_drawn_by_the_seed_and_keep_their_order() -> None:
    from weitiao.evaluate import _drawn

    rows = examples(50, 7)
    some = _drawn(rows, 20, 1)
    assert len(some) == 20 and some == _drawn(rows, 20, 1) != _drawn(rows, 20, 2)
    assert [rows.index(e) for e in some] == sorted(rows.index(e) for e in some)
    assert _drawn(rows, 50, 1) == rows
