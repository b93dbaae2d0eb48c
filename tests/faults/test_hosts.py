"""Two hosts, each a network namespace with a name of its own: they tune what one machine does, and one that is killed
or cut off is named by the other."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import host_target
import pytest
from forks import FORKS, wait_for

from weitiao.core import files

PATIENCE = 60
PORT = 29417
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WEITIAO_RANK_SECONDS": str(PATIENCE)}
SAME = ("checkpoints/50/state.safetensors", "best/state.safetensors", "metrics.jsonl")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Command:
    """`weitiao …` in a process of its own."""

    def __init__(self, said: Path, network: str, name: str, environment: dict[str, str], words: Sequence[str],
                 hidden: str) -> None:
        self.said = said
        self.process = FORKS.Process(target=host_target.run, args=(network, name, environment, words, said, hidden))
        self.process.start()

    def kill(self) -> None:
        self.process.kill()

    def ended(self) -> tuple[int | None, dict[str, Any]]:
        """Exit code and error of a command that ends by itself; rank 1 of a run that went well says nothing."""
        self.process.join(300)
        said = self.said.read_text()
        return self.process.exitcode, json.loads(said or "{}").get("error", {})


class Hosts:
    """host-a (rank 0, 10.77.0.1) and host-b (rank 1, 10.77.0.2), joined by one cable."""

    def __init__(self) -> None:
        self.names = [f"wt{x}{os.getpid()}" for x in "ab"]

    def build(self) -> None:
        a, b = self.names
        for name in self.names:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", a, "type", "veth", "peer", "name", "cable", "netns", b)
        for number, name in enumerate(self.names, 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "cable")
            for link in ("lo", "cable"):
                ip("-n", name, "link", "set", link, "up")

    def start(self, rank: int, folder: Path, *words: str, hidden: str = "", **more: str) -> Command:
        """A command on a host, started as an operator of Kubernetes would; what it says lands in `folder`."""
        job = {**ENVIRONMENT, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "10.77.0.1", "MASTER_PORT": str(PORT), **more}
        return Command(folder / f"said-{rank}", self.names[rank], f"host-{'ab'[rank]}", job, words, hidden)

    def cut(self) -> None:
        ip("-n", self.names[1], "link", "set", "cable", "down")

    def mend(self) -> None:
        ip("-n", self.names[1], "link", "set", "cable", "up")

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if not shutil.which("ip"):
        pytest.skip("needs ip (iproute2)")
    made = Hosts()
    try:
        made.build()
    except subprocess.CalledProcessError as e:
        made.remove()
        pytest.skip(f"network namespaces cannot be had here (they need root): {e.stderr.strip()}")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def begin(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """`weitiao tune` on a made-up file, but for --out: 50 updates."""
    r = random.Random(0)
    rows = [{"text": f"{r.choice(['good', 'great'] if y else ['bad', 'sad'])} {i}", "label": "yes" if y else "no"}
            for i in range(100) for y in (0, 1)]
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps(x) + "\n" for x in rows))
    settings = ["tune.steps=50", "tune.save_every=5", "tune.batch_size=8", "tune.micro_batch_size=4", "tune.evaluate_every=10",
                "model.dropout=0", 'evaluate.baselines=["majority"]', "evaluate.resamples=100"]
    return ["tune", str(path), "--model", str(tiny_folder), "--json", *(x for s in settings for x in ("--set", s))]


def here(begin: list[str], out: Path, size: int) -> Path:
    """The same by so many processes of this machine."""
    job = {**ENVIRONMENT, "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(PORT)}
    commands = [Command(out.with_name(f"said-{rank}"), "", "", {**job, "RANK": str(rank)}, [*begin, "--out", str(out)], "")
                for rank in range(size)]
    assert [x.ended() for x in commands] == [(0, {})] * size
    return out


@pytest.fixture(scope="module")
def pair(begin: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return here(begin, tmp_path_factory.mktemp("here") / "2", 2)


def both(hosts: Hosts, folder: Path, *words: str) -> list[Command]:
    return [hosts.start(rank, folder, *words) for rank in (0, 1)]


def digests(run: Path) -> list[str]:
    return [files.sha256(run / "tune" / name) for name in SAME]


def losses(run: Path) -> list[float]:
    return [x["loss"] for x in map(json.loads, (run / "tune" / "metrics.jsonl").read_text().splitlines()) if "loss" in x]


@pytest.mark.slow
def test_two_hosts_tune_what_one_machine_does(hosts: Hosts, begin: list[str], pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert [x.ended() for x in both(hosts, tmp_path, *begin, "--out", str(out))] == [(0, {}), (0, {})]
    assert digests(out) == digests(pair)
    assert losses(out) == pytest.approx(losses(here(begin, tmp_path / "one", 1)), rel=1e-3)


def kill(rank: int) -> Callable[[Hosts, list[Command]], None]:
    return lambda _, commands: commands[rank].kill()


@pytest.mark.slow
@pytest.mark.parametrize(("does", "told_by"), [
    (kill(1), {0: "rank 1 (host-b)"}), (kill(0), {1: "rank 0 (host-a)"}),
    (lambda hosts, _: hosts.cut(), {0: "rank 1 (host-b)", 1: "rank 0 (host-a)"})], ids=["kill b", "kill a", "cut"])
def test_a_host_that_is_lost_is_named_and_the_run_goes_on(
        does: Callable[[Hosts, list[Command]], None], told_by: dict[int, str], hosts: Hosts, begin: list[str], pair: Path,
        tmp_path: Path) -> None:
    out = tmp_path / "run"
    commands = both(hosts, tmp_path, *begin, "--out", str(out))
    wait_for(out / "tune" / "checkpoints" / "5")
    does(hosts, commands)
    since = time.monotonic()
    for rank, name in told_by.items():
        code, error = commands[rank].ended()
        assert (code, error["code"], error["where"]) == (6, "train.rank_lost", name), error
    assert time.monotonic() - since < PATIENCE + 30
    assert not (out / "tune" / "outcome.json").exists()
    assert all(commands[rank].ended()[0] == -9 for rank in {0, 1} - set(told_by))
    hosts.mend()
    assert [x.ended() for x in both(hosts, tmp_path, "tune", "--resume", str(out), "--json")] == [(0, {}), (0, {})]
    assert digests(out) == digests(pair)


@pytest.mark.slow
def test_a_job_that_is_started_again_finds_its_run(hosts: Hosts, begin: list[str], pair: Path, tmp_path: Path) -> None:
    """The same command, as torchrun gives it to the processes that it starts after a loss."""
    out = tmp_path / "run"
    commands = both(hosts, tmp_path, *begin, "--out", str(out))
    wait_for(out / "tune" / "checkpoints" / "5")
    commands[0].kill()
    assert [x.ended()[0] for x in commands] == [-9, 6]
    for _ in range(2):  # the second time there is nothing left to tune
        again = [hosts.start(rank, tmp_path, *begin, "--out", str(out), TORCHELASTIC_RESTART_COUNT="1") for rank in (0, 1)]
        assert [x.ended() for x in again] == [(0, {}), (0, {})]
    assert digests(out) == digests(pair)


@pytest.mark.slow
def test_hosts_without_a_shared_folder_are_told_so(hosts: Hosts, begin: list[str], tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    out = str(tmp_path / "local" / "run")
    for command in (hosts.start(0, tmp_path, *begin, "--out", out, WEITIAO_RANK_SECONDS="20"),
                    hosts.start(1, tmp_path, *begin, "--out", out, WEITIAO_RANK_SECONDS="20", hidden=str(tmp_path / "local"))):
        code, error = command.ended()
        assert (code, error["code"], error["where"]) == (5, "ranks.no_shared_folder", out) and "rank 1 (host-b)" in error["what"]


@pytest.mark.slow
def test_a_host_that_comes_alone_is_told_where_it_waited(hosts: Hosts, begin: list[str], tmp_path: Path) -> None:
    code, error = hosts.start(1, tmp_path, *begin, "--out", str(tmp_path / "run"), WEITIAO_RANK_SECONDS="3").ended()
    assert (code, error["code"], error["where"]) == (6, "ranks.no_meeting", "rank 1 (host-b)")
    assert f"10.77.0.1:{PORT}" in error["what"]
