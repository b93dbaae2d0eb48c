"""Killed with SIGKILL at random moments, also during saves, the resumed run ends with the bytes of a whole one."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import time
from pathlib import Path
from typing import Any

import kill_target
import pytest

# Each run is a fork of one server that has the imports behind it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["kill_target"])


def start(model: Path, out: Path) -> Any:
    process = FORKS.Process(target=kill_target.run, args=(model, out))
    process.start()
    return process


def finish(model: Path, out: Path) -> dict[str, str]:
    """Run to the end; hashes of weights, moments and history."""
    process = start(model, out)
    process.join()
    assert process.exitcode == 0
    tune = out / "tune"
    assert sorted(p.name for p in tune.iterdir()) == [
        "best", "checkpoints", "costs.json", "head.safetensors", "metrics.jsonl", "outcome.json", "plan.json", "timing.jsonl"], "nothing half-written"
    last = tune / "checkpoints" / "32"
    files = [last / "state.safetensors", last / "state.json", tune / "best" / "state.safetensors",
             tune / "best" / "state.json", tune / "metrics.jsonl", tune / "plan.json"]
    return {str(p.relative_to(tune)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def in_a_save(out: Path) -> bool:
    """Is something there under a temporary name right now?"""
    tune = out / "tune"
    return any(True for folder in (tune, tune / "checkpoints") if folder.is_dir() for _ in folder.glob(".*"))


def kill_somewhere(model: Path, out: Path, dice: random.Random) -> str:
    """Start or resume the run and kill it; "save" when that hit a save."""
    process = start(model, out)
    process.join(dice.uniform(0.1, 1.5))
    if dice.random() < 0.5:  # half of the kills wait for a save to be under way, then for a random part of its time
        while process.is_alive() and not in_a_save(out):
            pass
        time.sleep(dice.uniform(0.0, 0.01))
    during = in_a_save(out)
    process.kill()
    process.join()
    return "save" if during else "step"


def survive(kills: int, model: Path, tmp_path: Path) -> list[str]:
    """Kill that many times, over as many runs as it takes; every one must end like the whole run."""
    want = finish(model, tmp_path / "whole")
    dice, moments, number = random.Random(kills), [], 0
    while len(moments) < kills:
        out = tmp_path / f"killed-{number}"
        number += 1
        for _ in range(min(4, kills - len(moments))):
            moments.append(kill_somewhere(model, out, dice))
            if (out / "tune" / "outcome.json").exists():
                break
        assert finish(model, out) == want
    return moments


def test_three_kills(tiny_folder: Path, tmp_path: Path) -> None:
    survive(3, tiny_folder, tmp_path)


@pytest.mark.slow
def test_forty_kills(tiny_folder: Path, tmp_path: Path) -> None:
    moments = survive(40, tiny_folder, tmp_path)
    print(moments)
    assert "save" in moments and "step" in moments
