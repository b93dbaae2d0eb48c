"""A loss or gradient that is no finite number: stop, skip or roll back; recorded, and never in a checkpoint."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tuning_case import Case, StopAt, digest, flip, lines
from weitiao.core.errors import TrainingError
from weitiao.events import Event, Note, Progress
from weitiao.report import learning
from weitiao.tuning import Interrupted, Rows, fit, nonfinite

Cases = Callable[..., Case]
SETTINGS = {"micro_batch_size": 1, "head_start": "random", "average": 0.9, "evaluate_every": 4, "save_every": 3}
ROW = 7  # made.csv:9


def poisoned(case: Cases) -> Case:
    """One row's target is no number that can be learnt."""
    setting = case("regression")
    rows = list(setting.rows.encoded)
    rows[ROW] = type(rows[ROW])(rows[ROW].windows, rows[ROW].types, float("inf"))
    setting.rows = Rows(rows, *[getattr(setting.rows, f) for f in ("sources", "targets", "pad_id", "pad_side")])
    return setting


def run(setting: Case, folder: Path, on_event: Callable[[Event], None] = lambda _: None, **tune: Any) -> Any:
    return fit(folder=folder, on_event=on_event, **setting.inputs(**{**SETTINGS, **tune}))


class StopWhenLeftOut:
    """SIGTERM as soon as an update is left out; keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
            if "not a finite number" in event.text:
                os.kill(os.getpid(), signal.SIGTERM)


def state(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(folder / "tune" / "checkpoints" / str(step) / "state.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


def test_skipped_it_moves_nothing_is_recorded_and_said(case: Cases, tmp_path: Path) -> None:
    listen = StopWhenLeftOut()
    with pytest.raises(Interrupted) as caught:
        run(poisoned(case), tmp_path / "cut", listen, non_finite="skip", save_every=1)
    step = caught.value.step
    assert same(state(tmp_path / "cut", step), state(tmp_path / "cut", step - 1)), "weights, moments and average stand still"
    assert listen.notes[-1] == f"the loss is not a finite number at step {step} (made.csv:9): this update is left out"
    run(poisoned(case), tmp_path / "cut", non_finite="skip", save_every=1)
    run(poisoned(case), tmp_path / "whole", non_finite="skip", save_every=1)
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")
    left = [x for x in lines(tmp_path / "whole") if "left_out" in x]
    assert [x["left_out"] for x in left] == ["loss"] * 2 and all(x["where"] == ["made.csv:9"] for x in left)  # 2 epochs
    assert left[0]["step"] == step and [x["back_to"] for x in left] == [x["step"] - 1 for x in left]
    course = learning.read(tmp_path / "whole" / "tune")
    assert course.left_out == 2 and len(course.updates) == 14
    assert "2 updates were left out" in learning.learning(course, 4, "auto").summary


def test_rolled_back_it_takes_up_the_last_regular_checkpoint_whatever_was_saved_since(case: Cases, tmp_path: Path) -> None:
    run(poisoned(case), tmp_path / "whole", non_finite="roll_back")
    left = [x for x in lines(tmp_path / "whole") if "left_out" in x]
    assert len(left) == 2 and all(x["back_to"] == (x["step"] - 1) // 3 * 3 for x in left)
    far = max(left, key=lambda x: x["step"] - x["back_to"])
    assert far["step"] - far["back_to"] > 1, "or it would be a skip"
    for step in range(far["back_to"] + 1, far["step"]):  # each of these stops leaves a checkpoint that is not regular
        with pytest.raises(Interrupted):
            run(poisoned(case), tmp_path / "cut", StopAt(step), non_finite="roll_back")
    regular, listen = state(tmp_path / "cut", far["back_to"]), StopWhenLeftOut()
    with pytest.raises(Interrupted):
        run(poisoned(case), tmp_path / "cut", listen, non_finite="roll_back")
    assert f"back to the weights after step {far['back_to']}, without the updates since" in listen.notes[-1]
    assert same(state(tmp_path / "cut", far["step"]), regular)
    run(poisoned(case), tmp_path / "cut", non_finite="roll_back")
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_a_damaged_checkpoint_that_it_may_go_back_to_is_made_again(case: Cases, tmp_path: Path) -> None:
    run(poisoned(case), tmp_path / "whole", non_finite="roll_back")
    far = max((x for x in lines(tmp_path / "whole") if "left_out" in x), key=lambda x: x["step"] - x["back_to"])
    with pytest.raises(Interrupted):
        run(poisoned(case), tmp_path / "cut", StopAt(far["step"] - 1), non_finite="roll_back")
    regular = tmp_path / "cut" / "tune" / "checkpoints" / str(far["back_to"])
    flip(regular / "state.safetensors", 4321)
    notes: list[Event] = []
    run(poisoned(case), tmp_path / "cut", notes.append, non_finite="roll_back")
    assert any(f"may have to go back to checkpoint {far['back_to']}" in e.text for e in notes if isinstance(e, Note))
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_without_a_rhythm_of_its_own_it_saves_at_each_validation(case: Cases, tmp_path: Path) -> None:
    run(poisoned(case), tmp_path, non_finite="roll_back", save_every="auto")
    assert all(x["back_to"] == (x["step"] - 1) // 4 * 4 for x in lines(tmp_path) if "left_out" in x)


def test_ten_in_a_row_stop_it_and_a_stop_in_between_does_not_add_to_them(case: Cases, tmp_path: Path) -> None:
    from_then_on = {"broken": False}
    stop = StopWhenLeftOut()

    def listen(event: Event, stops: bool = False) -> None:
        from_then_on["broken"] |= isinstance(event, Progress)
        if stops:
            stop(event)

    def tune(folder: Path, listen: Callable[[Event], None]) -> None:
        inputs = case("regression").inputs(**{**SETTINGS, "non_finite": "skip", "epochs": 4.0})
        inputs["model"].register_forward_hook(
            lambda m, args, out: out * float("nan") if m.training and from_then_on["broken"] else out)
        fit(folder=folder, on_event=listen, **inputs)

    with pytest.raises(TrainingError, match=r"train\.non_finite"):
        tune(tmp_path / "whole", listen)
    assert len([x for x in lines(tmp_path / "whole") if "left_out" in x]) == nonfinite.MOST
    from_then_on["broken"] = False
    with pytest.raises(Interrupted):
        tune(tmp_path / "cut", partial(listen, stops=True))
    with pytest.raises(TrainingError, match=r"train\.non_finite"):
        tune(tmp_path / "cut", listen)
    assert (tmp_path / "cut/tune/metrics.jsonl").read_bytes() == (tmp_path / "whole/tune/metrics.jsonl").read_bytes()


@pytest.mark.parametrize("policy", ["stop", "skip", "roll_back"])
def test_weights_that_are_not_finite_are_never_saved(policy: str, case: Cases, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train\.non_finite") as caught:
        run(case("regression"), tmp_path, learning_rate=3e38, head_learning_rate=3e38, clip=0.0, optimizer="sgd",
            weight_decay=0.0, warmup=0.0, non_finite=policy, save_every=1)
    assert "a weight is not a finite number" in str(caught.value)
    saved = [load_file(p) for p in (tmp_path / "tune").rglob("state.safetensors")]
    assert all(bool(torch.isfinite(v).all()) for one in saved for v in one.values())
    assert len(saved) == (policy == "roll_back"), "the beginning, which it could have gone back to"

