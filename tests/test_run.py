"""The run directory: whole stages, one worker, a record of what it was made with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from weitiao.core import i18n
from weitiao.core.errors import RunError
from weitiao.run import Run


@pytest.fixture(autouse=True)
def _english() -> None:
    i18n.use("en")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "r", "seed = 1\n", "abc", {})


def test_a_stage_is_done_for_its_input_only(run: Run) -> None:
    with run.stage("prepare") as folder:
        (folder / "report.json").write_text("{}")
    run.finish("prepare", "key", 1.5)
    assert run.done("prepare", "key") and not run.done("prepare", "other")
    assert set(run.manifest["stages"]["prepare"]["files"]) == {"report.json"}
    assert run.manifest["machine"]["libraries"]["numpy"]


def test_a_folder_with_something_in_it_is_not_taken(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError) as e:
        Run.create(run.folder, "", "x", {})
    assert e.value.code == "run.exists"
    with pytest.raises(RunError) as e:
        Run.open(tmp_path / "none")
    assert e.value.code == "run.missing"


def test_only_one_process_works_on_a_run_and_a_dead_one_frees_it(run: Run) -> None:
    code = f"""
import time; from pathlib import Path; from weitiao.run import Run
with Run(Path({str(run.folder)!r})).lock(): print("in", flush=True); time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"in\n"
        with pytest.raises(RunError) as e, run.lock():
            raise AssertionError("two workers")
        assert e.value.code == "run.locked" and str(other.pid) in str(e.value)
        other.kill()
        other.wait()
    with run.lock():
        pass
