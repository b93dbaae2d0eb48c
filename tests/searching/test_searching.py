"""Whole searches with a tiny local model: what they leave behind, that they repeat, stop and go on, and keep the time."""

from __future__ import annotations

import html
import io
import json
import multiprocessing
import re
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import made
import pytest

from weitiao import events, searching, splits
from weitiao.cli import main
from weitiao.core import files
from weitiao.core.errors import MissingExtra, RecipeError, RunError
from weitiao.recipe import Recipe
from weitiao.searching import Found

BUDGET = "22s"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made.write(folder / "train.jsonl", 160, 1)
    made.write(folder / "validation.jsonl", 100, 2)
    (folder / "space.toml").write_text(made.SPACE)
    return folder


@pytest.fixture(scope="module")
def recipe(data: Path, tiny_folder: Path) -> Recipe:
    return made.recipe(tiny_folder, data / "train.jsonl", data / "validation.jsonl")


@pytest.fixture(scope="module")
def told() -> list[events.Event]:
    return []


@pytest.fixture(scope="module")
def found(recipe: Recipe, data: Path, told: list[events.Event], tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A search to its end, the full run included, from a default that has much to gain."""
    with made.counted_time():
        return searching.start(recipe, BUDGET, space=data / "space.toml", on_event=told.append,
                               out=tmp_path_factory.mktemp("searches") / "s")


def tried(folder: Path) -> list[dict[str, Any]]:
    """What each trial was and became, without times."""
    trials = files.read_json(folder / "result.json")["trials"]
    return [{k: x[k] for k in ("number", "state", "value", "settings", "metrics")} for x in trials]


def same_as_far_as_both_go(a: Path, b: Path) -> int:
    """How many trials two searches have in common; all that neither's clock has touched must be equal."""
    one, two = tried(a), tried(b)
    n = min(next((i for i, x in enumerate(t) if x["state"] == "cut"), len(t)) for t in (one, two))
    assert one[:n] == two[:n]
    return n


# -- what it leaves behind ------------------------------------------------------------------------------------------


def test_it_ends_with_a_verdict_and_a_full_run(found: Found) -> None:
    result = found.result
    assert result["trials"][0]["state"] == "done" and len(result["trials"]) >= 3
    assert found.verdict == result["verdict"]["en"] and result["verdict"]["outcome"] in ("take", "keep")
    assert (result["chosen"] == "best") == (result["verdict"]["outcome"] == "take")
    assert result["metric"] == "accuracy" and result["rows"] == 100 and not result["folded"]
    assert found.best is not None and result["final"]["n"] == 32
    assert Recipe.read(found.best / "recipe.toml") == found.recipe


def test_a_poor_default_is_replaced(found: Found) -> None:
    """The best trial has learnt what the default cannot; fresh seeds confirm it, and the full run says where it is from."""
    result = found.result
    gain, best = result["gain"], result["trials"][result["best"]]
    assert result["verdict"]["outcome"] == "take" and ": take it" in found.verdict
    assert gain["value"] > 0.1 and gain["low"] > 0 and gain["seeds"] >= 2 and gain["rows"] == 100
    assert found.recipe.tune.learning_rate == best["settings"]["tune.learning_rate"] > 1e-5
    assert found.best is not None
    decision = files.read_json(found.best / "select" / "decision.json")
    assert "search" in decision["tune"]["reasons"]["learning_rate"]
    assert decision["tune"]["values"]["learning_rate"] == found.recipe.tune.learning_rate
    assert files.read_json(found.folder / "select" / "decision.json")["tune"]["values"].get("learning_rate") is None
    seeds = files.read_json(found.folder / "confirm" / "plan.json")["seeds"]
    assert found.recipe.seed not in seeds
    for which in ("default", "best"):
        judged = [files.read_json(found.folder / "confirm" / f"{which}-{s}" / "judged.json")["value"] for s in seeds]
        assert gain[which] == pytest.approx(sum(judged) / len(judged))


def test_trials_are_runs_that_cannot_read_the_test_rows(found: Found) -> None:
    for trial in found.result["trials"]:
        folder = found.folder / "trials" / str(trial["number"])
        assert (folder / "recipe.toml").is_file() and (folder / "prepare" / "train.parquet").is_file()
        assert not list(folder.rglob("test.parquet")) and not (folder / "evaluate").exists()
        assert (folder / "tune" / "metrics.jsonl").is_file()
        assert not list(folder.rglob("*.safetensors")), "weights are kept"
        assert (folder / "prepare" / "train.parquet").samefile(found.folder / "prepare" / "train.parquet")
    assert found.best is not None and (found.best / "prepare" / "test.parquet").is_file()


def test_a_trials_recipe_is_what_was_tried(found: Found) -> None:
    for trial in found.result["trials"]:
        recipe = Recipe.read(found.folder / "trials" / str(trial["number"]) / "recipe.toml")
        assert recipe.tune.learning_rate == trial["settings"]["tune.learning_rate"]
    default = Recipe.read(found.folder / "trials" / "0" / "recipe.toml")
    assert default == Recipe.read(found.folder / "recipe.toml")


def test_values_are_those_of_the_validation_rows(found: Found) -> None:
    judged = files.read_json(found.folder / "trials" / "0" / "judged.json")
    assert judged["rows"] == 100 and judged["value"] == found.result["trials"][0]["value"]
    lines = [json.loads(x) for x in (found.folder / "trials/0/tune/metrics.jsonl").read_text().splitlines()]
    best = max(x["validation"]["accuracy"] for x in lines if "validation" in x)
    assert judged["value"] == pytest.approx(best, abs=0.011)  # the loop's own, but for a tie in the last digits


def test_the_listener_hears_of_it(found: Found, told: list[events.Event]) -> None:
    heard = [e for e in told if isinstance(e, events.Tried)]
    assert [e.number for e in heard] == list(range(len(heard))) and heard[0].best and not heard[0].settings
    stages = [e.stage for e in told if isinstance(e, events.StageStarted)]
    assert [s for s in stages if s != "confirm"] == ["prepare", "select", "search", "tune", "evaluate", "report"]


def test_the_page_stands_alone(found: Found) -> None:
    page = (found.folder / "report.html").read_text(encoding="utf-8")
    assert html.escape(found.verdict[1:]) in page and page.count("<svg") >= 2
    assert "<script" not in page and not re.search(r"(src|href)=", page)


def test_a_search_that_has_ended_is_left_as_it_is(found: Found) -> None:
    before = {p: p.stat().st_mtime_ns for p in found.folder.rglob("*") if p.is_file()}
    assert searching.resume(found.folder).result == found.result
    assert {p: p.stat().st_mtime_ns for p in found.folder.rglob("*") if p.is_file()} == before


def test_the_full_run_is_an_ordinary_one(found: Found) -> None:
    import weitiao
    from weitiao import pipeline

    assert found.best is not None
    assert pipeline.resume(found.best).scores == found.result["final"]
    assert weitiao.load(found.best).predict(["good food"])[0]["label"] in ("pos", "neg")


# -- time, repetition, interruption ----------------------------------------------------------------------------------


class Stopped(KeyboardInterrupt):
    pass


def test_the_budget_is_kept_and_an_interrupted_search_tries_the_same(
        found: Found, recipe: Recipe, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of trials 0 and 2; no test row is read at all without the full run."""
    def load(run: Any, part: str) -> Any:
        assert part != "test"
        return splits.read(run.folder / "prepare" / f"{part}.parquet")

    monkeypatch.setattr("weitiao.searching.session.load", lambda run, part: list(load(run, part)))
    done = 0

    def listen(event: events.Event) -> None:
        nonlocal done
        done += isinstance(event, events.Tried)
        if isinstance(event, events.Progress) and done in stops and event.step == 7:
            stops.remove(done)
            raise Stopped

    stops = {0, 2}
    out = tmp_path / "s"
    with made.counted_time():
        with pytest.raises(Stopped):
            searching.start(recipe, "9s", space=data / "space.toml", out=out, on_event=listen, final=False)
        with pytest.raises(Stopped):
            searching.resume(out, listen)
        again = searching.resume(out, listen)
    assert same_as_far_as_both_go(out, found.folder) >= 3
    assert again.best is None and again.result["final"] is None
    assert 9 * 0.5 < again.result["budget"]["spent"] < 9 * 1.05
    assert not list(out.glob("best"))


def test_small_data_is_cross_validated(data: Path, tiny_folder: Path, tmp_path: Path) -> None:
    small = made.recipe(tiny_folder, data / "train.jsonl").updated({"tune": {"epochs": 1.0}})
    with made.counted_time():
        found = searching.start(small, "8s", out=tmp_path / "s", final=False)
    assert found.result["folded"] and found.result["parts"] == 5 and found.result["rows"] == 128
    assert sorted(p.name for p in (tmp_path / "s/trials/0/folds").iterdir()) == list("01234")
    assert "folds" in found.verdict or "default" in found.verdict


def work(folder: Path) -> None:
    with made.counted_time():
        searching.resume(folder)


def test_two_processes_share_a_search_and_a_killed_one_loses_nothing(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "s"

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Progress):
            raise Stopped

    with made.counted_time(), pytest.raises(Stopped):
        searching.start(recipe, "12s", out=out, on_event=stop, final=False)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=work, args=(out,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 300
    while not (out / "trials" / "1" / "tune").is_dir() and time.monotonic() < deadline:
        time.sleep(0.05)
    workers[0].kill()
    for worker in workers:
        worker.join(300)
    assert [w.exitcode for w in workers] == [-9, 0]
    result = searching.resume(out).result
    assert result["trials"][0]["state"] == "done"
    assert len({json.dumps(x["settings"], sort_keys=True) for x in result["trials"]}) == len(result["trials"])
    assert {x["state"] for x in result["trials"]} <= {"done", "pruned", "cut"}


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_budget_too_small_is_refused_with_one_that_is_not(recipe: Recipe, tmp_path: Path) -> None:
    slow = recipe.updated({"tune": {"epochs": 3000.0}})
    with made.counted_time(), pytest.raises(RecipeError) as e:
        searching.start(slow, "40s", out=tmp_path / "s")
    assert e.value.code == "search.budget_too_small" and e.value.expected.startswith("at least ")


def test_settings_that_make_no_search_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    for wrong, budget, code in (({"tune": {"time": "5m"}}, "1m", "search.no_time"), ({}, "soon", "recipe.bad_value"),
                                ({"tune": {"metric": "loss"}}, "1m", "recipe.bad_value")):
        with pytest.raises(RecipeError) as e:
            searching.start(recipe.updated(wrong), budget, out=tmp_path / "s")
        assert e.value.code == code
    bad = tmp_path / "space.toml"
    bad.write_text("[tune.epochs]\ntimes=[2, 4]\n")
    with pytest.raises(RecipeError) as e:
        searching.start(recipe, "1m", space=bad, out=tmp_path / "other")
    assert e.value.code == "search.bad_space" and not (tmp_path / "other").exists()


def test_a_changed_search_is_not_continued(recipe: Recipe, tmp_path: Path) -> None:
    def stop(event: events.Event) -> None:
        if isinstance(event, events.Progress):
            raise Stopped

    with pytest.raises(Stopped):
        searching.start(recipe, "1m", out=tmp_path / "s", on_event=stop)
    space = tmp_path / "s" / "space.toml"
    space.write_text(space.read_text() + "\n")
    with pytest.raises(RunError) as e:
        searching.resume(tmp_path / "s")
    assert e.value.code == "run.changed"
    with pytest.raises(RunError) as e:
        searching.resume(tmp_path)
    assert e.value.code == "search.missing"


def test_the_extra_is_named_where_it_is_missing(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra) as e:
        searching.start(recipe, "1m", out=tmp_path / "s")
    assert "weitiao[search]" in e.value.fix and not (tmp_path / "s").exists()


# -- the command -----------------------------------------------------------------------------------------------------


def call(*args: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*args, "--lang", "en"])
    return code, out.getvalue(), err.getvalue()


def test_the_command_says_what_it_found(found: Found) -> None:
    code, out, _ = call("search", "--resume", str(found.folder))
    assert code == 0 and found.verdict in out and "report.html" in out
    code, out, _ = call("search", "--resume", str(found.folder), "--json")
    assert code == 0 and json.loads(out)["verdict"]["en"] == found.verdict
    code, out, _ = call("search", "--resume", str(found.folder), "--quiet")
    assert out == f"{found.verdict}\n{found.folder}\n"


@pytest.mark.parametrize(("args", "code"), [
    (["search", "reviews.csv"], "cli.no_budget"),
    (["search", "--resume", "s", "--budget", "1h"], "cli.resume_takes_no_settings"),
    (["search", "--resume", "s", "--no-final"], "cli.resume_takes_no_settings"),
    (["search", "--budget", "1h"], "recipe.no_data"),
    (["search", "--resume", "nowhere"], "search.missing")])
def test_wrong_commands(args: list[str], code: str) -> None:
    status, out, _ = call(*args, "--json")
    assert status > 0 and json.loads(out)["error"]["code"] == code


def test_ctrl_c_names_the_way_back(recipe: Recipe, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any, on_event: Any, **__: Any) -> Found:
        on_event(events.StageStarted("search", str(tmp_path / "s")))
        raise KeyboardInterrupt

    monkeypatch.setattr("weitiao.searching.start", stopped)
    code, out, _ = call("search", str(data / "train.jsonl"), "--budget", "1m")
    assert code == 130 and f"weitiao search --resume {tmp_path / 's'}" in out
