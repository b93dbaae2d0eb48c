"""`weitiao search --workers 2`: a process that is killed costs its trial some time and no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import made
import pytest

from weitiao.core import files
from weitiao.searching.study import Study


@pytest.mark.slow
def test_two_search_at_once_and_one_of_them_is_killed(tiny_folder: Path, tmp_path: Path) -> None:
    made.write(tmp_path / "train.jsonl", 160, 1)
    made.write(tmp_path / "validation.jsonl", 100, 2)
    out = tmp_path / "s"
    recipe = made.recipe(tiny_folder, tmp_path / "train.jsonl", tmp_path / "validation.jsonl")
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    process = subprocess.Popen(
        [sys.executable, "-m", "weitiao", "search", "--recipe", str(tmp_path / "recipe.toml"), "--budget", "120s", "--workers",
         "2", "--no-final", "--out", str(out)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"})
    worker, number = second(process, out)
    os.kill(worker, signal.SIGKILL)
    said = process.communicate(timeout=400)[0]
    assert process.returncode == 0 and "process 2 of the search ended early (SIGKILL)" in said, said
    trials = files.read_json(out / "result.json")["trials"]
    assert trials[number]["state"] in ("done", "pruned") and len(trials) > 2
    assert len({json.dumps(x["settings"], sort_keys=True) for x in trials}) == len(trials)
    attempts = [x.user_attrs.get("attempts", 1) for x in Study(out, {}, {}, maximise=True, seed=0, folds=False).trials]
    assert attempts[number] == 2, attempts


def second(process: subprocess.Popen[str], out: Path) -> tuple[int, int]:
    """The further process and its trial, as soon as there is a checkpoint of it."""
    until = time.monotonic() + 200
    while time.monotonic() < until and process.poll() is None:
        listed = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid=,args="], capture_output=True, text=True).stdout
        for pid in (int(line.split()[0]) for line in listed.splitlines() if "--resume" in line):
            held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH115, PTH208
            for number in (int(Path(x).parent.name) for x in held if x.endswith("/.lock") and "/trials/" in x):
                if (out / "trials" / str(number) / "tune" / "plan.json").exists():
                    return pid, number
        time.sleep(0.05)
    raise AssertionError(f"no further process took a trial: {process.communicate()}")
