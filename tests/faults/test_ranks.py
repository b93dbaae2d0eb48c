"""Several processes tune what one would: the same gradients, validations and weights; and one that is gone is named."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import rank_target
import torch
from forks import FORKS, wait_for
from safetensors.torch import load_file

from weitiao.core import files
from weitiao.tuning.ranks import Ranks


def tune(model: Path, out: Path, size: int, does: dict[int, str] | None = None, seconds: float = 60, **settings: Any) -> None:
    """Run all ranks to their end."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    out.mkdir(exist_ok=True)
    job = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WEITIAO_RANK_SECONDS": str(seconds)}
    ranks = [FORKS.Process(target=rank_target.run, args=(model, out, {**job, "RANK": str(i)}, settings, does or {}))
             for i in range(size)]
    for process in ranks:
        process.start()
    ranks[0].join()
    for process in ranks[1:]:
        process.join(10)
        process.kill()


def curve(out: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in (out / "tune" / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def alone(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, in passes of the size that two ranks take."""
    out = tmp_path_factory.mktemp("ranks") / "one"
    tune(tiny_folder, out, 1, micro_batch_size=7)
    return out


@pytest.mark.parametrize(("size", "micro"), [(2, 14), (2, 2), (4, 3)])
def test_several_ranks_learn_what_one_does(size: int, micro: int, alone: Path, tiny_folder: Path, tmp_path: Path) -> None:
    tune(tiny_folder, tmp_path / "r", size, micro_batch_size=micro)
    got, want = curve(tmp_path / "r"), curve(alone)
    assert [x["step"] for x in got] == [x["step"] for x in want] == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10]
    for a, b in zip(got, want, strict=True):
        if "validation" in b:
            assert a["validation"] == pytest.approx(b["validation"], rel=1e-4)
        else:
            assert (a["loss"], a["gradient_norm"], a["rows"]) == pytest.approx((b["loss"], b["gradient_norm"], b["rows"]), rel=1e-3)
    weights, wanted = (load_file(f / "tune" / "checkpoints" / "10" / "state.safetensors") for f in (tmp_path / "r", alone))
    for name in (n for n in wanted if n.startswith("master/")):
        torch.testing.assert_close(weights[name], wanted[name], rtol=1e-3, atol=1e-4)
    last = [load_file(tmp_path / "r" / f"rank-{i}.safetensors") for i in range(1, size)]
    for other in last[1:]:
        assert all(torch.equal(other[n], last[0][n]) for n in other), "ranks end with other bytes"


def test_bytes_are_the_same_after_a_stop_and_other_numbers_of_ranks_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    tune(tiny_folder, tmp_path / "whole", 2)
    tune(tiny_folder, tmp_path / "parted", 2, does={1: "die"})
    assert not (tmp_path / "parted" / "tune" / "outcome.json").exists()
    tune(tiny_folder, tmp_path / "parted", 1)
    assert json.loads((tmp_path / "parted" / "rank-0.json").read_text())["code"] == "run.inexact"
    tune(tiny_folder, tmp_path / "parted", 2)
    for name in ("checkpoints/10/state.safetensors", "best/state.safetensors", "metrics.jsonl"):
        one, other = (files.sha256(tmp_path / run / "tune" / name) for run in ("whole", "parted"))
        assert one == other, name


@pytest.mark.parametrize(("does", "seconds", "code"), [("die", 60, "train.rank_lost"), ("hang", 3, "train.rank_lost"),
                                                       ("drift", 60, "train.ranks_apart")])
def test_a_rank_that_goes_its_own_way_ends_the_job(does: str, seconds: float, code: str, tiny_folder: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    tune(tiny_folder, tmp_path / "r", 2, does={1: does}, seconds=seconds)
    told = json.loads((tmp_path / "r" / "rank-0.json").read_text())
    assert (told["code"], told["where"]) == (code, f"rank 1 ({socket.gethostname()})")
    assert time.monotonic() - begun < rank_target.HANGS / 2
    assert (tmp_path / "r" / "tune" / "checkpoints" / "2").is_dir() and not (tmp_path / "r" / "tune" / "outcome.json").exists()


def told(out: Path) -> list[Any]:
    return [json.loads((out / f"rank-{i}.json").read_text()) for i in range(2)]


def test_a_loss_of_one_rank_that_is_no_number_stops_all_with_its_rows(tiny_folder: Path, tmp_path: Path) -> None:
    tune(tiny_folder, tmp_path / "r", 2, does={1: "overflow"})
    assert [x["code"] for x in told(tmp_path / "r")] == ["train.non_finite"] * 2
    assert all(x["where"].startswith("made.csv:") for x in told(tmp_path / "r"))


def test_or_is_left_out_by_all(tiny_folder: Path, tmp_path: Path) -> None:
    tune(tiny_folder, tmp_path / "r", 2, does={1: "overflow"}, non_finite="skip")
    assert [x["step"] for x in curve(tmp_path / "r") if "left_out" in x] == [4] and curve(tmp_path / "r")[-1]["step"] == 10
    assert any("this update is left out" in note for note in told(tmp_path / "r")[1])


def test_a_pass_of_one_rank_that_does_not_fit_is_halved_on_all(alone: Path, tiny_folder: Path, tmp_path: Path) -> None:
    tune(tiny_folder, tmp_path / "r", 2, does={1: "full"}, micro_batch_size=7)
    assert all(any("3 rows a forward pass now, batches as before" in note for note in notes) for notes in told(tmp_path / "r"))
    got, want = ([(x["step"], x["loss"], x["rows"]) for x in curve(run) if "loss" in x] for run in (tmp_path / "r", alone))
    assert got == [pytest.approx(x, rel=1e-3) for x in want]


def test_all_that_are_left_name_the_same_rank(tiny_folder: Path, tmp_path: Path) -> None:
    """Though they end one after the other, each by the end of its neighbour."""
    tune(tiny_folder, tmp_path / "r", 4, does={2: "die"})
    told = [json.loads((tmp_path / "r" / f"rank-{i}.json").read_text()) for i in (0, 1, 3)]
    assert {(x["code"], x["where"]) for x in told} == {("train.rank_lost", f"rank 2 ({socket.gethostname()})")}


def test_alone_nothing_is_summed() -> None:
    ranks, parameter = Ranks(), torch.nn.Parameter(torch.ones(2))
    ranks.add_up([parameter])
    assert ranks.total(2.5) == 2.5 and ranks.same("x") == "x" and ranks.gather(1) == [1] and parameter.grad is None
    assert all(ranks.own(i) for i in range(3))


# -- the command --------------------------------------------------------------------------------------------------------

SAME = ("best/state.safetensors", "metrics.jsonl")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WEITIAO_RANK_SECONDS": "60"}


@pytest.fixture
def begin(tiny_folder: Path, tmp_path: Path) -> list[str]:
    """`weitiao tune` on a made-up file, but for --out and --nproc."""
    r = random.Random(0)
    rows = [{"text": f"{r.choice(['good', 'great'] if y else ['bad', 'sad'])} {i}", "label": "yes" if y else "no"}
            for i in range(200) for y in (0, 1)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(x) + "\n" for x in rows))
    return ["tune", str(tmp_path / "rows.jsonl"), "--model", str(tiny_folder), "--json", "--set", "tune.epochs=40",
            "--set", "tune.save_every=5", "--set", 'evaluate.baselines=["majority"]', "--set", "evaluate.resamples=100"]


def others(process: subprocess.Popen[str]) -> list[int]:
    """The further ranks of a running command."""
    listed = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid=,args="], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "weitiao.together" in line]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "says"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSTOP, "no sign of life")])
def test_the_command_names_the_rank_that_is_lost_and_can_go_on(number: signal.Signals, says: str, begin: list[str],
                                                               tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-m", "weitiao", *begin, "--out", str(out), "--nproc", "2"], text=True,
                               stdout=subprocess.PIPE, env=ENVIRONMENT)
    wait_for(out / "tune" / "checkpoints" / "5")
    os.kill(others(process)[0], number)
    told = json.loads(process.communicate(timeout=400)[0])["error"]
    assert (process.returncode, told["code"]) == (6, "train.rank_lost") and says in told["what"]
    assert told["where"] in ("rank 1", f"rank 1 ({socket.gethostname()})")
    done = subprocess.run([sys.executable, "-m", "weitiao", "tune", "--resume", str(out), "--nproc", "2", "--json"],
                          capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0 and json.loads(done.stdout)["scores"]["metrics"][0]["value"] > 0.9, done.stdout


@pytest.mark.slow
def test_a_stop_reaches_all_ranks(begin: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-m", "weitiao", *begin, "--out", str(out), "--nproc", "2"], text=True,
                               stdout=subprocess.PIPE, env=ENVIRONMENT)
    wait_for(out / "tune" / "checkpoints" / "5")
    children = others(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 75 and children
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


@pytest.mark.slow
def test_torchrun_starts_the_same_entry(begin: list[str], tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "weitiao", *begin,
                           "--out", str(tmp_path / "run")], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scores"]["n"] == 80, "one process speaks"
    assert files.read_json(tmp_path / "run" / "tune" / "plan.json")["fingerprint"]["ranks"] == 2
    again = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "weitiao", "tune",
                            "--resume", str(tmp_path / "run"), "--json"], capture_output=True, text=True, env=ENVIRONMENT)
    assert again.returncode == 0 and json.loads(again.stdout) == json.loads(done.stdout), "nothing is left to tune"


@pytest.mark.slow
def test_a_lost_rank_restarts_the_job_as_often_as_asked(begin: list[str], tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    command = [sys.executable, "-m", "weitiao", *(x for x in begin if x != "--json"), "--set", "tune.steps=60", "--nproc", "2"]
    subprocess.run([*command, "--out", str(whole)], check=True, capture_output=True, env=ENVIRONMENT)
    process = subprocess.Popen([*command, "--out", str(parted), "--max-restarts", "1"], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=ENVIRONMENT)
    wait_for(parted / "tune" / "checkpoints" / "5")
    os.kill(others(process)[0], signal.SIGKILL)
    told = process.communicate(timeout=900)[0]
    assert process.returncode == 0 and "restart 1 of at most 1" in told and "going on after step" in told, told
    assert [files.sha256(whole / "tune" / name) for name in SAME] == [files.sha256(parted / "tune" / name) for name in SAME]


@pytest.mark.slow
def test_torchrun_restarts_go_on_by_themselves(begin: list[str], tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1", "-m", "weitiao",
               *begin, "--set", "tune.steps=60", "--out"]
    subprocess.run([*command, str(whole)], check=True, capture_output=True, env=ENVIRONMENT)
    process = subprocess.Popen([*command, str(parted)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    wait_for(parted / "tune" / "checkpoints" / "5")
    listed = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid=,args="], capture_output=True, text=True).stdout
    ranks = [int(line.split()[0]) for line in listed.splitlines() if "weitiao" in line]
    os.kill(ranks[0], signal.SIGKILL)  # rank 0, which holds the run
    said, wrong = process.communicate(timeout=900)
    assert process.returncode == 0, wrong
    last = said[said.rindex("\n{"):] if "\n{" in said else said  # before it the rank that was left told of the lost one
    assert json.loads(last)["scores"]["n"] > 0
    assert [files.sha256(whole / "tune" / name) for name in SAME] == [files.sha256(parted / "tune" / name) for name in SAME]
