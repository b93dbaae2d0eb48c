"""Trials on a journal: the same ones for the same seed, never two processes on one, none lost with its process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from weitiao.searching.study import COURSE, Study, report

SPACE = {"rate": FloatDistribution(0.01, 1.0, log=True), "size": IntDistribution(1, 64, log=True),
         "kind": CategoricalDistribution(("auto", 0.0, 0.2))}
DEFAULTS: dict[str, Any] = {"rate": 0.1, "size": 8, "kind": "auto"}


def study(folder: Path, seed: int = 1, *, folds: bool = False) -> Study:
    return Study(folder, SPACE, DEFAULTS, maximise=True, seed=seed, folds=folds)


def value(params: dict[str, Any]) -> float:
    return -abs(params["rate"] - 0.3) - abs(params["size"] - 20) / 100 + (params["kind"] == 0.0) / 10


def run(found: Study, trials: int) -> None:
    """A course of validations that rises to the trial's value."""
    for _ in range(trials):
        with found.claim() as trial:
            end = value(trial.params)
            for step in range(1, COURSE + 1):
                if report(trial, end - (COURSE - step) / 10, step) and step < COURSE:
                    found.tell(trial, None, "pruned")
                    break
            else:
                found.tell(trial, end)


def history(found: Study) -> list[Any]:
    return [(x.params, x.state, x.value) for x in found.trials]


def test_the_first_trial_is_the_default(tmp_path: Path) -> None:
    found = study(tmp_path)
    run(found, 1)
    assert found.trials[0].params == DEFAULTS and found.trials[0].state == TrialState.COMPLETE


def test_the_same_seed_tries_the_same(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        run(study(tmp_path / name, seed), 25)
    a, b, c = (history(study(tmp_path / name)) for name in "abc")
    assert a == b and a[1:] != c[1:]
    assert {x[1] for x in a} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_another_process_would_try_the_same_next(tmp_path: Path) -> None:
    """What comes next depends on seed and history, not on how long this process lives."""
    for name in "ab":
        (tmp_path / name).mkdir()
    run(study(tmp_path / "a"), 20)
    for _ in range(20):
        run(study(tmp_path / "b"), 1)
    assert history(study(tmp_path / "a")) == history(study(tmp_path / "b"))


def test_two_at_once_begin_with_the_settings_of_one(tmp_path: Path) -> None:
    """Those that are drawn at random; what is learnt from them depends on what has ended."""
    for name in "ab":
        (tmp_path / name).mkdir()
    run(study(tmp_path / "a"), 12)
    one, other = study(tmp_path / "b"), study(tmp_path / "b")
    for _ in range(6):
        with one.claim() as first, other.claim() as second:
            one.tell(first, value(first.params))
            other.tell(second, value(second.params))
    a, b = ([x.params for x in study(tmp_path / name).trials] for name in "ab")
    assert a[:8] == b[:8] and a != b


def test_it_learns(tmp_path: Path) -> None:
    found = study(tmp_path)
    run(found, 40)
    best = found.best
    assert best is not None and best.value is not None
    assert best.value > value(DEFAULTS) + 0.15
    assert found.importances()["kind"] > 0 and abs(sum(found.importances().values()) - 1) < 1e-6


def test_the_default_is_never_stopped(tmp_path: Path) -> None:
    found = study(tmp_path)
    with found.claim() as first, found.claim() as other:
        assert not any(report(other, 1.0, step) for step in range(1, COURSE + 1))
        assert not any(report(first, 0.0, step) for step in range(1, COURSE + 1))
        assert first.number == 0 and other.number == 1


def test_blocks_that_are_behind_stop_a_trial(tmp_path: Path) -> None:
    found = study(tmp_path, folds=True)
    with found.claim() as trial:
        assert not any(report(trial, 0.8 + i / 100, i) for i in range(8))
        found.tell(trial, 0.83)
    with found.claim() as trial:
        stopped = [report(trial, 0.7 + i / 100, i) for i in range(8)]
    assert stopped[-1] and not stopped[0]


def test_equal_to_the_default_is_no_better(tmp_path: Path) -> None:
    found = study(tmp_path)
    for _ in range(2):
        with found.claim() as trial:
            found.tell(trial, 0.5)
    assert found.best is not None and found.best.number == 0


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_study import study, report
found = study(Path({folder!r}))
with found.claim() as trial:
    report(trial, 0.5, 1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_one(folder: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9


def test_a_killed_workers_trial_is_taken_up(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    run(study(whole), 3)
    killed = tmp_path / "killed"
    killed.mkdir()
    run(study(killed), 1)
    kill_one(killed)
    found = study(killed)
    assert found.trials[1].state == TrialState.RUNNING and not found.busy()
    with found.claim() as trial:
        assert trial.number == 1 and trial.params == study(whole).trials[1].params
        assert not report(trial, 0.5, 1)  # said again, without a complaint
        found.tell(trial, 0.9)
    with found.claim() as trial:
        assert trial.number == 2
        assert found.busy()


def test_a_trial_that_kills_its_process_is_given_up(tmp_path: Path) -> None:
    for _ in range(3):
        kill_one(tmp_path)
    found = study(tmp_path)
    with found.claim() as trial:
        assert trial.number == 1
    assert found.trials[0].state == TrialState.FAIL and "3" in found.trials[0].user_attrs["why"]


def test_what_is_left_behind_when_the_time_is_over_is_cut(tmp_path: Path) -> None:
    kill_one(tmp_path)
    found = study(tmp_path)
    found.close()
    assert found.trials[0].user_attrs["state"] == "cut" and not found.busy()


def test_a_half_written_line_is_dropped(tmp_path: Path) -> None:
    run(study(tmp_path), 2)
    before = history(study(tmp_path))
    with (tmp_path / "journal.log").open("a") as f:
        f.write('{"op_code": 4, "stu')
    found = study(tmp_path)
    assert history(found) == before
    run(found, 1)
    assert all(json.loads(line) for line in (tmp_path / "journal.log").read_text().splitlines())


@pytest.mark.parametrize("maximise", [True, False])
def test_the_best_goes_by_the_direction(tmp_path: Path, maximise: bool) -> None:
    found = Study(tmp_path, SPACE, DEFAULTS, maximise=maximise, seed=1, folds=False)
    for x in (0.5, 0.7, 0.3):
        with found.claim() as trial:
            found.tell(trial, x)
    assert found.best is not None and found.best.number == (1 if maximise else 2)
