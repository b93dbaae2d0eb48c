"""SIGTERM, SIGUSR1 and Ctrl-C: an exact checkpoint at most one update later, and an exit code that says what to do."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tuning_case import Case, StopAt, digest
from weitiao import prepare
from weitiao.cli import main
from weitiao.core import stopping
from weitiao.events import Event, Progress, Validated
from weitiao.tuning import Interrupted, fit, history

SETTINGS = {"epochs": 2.0, "average": 0.9, "evaluate_every": 4, "save_every": 5, "micro_batch_size": 3}


@pytest.fixture
def case(tiny_folder: Path, tiny_tokenizer: Any) -> Case:
    return Case(tiny_folder, tiny_tokenizer)


class Watch:
    """Passes events on and keeps them."""

    def __init__(self, then: Callable[[Event], None]) -> None:
        self.seen, self.then = list[Event](), then

    def __call__(self, event: Event) -> None:
        self.seen.append(event)
        self.then(event)


@pytest.mark.parametrize("step", [4, 7, 16])  # one that is validated, one that is not, the last
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_nothing_stands_between_the_update_and_the_checkpoint(step: int, number: signal.Signals, case: Case,
                                                              tmp_path: Path) -> None:
    fit(folder=tmp_path / "whole", on_event=lambda _: None, **case.inputs(**SETTINGS))
    watch = Watch(StopAt(step, number))
    with pytest.raises(Interrupted) as caught:
        fit(folder=tmp_path / "cut", on_event=watch, **case.inputs(**SETTINGS))
    assert isinstance(watch.seen[-1], Progress) and caught.value.step == step and caught.value.number == number
    assert (tmp_path / "cut" / "tune" / "checkpoints" / str(step)).is_dir()
    watch = Watch(lambda _: None)
    fit(folder=tmp_path / "cut", on_event=watch, **case.inputs(**SETTINGS))
    first = next(e for e in watch.seen if isinstance(e, (Progress, Validated)))
    assert isinstance(first, Validated) == (step != 7) and first.step == (8 if step == 7 else step)
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_a_validation_under_way_is_left_and_made_when_the_run_goes_on(case: Case, tmp_path: Path) -> None:
    fit(folder=tmp_path / "whole", on_event=lambda _: None, **case.inputs(micro_batch_tokens=32, **SETTINGS))
    for _ in range(2):  # the second stop comes in the validation that the first one left
        inputs, validating = case.inputs(micro_batch_tokens=32, **SETTINGS), list[int]()

        def stop_in_the_third_pass(model: torch.nn.Module, args: Any, out: Any, made: list[int] = validating) -> None:
            if not model.training:
                made.append(1)
                if len(made) == 3:
                    os.kill(os.getpid(), signal.SIGTERM)

        inputs["model"].register_forward_hook(stop_in_the_third_pass)
        watch = Watch(lambda _: None)
        with pytest.raises(Interrupted, match="step 4"):
            fit(folder=tmp_path / "cut", on_event=watch, **inputs)
        assert len(validating) == 3 and not any(isinstance(e, Validated) for e in watch.seen)
    fit(folder=tmp_path / "cut", on_event=lambda _: None, **case.inputs(micro_batch_tokens=32, **SETTINGS))
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_exit_codes_tell_a_machine_that_stops_from_a_person() -> None:
    term, interrupt = stopping.Stopped(signal.SIGTERM), KeyboardInterrupt()
    assert [stopping.exit_code(e, kept=k) for e in (term, interrupt) for k in (True, False)] == [75, 143, 130, 130]


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def begin(tiny_folder: Path, tmp_path: Path) -> list[str]:
    rows = [{"text": f"{w} {i}", "label": w} for i in range(30) for w in ("good", "bad")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(x) + "\n" for x in rows))
    return ["tune", str(tmp_path / "rows.jsonl"), "--model", str(tiny_folder), "--json", "--out", str(tmp_path / "run"),
            "--set", "tune.steps=6", "--set", "tune.precision=fp32", "--set", "evaluate.baselines=[]", "--set", "evaluate.resamples=100"]


def sending(number: signal.Signals, real: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a signal to this process before it."""

    def instead(*args: Any, **how: Any) -> Any:
        os.kill(os.getpid(), number)
        return real(*args, **how)

    return instead


def test_the_command_ends_with_75_and_goes_on(begin: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with monkeypatch.context() as patch:
        patch.setattr(history.History, "update", sending(signal.SIGUSR1, history.History.update))
        assert main(begin) == 75
    assert json.loads(capsys.readouterr().out) == {"interrupted": True, "folder": str(tmp_path / "run")}
    resume = ["tune", "--resume", str(tmp_path / "run"), "--json"]
    with monkeypatch.context() as patch:  # after the loop: what it was doing is done anew
        patch.setattr("weitiao.evaluate.evaluate", sending(signal.SIGTERM, lambda *_: None))
        assert main(resume) == 75
    capsys.readouterr()
    assert main(resume) == 0 and json.loads(capsys.readouterr().out)["scores"]["n"]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before


def test_before_tuning_nothing_is_kept_and_the_code_is_another(begin: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "prepare", sending(signal.SIGTERM, prepare.prepare))
    assert main(begin) == 128 + signal.SIGTERM
    assert json.loads(capsys.readouterr().out) == {"interrupted": True, "folder": None} and not (tmp_path / "run").exists()
