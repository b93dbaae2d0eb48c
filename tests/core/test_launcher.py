"""What launchers say by the environment, as each of them says it."""

from __future__ import annotations

import os

import pytest

from weitiao.core import launcher, network
from weitiao.core.errors import RecipeError

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT",
         "TORCHELASTIC_MAX_RESTARTS", "WEITIAO_RANK_SECONDS")
BATCH = {"SLURM_JOB_ID": "200505", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
         "SLURM_JOB_NODELIST": "gnode[10,20]"}
STEP = {**BATCH, "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_STEP_ID": "2", "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "gnode[10,20]"}
POD = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "tune-master-0", "MASTER_PORT": "23456"}  # what PyTorchJob sets


def of(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> tuple[int, int, int]:
    for name in [*NAMES, *(n for n in os.environ if n.startswith("SLURM_"))]:
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return launcher.rank(), launcher.size(), launcher.local_rank()


@pytest.mark.parametrize(("values", "place"), [
    ({}, (0, 1, 0)), (POD, (1, 2, 0)), ({**POD, "LOCAL_RANK": "1"}, (1, 2, 1)), (STEP, (3, 4, 1)),
    (BATCH, (0, 1, 0)),  # the script of sbatch itself is no step of srun: it is alone
    ({**STEP, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, (0, 1, 0)),
    ({**STEP, **POD}, (1, 2, 0)),  # torchrun in a step of srun
], ids=["alone", "pod", "torchrun", "srun", "sbatch", "srun of one", "torchrun in srun"])
def test_who_this_process_is(values: dict[str, str], place: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert of(monkeypatch, values) == place


def test_a_step_of_srun_meets_on_its_first_host(monkeypatch: pytest.MonkeyPatch) -> None:
    of(monkeypatch, STEP)
    told = launcher.environment()
    assert told == {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "gnode10", "MASTER_PORT": "15507"}
    with launcher.told(told):
        assert launcher.environment() == {} and launcher.rank() == 3
    assert "RANK" not in os.environ
    of(monkeypatch, {**STEP, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4000"})
    assert (launcher.environment()["MASTER_ADDR"], launcher.environment()["MASTER_PORT"]) == ("10.0.0.1", "4000")


@pytest.mark.parametrize(("listed", "first"), [
    ("node7", "node7"), ("node7,node9", "node7"), ("gpu[03-05,9],login", "gpu03"), ("rack[1-2]n[4,6]", "rack1n4"),
    ("a-b[007]", "a-b007"), ("x[2,5]y,z", "x2y")])
def test_the_first_of_a_list_of_hosts(listed: str, first: str) -> None:
    assert launcher.first_host(listed) == first


@pytest.mark.parametrize(("values", "name"), [
    ({"WORLD_SIZE": "two"}, "WORLD_SIZE"), ({"WORLD_SIZE": "2"}, "RANK"), ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK"),
    ({"WORLD_SIZE": "0"}, "WORLD_SIZE"), ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK")])
def test_what_makes_no_sense_is_refused(values: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError) as e:
        of(monkeypatch, values)
    assert (e.value.code, e.value.where) == ("ranks.bad_environment", name)


@pytest.mark.parametrize("said", ["soon", "0", "nan", "-5"])
def test_a_patience_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of(monkeypatch, {"WEITIAO_RANK_SECONDS": said})
    with pytest.raises(RecipeError, match="WEITIAO_RANK_SECONDS"):
        launcher.patience()


def test_a_job_that_was_started_again_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    of(monkeypatch, {"TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_MAX_RESTARTS": "2"})
    assert not launcher.restarted() and launcher.may_restart()
    for name in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"):
        of(monkeypatch, {name: "1"})
        assert launcher.restarted()


def test_the_interface_is_that_of_the_route() -> None:
    assert network.interface("127.0.0.1") == "lo"
    assert network.interface("no-such-host.invalid") == ""
