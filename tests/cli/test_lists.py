"""`weitiao runs`, `weitiao models`, `weitiao recipe`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weitiao.recipe import Recipe
from weitiao.run import Run

from .conftest import SCORE, Weitiao, error_of


@pytest.fixture
def three_runs(tmp_path: Path) -> Path:
    """A finished, a stopped and a damaged one."""
    recipe = Recipe.build({"task": {"name": "classify"}, "model": {"name": "e5-small"}})
    for name in ("done", "stopped", "broken"):
        run = Run.create(tmp_path / "runs" / name, recipe.to_toml(), recipe.hash, {})
        (run.folder / "evaluate").mkdir()
        if name == "done":
            (run.folder / "evaluate" / "scores.json").write_text(json.dumps({"metrics": [SCORE.as_dict()]}))
            run.note(stages={s: {} for s in ("prepare", "select", "tune", "evaluate", "report")})
    (tmp_path / "runs" / "broken" / "manifest.json").write_text("{")
    (tmp_path / "runs" / "notes.txt").write_text("not a run")
    return tmp_path / "runs"


def test_runs_are_listed_with_their_state(weitiao: Weitiao, three_runs: Path) -> None:
    code, out, _ = weitiao("runs")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0 and len(lines) == 4
    assert "accuracy 0.900 [0.850, 0.940]" in lines["runs/done"] and lines["runs/done"].rstrip().endswith("finished")
    assert lines["runs/stopped"].rstrip().endswith("stopped") and "e5-small" in lines["runs/stopped"]
    assert lines["runs/broken"].rstrip().endswith("damaged")
    got = {r["name"]: r for r in json.loads(weitiao("runs", "runs", "--json")[1])["runs"]}
    assert got["runs/done"]["score"]["value"] == 0.9 and got["runs/stopped"]["score"] is None
    assert sorted(weitiao("runs", "--quiet")[1].split()) == ["runs/broken", "runs/done", "runs/stopped"]
    assert "已损坏" in weitiao("runs", "--lang", "zh")[1]


def test_a_run_at_work_is_seen_and_not_disturbed(weitiao: Weitiao, three_runs: Path) -> None:
    run = Run.open(three_runs / "stopped")
    with run.lock():
        assert {r["name"]: r["state"] for r in json.loads(weitiao("runs", "--json")[1])["runs"]}["runs/stopped"] == "running"
    (run.folder / ".holder").write_text("1")  # what a kill leaves behind
    assert "stopped" in next(x for x in weitiao("runs")[1].splitlines() if "runs/stopped" in x).split()


def test_no_runs_yet_is_no_error_but_a_wrong_folder_is(weitiao: Weitiao) -> None:
    code, out, _ = weitiao("runs")
    assert code == 0 and "no runs" in out
    code, out, _ = weitiao("runs", "elsewhere", "--json")
    assert code == 5 and error_of(out)["code"] == "run.no_folder"


def test_models_are_listed(weitiao: Weitiao) -> None:
    code, out, _ = weitiao("models")
    assert code == 0 and "e5-small" in out and "MIT" in out
    models = json.loads(weitiao("models", "--json")[1])["models"]
    assert {"e5-small", "minilm"} <= {m["name"] for m in models} == set(weitiao("models", "-q")[1].split())


def test_a_new_recipe_explains_every_key_and_reads_back(weitiao: Weitiao) -> None:
    assert weitiao("recipe", "new", "-o", "r.toml", "--task", "classify", "--method", "lora")[0] == 0
    text = Path("r.toml").read_text("utf-8")
    expected = Recipe.build({"task": {"name": "classify"}, "method": {"name": "lora"}})
    assert Recipe.parse(text) == expected
    lines = text.splitlines()
    unexplained = [line for above, line in zip(["", *lines], lines, strict=False)
                   if " = " in line and not line.startswith("#") and not above.startswith("#")]
    assert unexplained == []
    code, out, _ = weitiao("recipe", "new", "-o", "r.toml", "--json")
    assert code == 2 and error_of(out)["code"] == "recipe.exists" and Path("r.toml").read_text("utf-8") == text


def test_odd_values_survive_the_explained_form(weitiao: Weitiao) -> None:
    odd = Recipe.build({"data": {"columns": {"text": '评 "论"\\', "label": "a.b=c"}, "train": ["a b.csv", "数据.csv"]},
                        "tune": {"learning_rate": 3e-5}, "task": {"name": "classify",
                                                                   "class_weights": {"很好": 2.0, "a b": 1.0}}})
    Path("odd.toml").write_text(odd.to_toml(), "utf-8")
    assert Recipe.parse(weitiao("recipe", "show", "odd.toml")[1]) == odd
    assert Recipe.build(json.loads(weitiao("recipe", "show", "odd.toml", "--json")[1])) == odd


def test_show_reads_a_run_and_the_defaults(weitiao: Weitiao, three_runs: Path) -> None:
    assert Recipe.parse(weitiao("recipe", "show", "runs/done")[1]).model.name == "e5-small"
    assert Recipe.parse(weitiao("recipe", "show")[1]) == Recipe()
    assert weitiao("recipe", "show", "runs/none")[0] == 2


def test_check_says_what_is_wrong_and_is_silent_when_asked(weitiao: Weitiao) -> None:
    Path("good.toml").write_text("seed = 3\n")
    Path("bad.toml").write_text("[tune]\nlerning_rate = 1\n")
    assert weitiao("recipe", "check", "good.toml", "--quiet") == (0, "", "")
    assert json.loads(weitiao("recipe", "check", "good.toml", "--json")[1])["ok"] is True
    code, _, err = weitiao("recipe", "check", "bad.toml")
    assert code == 2 and "[recipe.unknown_key] bad.toml" in err and "'learning_rate'" in err


def test_the_schema_is_json(weitiao: Weitiao) -> None:
    assert "tune" in json.loads(weitiao("recipe", "schema")[1])["properties"]
