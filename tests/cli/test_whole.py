"""The commands one after the other on real files with a tiny model: what a person does on the first day."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from .conftest import Weitiao, error_of

PARTS = {"recipe.toml", "manifest.json", "prepare", "select", "tune", "evaluate", "model", "report.html"}


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """120 rows whose label is a word of the text, and one without a text."""
    draw = random.Random(1)
    lines = [f"{' '.join(draw.choices(['the', 'movie', 'food', 'very', '的', '了'], k=5))} {word},{label}"
             for i in range(60) for word, label in (("good", "pos"), ("坏", "neg"))]
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\n" + "\n".join(lines) + "\n,pos\n", encoding="utf-8")
    return path


def test_tune_predict_evaluate_resume(weitiao: Weitiao, reviews: Path, tiny_folder: Path) -> None:
    settings = ["--set", "tune.epochs=4", "--set", "tune.learning_rate=3e-3", "--set", "tune.precision=fp32"]
    code, out, err = weitiao("tune", "reviews.csv", "--model", str(tiny_folder), "--json", *settings)
    assert (code, err) == (0, ""), out
    got = json.loads(out)
    run = Path(got["folder"])
    assert run == Path("runs/reviews-1") and {p.name for p in run.iterdir()} >= PARTS
    assert got["scores"]["metrics"][0]["value"] > 0.8 and got["verdict"]

    code, out, _ = weitiao("predict", str(run), "reviews.csv", "-o", "predictions.csv")
    with Path("predictions.csv").open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert code == 0 and len(rows) == 121 and rows[-1]["row_error"] and not rows[-1]["predicted_label"]
    assert sum(r["label"] == r["predicted_label"] for r in rows) > 100
    assert weitiao("predict", str(run / "model"), "--text", "very good")[1].startswith("pos")
    code, _, err = weitiao("predict", str(run), "--text", "  ")
    assert code == 3 and err.startswith("[row.empty] --text")

    code, out, _ = weitiao("evaluate", str(run), "predictions.csv", "--json")
    scores = json.loads(out)
    assert code == 0 and scores["n"] == 120 and scores["bad_rows"] == 1 and scores["metrics"][0]["name"] == "accuracy"
    out = weitiao("evaluate", str(run), "reviews.csv")[1]
    assert "accuracy" in out and "1 rows could not be read; the first: reviews.csv:122: text" in out
    out = weitiao("evaluate", str(run), "reviews.csv", "--baselines")[1]
    assert "TF-IDF: accuracy" in out and "(n=120, " in out
    code, out, _ = weitiao("evaluate", str(run / "model"), "reviews.csv", "--baselines", "--json")
    assert code == 5 and error_of(out)["code"] == "run.missing"
    Path("blind.csv").write_text("text,other\ngood,1\nbad,2\n")
    code, out, _ = weitiao("evaluate", str(run), "blind.csv", "--json")
    assert code == 3 and error_of(out)["code"] == "data.no_test_rows"

    again = json.loads(weitiao("tune", "--resume", str(run), "--json")[1])
    assert again["scores"] == got["scores"]
    code, out, _ = weitiao("tune", "reviews.csv", "--out", str(run), "--json")
    assert code == 5 and error_of(out)["code"] == "run.exists"
    assert "finished" in weitiao("runs")[1]


@pytest.mark.parametrize(("args", "code", "error", "says"), [
    (["revews.csv"], 3, "data.missing_file", "reviews.csv"),
    (["reviews.csv", "--columns", "text=txt"], 3, "data.missing_column", "text"),
    (["reviews.csv", "--model", "e5-smal"], 4, "model.unknown", "e5-small"),
    (["reviews.csv", "--encoding", "utf-16"], 3, "data.encoding", "utf-16"),
    (["empty.csv"], 3, "data.empty_file", "empty.csv"),
    (["--set", "tune.epochs=1"], 2, "recipe.no_data", "weitiao tune"),
])
def test_what_cannot_be_tuned_leaves_no_run(weitiao: Weitiao, reviews: Path, args: list[str], code: int, error: str,
                                            says: str) -> None:
    Path("empty.csv").touch()
    got, out, _ = weitiao("tune", *args, "--json")
    last = error_of(out)
    assert (got, last["code"]) == (code, error) and says in json.dumps(last)
    assert not list(Path().glob("runs/*"))
