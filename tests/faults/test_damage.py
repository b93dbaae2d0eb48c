"""Single bits that turn, files that are cut, emptied or gone, in all that a run goes on from: found, said, and the same
bytes in the end; or an error that names the file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuning_case import Case, StopAt, digest, flip
from weitiao.core.errors import RunError
from weitiao.events import Event, Note
from weitiao.tuning import Interrupted, fit

SETTINGS = {"evaluate_every": 4, "save_every": 3}
FILES = ("state.safetensors", "state.json", "MANIFEST.json")


@pytest.fixture(scope="module")
def case(tiny_folder: Path, tiny_tokenizer: Any) -> Case:
    return Case(tiny_folder, tiny_tokenizer)


def tune(case: Case, folder: Path, on_event: Any = lambda _: None, **more: Any) -> list[str]:
    """What was noted."""
    seen: list[Event] = []

    def listen(event: Event) -> None:
        seen.append(event)
        on_event(event)

    fit(folder=folder, on_event=listen, **case.inputs(**{**SETTINGS, **more}))
    return [e.text for e in seen if isinstance(e, Note)]


@pytest.fixture(scope="module")
def whole(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    tune(case, folder)
    return folder


@pytest.fixture(scope="module")
def cut(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped after step 11: checkpoints 9 and 11, the best weights of step 8."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.raises(Interrupted):
        tune(case, folder, StopAt(11))
    assert sorted(p.name for p in (folder / "tune" / "checkpoints").iterdir()) == ["11", "9"]
    return folder


@pytest.fixture
def run(cut: Path, tmp_path: Path) -> Path:
    shutil.copytree(cut, tmp_path / "run")
    return tmp_path / "run"


def damages(path: Path) -> Iterator[str]:
    """The file in many wrong forms, one after another; the last one is none at all."""
    data = path.read_bytes()
    for bit in {0, 7, 8 * len(data) - 1, *range(5, 8 * len(data), max(1, len(data) // 3))}:
        flip(path, bit)
        yield f"bit {bit}"
        path.write_bytes(data)
    for size in (len(data) - 1, len(data) // 2, 0):
        path.write_bytes(data[:size])
        yield f"{size} bytes"
    path.write_bytes(data + b"\n")
    yield "one byte more"
    path.unlink()
    yield "none"


@pytest.mark.parametrize("name", FILES)
def test_of_a_damaged_checkpoint_the_one_before_is_used(name: str, run: Path, whole: Path, case: Case) -> None:
    flip(run / "tune" / "checkpoints" / "11" / name, 99)
    notes = tune(case, run)
    assert notes[:2] == ["checkpoint 11 is damaged: going on from the one before it", "going on after step 9"]
    assert digest(run) == digest(whole)


def test_of_all_damaged_it_begins_anew_and_says_what_to_do(run: Path, whole: Path, case: Case) -> None:
    for step, name in (("9", "MANIFEST.json"), ("11", "state.json")):
        (run / "tune" / "checkpoints" / step / name).write_bytes(b"")
    notes = tune(case, run)
    assert notes[0] == "checkpoint 11 is damaged: going on from the one before it" and "look at the disk" in notes[1]
    assert digest(run) == digest(whole)


@pytest.mark.parametrize("name", FILES)
def test_damaged_best_weights_are_found_when_the_run_goes_on_and_made_again(name: str, run: Path, whole: Path, case: Case) -> None:
    flip(run / "tune" / "best" / name, 99)
    notes = tune(case, run)
    assert all("comes after the best step, whose weights are damaged" in note for note in notes[:2])
    assert "beginning anew" in notes[1] and digest(run) == digest(whole)


def test_the_checkpoint_of_the_best_step_holds_them_too(whole: Path, case: Case, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        tune(case, tmp_path, StopAt(9))
    shutil.rmtree(tmp_path / "tune" / "checkpoints" / "9")
    with pytest.raises(Interrupted):  # from 6 on, with a stop at the best step
        tune(case, tmp_path, StopAt(8))
    with pytest.raises(Interrupted):
        tune(case, tmp_path, StopAt(9))
    flip(tmp_path / "tune" / "best" / "state.safetensors", 999)
    assert "going on after step 8" in tune(case, tmp_path) and digest(tmp_path) == digest(whole)


def test_after_the_end_best_weights_are_made_again_too(whole: Path, case: Case, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    flip(tmp_path / "run" / "tune" / "best" / "state.safetensors", 999)
    assert tune(case, tmp_path / "run")[0] == "the best weights are damaged: they are made again"
    assert digest(tmp_path / "run") == digest(whole)
    outcome = tmp_path / "run" / "tune" / "outcome.json"
    kept = outcome.read_bytes()
    flip(outcome, 100)
    assert "outcome.json" in tune(case, tmp_path / "run")[0] and outcome.read_bytes() == kept


def test_every_bit_of_the_plan_counts(run: Path, case: Case) -> None:
    path = run / "tune" / "plan.json"
    for how in damages(path):
        with pytest.raises(RunError) as caught:
            tune(case, run)
        assert caught.value.code in ("run.damaged", "run.unreadable") and caught.value.where == str(path), how


def test_a_damaged_head_is_fitted_again(case: Case, tmp_path: Path) -> None:
    tune(case, tmp_path / "whole", head_start="probe")
    with pytest.raises(Interrupted):
        tune(case, tmp_path / "cut", StopAt(2), head_start="probe")
    shutil.rmtree(tmp_path / "cut" / "tune" / "checkpoints")  # as if it had been killed before its first one
    head = tmp_path / "cut" / "tune" / "head.safetensors"
    kept = head.read_bytes()
    flip(head, 8 * len(kept) - 1)
    assert tune(case, tmp_path / "cut", head_start="probe")[0] == "the head's first weights were damaged: they are fitted again"
    assert head.read_bytes() == kept and digest(tmp_path / "cut") == digest(tmp_path / "whole")
