"""At each call of a save that changes files the process dies, or the disk is full: what was there stays, nothing
half-written lies under a final name, and the run goes on to the same bytes."""

from __future__ import annotations

import errno
import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from calls import DISK_ERRORS, Refuse, die, in_a_fork, watched, work_watched
from killing import FORKS, Runs, digest, unfinished
from target import KINDS, work

from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.tuning import checkpoint

# -- one save, call by call ----------------------------------------------------------------------------------------------


class Save(NamedTuple):
    """What is there before, what is saved (step 15), and how the step is read that one could go on from."""

    before: Callable[[Path], None]
    save: Callable[[Path], None]
    read: Callable[[Path], int]


def tensors(step: int) -> dict[str, torch.Tensor]:
    return {"master/w": torch.arange(60.0) + step}


def numbered(folder: Path, *steps: int) -> None:
    for step in steps:
        checkpoint.save(folder, step, tensors(step), {"step": step})


def best(folder: Path, step: int) -> None:
    checkpoint.write(folder / "best", tensors(step), {"step": step})


def newest(folder: Path) -> int:
    found = checkpoint.newest(folder, lambda _: "", lambda _: None)
    assert found is not None and torch.equal(found.tensors["master/w"], tensors(found.step)["master/w"])
    return found.step


def step_of_best(folder: Path) -> int:
    found, state = checkpoint.read(folder / "best")
    assert torch.equal(found["master/w"], tensors(state["step"])["master/w"])
    return int(state["step"])


SAVES = {
    "checkpoint": Save(lambda f: numbered(f, 5, 10), lambda f: numbered(f, 15), newest),
    "best": Save(lambda f: best(f, 10), lambda f: best(f, 15), step_of_best),
    "json": Save(lambda f: files.write_sealed(f / "x", {"step": 10}), lambda f: files.write_sealed(f / "x", {"step": 15}),
                 lambda f: int(files.read_sealed(f / "x")["step"])),
}


def each_call(name: str, scratch: Path) -> None:
    """In a process without threads, which may fork: writes the calls and what went wrong to `<name>.json`."""
    what, wrong = SAVES[name], list[str]()
    what.before(scratch / "old")
    shutil.copytree(scratch / "old", scratch / "whole")
    with watched(scratch / "whole") as seen:
        what.save(scratch / "whole")
    want, acts = digest(scratch / "whole"), {"dies": (die, False)}
    acts |= {errno.errorcode[n]: (Refuse(n), False) for n in DISK_ERRORS} | {"stays full": (Refuse(errno.ENOSPC), True)}
    for number, call in enumerate(seen):
        for how, (act, lasts) in acts.items():
            folder = scratch / f"{number}-{how}"
            shutil.copytree(scratch / "old", folder)

            def saved(folder: Path = folder, at: int = number, act: Callable[[], None] = act, lasts: bool = lasts) -> int:
                try:
                    with watched(folder, at, act, lasts):
                        what.save(folder)
                except RunError as e:
                    if not lasts:  # else what was set aside could not be put back: `sweep` does
                        what.read(folder)  # at once, and in the same process
                    return 5 if e.code == "disk.write_failed" else 6
                return 0

            code = in_a_fork(saved)
            try:
                files.sweep(folder)
                step = what.read(folder)
                what.save(folder)
                fine = code in ((9,) if act is die else (0, 5)) and step in (10, 15)
                fine = fine and digest(folder) == want and not unfinished(folder) and (step == 15 or code)
            except Exception as e:
                fine, how = False, f"{how}: {e}"
            if not fine:
                wrong.append(f"{number} {call} {how}: exit code {code}")
            shutil.rmtree(folder)
    (scratch / "told.json").write_text(json.dumps({"calls": seen, "wrong": wrong}))


@pytest.mark.parametrize("name", SAVES)
def test_a_save_is_whole_or_not_there_whichever_call_is_its_last(name: str, tmp_path: Path) -> None:
    process = FORKS.Process(target=each_call, args=(name, tmp_path))
    process.start()
    process.join()
    told = json.loads((tmp_path / "told.json").read_text())
    assert not told["wrong"]
    kinds = {call.split()[0] for call in told["calls"]}
    assert kinds >= ({"open", "write", "fsync", "chmod", "replace"} if name == "json" else
                     {"open", "write", "fsync", "mkdir", "rename", "unlink", "rmdir"})


# -- a whole run, call by call -------------------------------------------------------------------------------------------


def survive_calls(runs: Runs, every: int) -> int:
    """The run dies at every so-manieth call, and meets a full disk at the one behind it; gives the number of calls."""
    told = runs.scratch / "told"
    run = runs.new()
    runs.run_alone(work_watched, run, told)
    names = told.read_text().splitlines()
    for at in range(every // 2, len(names), every):
        run = runs.new()
        for act, lasts, codes in ((die, False, {9}), (Refuse(DISK_ERRORS[at % 3]), bool(at % 2), {0, 5})):
            process = FORKS.Process(target=work_watched, args=(run, told, at, act, lasts))
            process.start()
            process.join()
            error = run.parent / f"{run.name}-0.error"
            assert process.exitcode in codes, (at, names[at], process.exitcode)
            if process.exitcode == 5:
                said = json.loads(error.read_text())
                assert said["code"] == "disk.write_failed" and "free some space" in said["fix"], (at, names[at], said)
        assert digest(runs.finished(run)) == runs.want and not unfinished(run), (at, names[at])
        shutil.rmtree(run)
    return len(names)


def test_a_run_goes_on_whichever_call_was_its_last(tiny_folder: Path, tmp_path: Path) -> None:
    runs = Runs("classification", str(tiny_folder), 1, tmp_path)
    assert survive_calls(runs, every=400) > 500


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_whichever_of_many_calls_was_its_last(kind: str, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    survive_calls(Runs(kind, str(tiny_folders[KINDS[kind].base]), 1, tmp_path), every=23)


# -- what libraries write that are not Python's ------------------------------------------------------------------------


def work_with_small_files(run: Path, most: int) -> None:
    """The system itself refuses a file above `most` bytes, whoever writes it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    work(run, {})


def test_a_full_disk_in_every_library_is_one_error(tiny_folder: Path, tmp_path: Path) -> None:
    runs = Runs("classification", str(tiny_folder), 1, tmp_path)
    run = runs.new()
    for most, name in ((100_000, "checkpoints/1"), (20_000, "best"), (2_000, "tune")):
        process = FORKS.Process(target=work_with_small_files, args=(run, most))
        process.start()
        process.join()
        said = json.loads((tmp_path / f"{run.name}-0.error").read_text())
        assert (process.exitcode, said["code"]) == (5, "disk.write_failed"), (name, said)
    shutil.rmtree(runs.finished(run) / "model")  # as if it had been killed before that was there
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["stages"]["tune"], manifest["stages"]["evaluate"], manifest["stages"]["report"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    for most in (100_000, 10_000):  # the weights, then the tokenizer
        process = FORKS.Process(target=work_with_small_files, args=(run, most))
        process.start()
        process.join()
        said = json.loads((tmp_path / f"{run.name}-0.error").read_text())
        assert (process.exitcode, said["code"]) == (5, "disk.write_failed") and said["where"].endswith("model"), said
    assert digest(runs.finished(run)) == runs.want and not unfinished(run)
