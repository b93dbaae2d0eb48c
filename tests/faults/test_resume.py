"""What a run that is gone on with does when something is not as it was: a second process, other files, the end, a killed
beginning, clocks that jump, a child that dies."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import target
from forks import FORKS
from killing import TIMED, digest

from tuning_case import Case
from tuning_case import digest as state
from weitiao import pipeline
from weitiao.cli import main
from weitiao.core.children import fate
from weitiao.core.errors import ModelError
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.tasks import _sandbox
from weitiao.tuning import fit


@pytest.fixture(scope="module")
def begun(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to where tuning begins, on a base that may be changed."""
    folder = tmp_path_factory.mktemp("resume")
    shutil.copytree(tiny_folder, folder / "base")
    target.begin("classification", str(folder / "base"), folder / "begun")
    return folder / "begun"


@pytest.fixture(scope="module")
def finished(begun: Path) -> Path:
    run = begun.with_name("finished")
    shutil.copytree(begun, run)
    pipeline.resume(run)
    return run


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    shutil.copytree(begun, tmp_path / "run")
    return tmp_path / "run"


def resumed(run: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    code = main(["tune", "--resume", str(run), "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def test_a_finished_run_is_left_as_it_is(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != ".lock"}
    code, told = resumed(finished, capsys)
    assert code == 0 and told["scores"]["n"]
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != ".lock"} == before


def test_a_second_process_is_refused_and_the_first_goes_on(run: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = FORKS.Process(target=target.work, args=(run, {}))
    first.start()
    until = time.monotonic() + 120
    while not (run / ".holder").exists():
        assert time.monotonic() < until
        time.sleep(0.002)
    code, told = resumed(run, capsys)
    assert (code, told["error"]["code"]) == (5, "run.locked") and str(first.pid) in told["error"]["what"]
    first.join()
    assert first.exitcode == 0 and digest(run) == digest(finished)


def test_what_a_killed_worker_left_in_the_run_is_cleared_up(run: Path, finished: Path) -> None:
    for name in (".model.x.tmp", "tune/.best.y.tmp", "tune/checkpoints/.3.z.tmp"):
        (run / name).mkdir(parents=True)
        (run / name / "model.safetensors").write_bytes(b"half of it")
    for name in (".manifest.json.x.tmp", "tune/.costs.json.x.tmp"):
        (run / name).write_text("{")
    (run / ".holder").write_text("1")
    pipeline.resume(run)
    assert digest(run) == digest(finished) and {p.name for p in run.glob(".*")} <= TIMED


def test_and_in_the_folders_that_others_made(finished: Path, tmp_path: Path) -> None:
    """The report writes the model card into the model's folder."""
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "model" / ".README.md.x.tmp").write_text("# ")
    pipeline.resume(tmp_path / "run")
    assert digest(tmp_path / "run") == digest(finished)


def test_killed_before_tuning_it_says_so(begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((begun / "manifest.json").read_text())
    run = Run.create(tmp_path / "run", (begun / "recipe.toml").read_text(), manifest["asked"], {"asked": manifest["asked"]})
    code, told = resumed(run.folder, capsys)
    assert (code, told["error"]["code"]) == (5, "run.unbegun") and "weitiao tune" in told["error"]["fix"]


@pytest.mark.parametrize("name", ["recipe.toml", "prepare/train.parquet", "prepare/task.json", "select/decision.json"])
def test_another_recipe_and_other_rows_are_refused(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / name
    data = path.read_bytes()
    path.write_bytes(data.replace(b"seed = 1", b"seed = 2") if name == "recipe.toml" else data[:-1])
    code, told = resumed(run, capsys, "--allow-inexact")
    assert (code, told["error"]["code"], told["error"]["where"]) == (5, "run.changed", str(path))


def test_the_users_file_is_not_read_again(run: Path, finished: Path) -> None:
    """What the run learns was checked, and stands in its own folder."""
    data = Path(Recipe.read(run / "recipe.toml").data.train[0])
    kept = data.read_text()
    try:
        data.write_text("")
        pipeline.resume(run)
    finally:
        data.write_text(kept)
    assert digest(run) == digest(finished)


@pytest.mark.parametrize(("name", "old", "new", "says"), [
    ("tokenizer.json", '"one"', '"eno"', "the tokenizer"),  # a word that no row holds
    ("tokenizer.json", '"好"', '"坏坏"', "the data, the tokenizer"),
    ("model.safetensors", "", "", "the base model")])
def test_another_tokenizer_or_base_is_refused(name: str, old: str, new: str, says: str, run: Path, begun: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    stopped = FORKS.Process(target=target.work, args=(run, {}))
    stopped.start()
    until = time.monotonic() + 120
    while not (run / "tune" / "plan.json").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    stopped.kill()
    stopped.join()
    path = begun.with_name("base") / name
    kept = path.read_bytes()
    try:
        if old:
            assert old in kept.decode()
            path.write_text(kept.decode().replace(old, new))
        else:
            path.write_bytes(kept[:-400] + bytes(400))
        code, told = resumed(run, capsys, "--allow-inexact")
    finally:
        path.write_bytes(kept)
    assert (code, told["error"]["code"]) == (5, "run.changed") and says in told["error"]["what"]


# -- clocks --------------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_decides_nothing(tiny_folder: Path, tiny_tokenizer: Any, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(tiny_folder, tiny_tokenizer)
    settings = {"average": 0.9, "evaluate_every": 3, "save_every": "auto"}
    fit(folder=tmp_path / "calm", on_event=lambda _: None, **case.inputs(**settings))
    dice = random.Random(1)
    monkeypatch.setattr(time, "time", lambda: dice.uniform(-1e9, 4e9))
    fit(folder=tmp_path / "mad", on_event=lambda _: None, **case.inputs(**settings))
    assert state(tmp_path / "mad") == state(tmp_path / "calm")


def test_nothing_asks_the_wall_clock_for_a_length_of_time() -> None:
    source = Path(pipeline.__file__).parent
    asks = [str(p.relative_to(source)) for p in source.rglob("*.py") if "time.time(" in p.read_text(encoding="utf-8")]
    assert not asks


# -- children ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "says"), [("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
                                           ("raise ValueError('no')", "ValueError: no"), ("raise SystemExit(3)", "exit 3")])
def test_a_sandbox_that_dies_is_an_error(how: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sandbox, "_CHILD", how)
    with pytest.raises(ModelError, match=says):
        _sandbox.render("{{ x }}", [{"messages": []}], {})


def test_fates() -> None:
    done = subprocess.run([sys.executable, "-c", "print('last words'); import os; os.abort()"], capture_output=True, text=True)
    assert fate(done.returncode, done.stdout) == f"{signal.SIGABRT.name}: last words"

