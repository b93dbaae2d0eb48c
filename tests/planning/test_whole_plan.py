"""The whole command on made-up rows and a tiny base: JSON, lines, the folder, both languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from weitiao import planning
from weitiao.cli import main
from weitiao.core import i18n
from weitiao.core.errors import RecipeError, RunError
from weitiao.planning import advice, candidates, page, prices, telling
from weitiao.planning.prices import Price
from weitiao.recipe import Recipe

ROWS = "".join(json.dumps({"text": f"the {a} was {w} {i}", "label": "good" if w in ("good", "great") else "bad"}) + "\n"
               for i in range(20) for a in ("movie", "food") for w in ("good", "bad", "great", "awful"))


@pytest.fixture(autouse=True)
def _no_starters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is fetched, and a price comes without a process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("weitiao.models.catalogue", lambda: [])
    monkeypatch.setattr(prices, "price", lambda run, recipe, base, method, memory: Price(method, 60.0, 1.5, 0.5))
    Path("rows.jsonl").write_text(ROWS)


def test_json_has_all_of_it(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "rows.jsonl", "--model", str(tiny_folder), "--sample", "100", "--json"]) == 0
    got: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {"task", "language", "rows", "sample", "metric", "candidates", "advice", "curve", "usual", "memory_gb"} <= set(got)
    assert [x["name"] for x in got["candidates"]] == ["tfidf", "vectors", str(tiny_folder)]
    assert got["sample"] == 100 and got["rows"] == 128  # a fifth is left for the test
    assert [p["method"] for p in got["candidates"][2]["prices"]] == ["full", "lora", "head"]
    assert got["candidates"][0]["against"][str(tiny_folder)]["n"] == 100


def test_lines_and_the_folder(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["plan", "rows.jsonl", "--model", str(tiny_folder), "--out", "plan"]
    assert main(args) == 0
    out = capsys.readouterr().out
    assert "TF-IDF" in out and "LogME" in out and "lora" in out and "Advice" in out and "no model hub" in out
    assert f" tune rows.jsonl --model {tiny_folder}" in out
    result = json.loads(Path("plan", "plan.json").read_text())
    html = Path("plan", "plan.html").read_text()
    assert telling.advice(result)[1:20] in html and "<script" not in html and "src=" not in html and "http:" not in html
    assert main([*args, "-q"]) == 0 and len(capsys.readouterr().out.splitlines()) == 1  # replaced: it is ours
    i18n.use("zh")
    assert page.html("rows", result) != html and "候选" in page.html("rows", result)


def test_a_base_that_nobody_named_and_is_far_behind_is_not_priced(tiny_folders: dict[str, Path],
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = str(tiny_folders["encoder"]), str(tiny_folders["decoder"])
    monkeypatch.setattr(candidates, "bases", lambda language, name, task, named: (first, second))
    monkeypatch.setattr(advice, "_near", lambda best, other, sign: False)
    found = planning.plan("rows.jsonl", sample=100, task="classify").result
    by_score = sorted(found["candidates"][2:], key=lambda x: -x["score"]["value"])
    assert [bool(x["prices"]) for x in by_score] == [True, False] and found["advice"]["model"] == by_score[0]["name"]
    assert [x["behind"] for x in by_score] == ["", by_score[0]["name"]]
    assert any(line.startswith("how far frozen features can be trusted") for line in telling.notes(found))
    asked = planning.plan("rows.jsonl", sample=100, task="classify", models=[first, second]).result
    assert all(x["prices"] for x in asked["candidates"][2:])


def test_a_folder_of_others_is_left_alone() -> None:
    Path("mine").mkdir()
    Path("mine", "thesis.txt").write_text("x")
    recipe = Recipe.build({"data": {"train": ["rows.jsonl"]}})
    with pytest.raises(RunError, match=r"run\.exists"):
        planning.start(recipe, out=Path("mine"))
    with pytest.raises(RecipeError, match=r"recipe\.no_data"):
        planning.start(Recipe())


def test_from_python(tiny_folder: Path) -> None:
    heard: list[Any] = []
    found = planning.plan("rows.jsonl", models=[str(tiny_folder)], sample=80, task="classify", on_event=heard.append)
    assert found.folder is None and found.advice and heard
    assert found.result["curve"]["judge"] == found.result["advice"]["judge"]


def test_texts_to_be_written_are_ranked_by_likelihood(tiny_folders: dict[str, Path]) -> None:
    Path("pairs.jsonl").write_text("".join(json.dumps({"source": f"the movie was good {i}", "target": f"good {i}"}) + "\n"
                                           for i in range(30)))
    found = planning.plan("pairs.jsonl", models=[str(tiny_folders["decoder"]), str(tiny_folders["encoder-decoder"])],
                          task="generate")
    assert found.result["metric"] == "bits_per_byte" and found.result["curve"] is None
    assert found.result["advice"]["model"] in map(str, tiny_folders.values())
    assert telling.ranking(found.result)[1] and "bits per byte" in telling.ranking(found.result)[0]
