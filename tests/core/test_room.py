"""Limits are read where Linux writes them; a made-up root folder stands for the machine."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from weitiao.core import memory, room
from weitiao.core.energy import Meter

GB = 10**9


def machine(root: Path, available_kb: int, cgroup: str = "") -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 24684092 kB\nMemFree: 100 kB\nMemAvailable:   {available_kb} kB\n")
    (root / "proc/self/cgroup").write_text(cgroup)
    return root


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_free_memory_is_what_can_be_had_without_swapping(tmp_path: Path) -> None:
    found = room.memory(machine(tmp_path, 2_000_000))
    assert found is not None and found.bytes == 2_048_000_000 and "free memory" in found.source


def test_a_group_of_version_2_bounds_it_and_so_does_the_one_above(tmp_path: Path) -> None:
    root = machine(tmp_path, 20_000_000, "0::/pod/me\n")
    top = root / "sys/fs/cgroup"
    write(top / "pod/me", memory__max="max", memory__current=3 * GB, memory__stat="anon 1\ninactive_file 1000")
    assert (found := room.memory(root)) is not None and found.bytes == 20_480_000_000
    write(top / "pod", memory__max=4 * GB, memory__current=3 * GB, memory__stat=f"anon 1\ninactive_file {GB // 2}")
    assert (found := room.memory(root)) is not None and found.bytes == 1.5 * GB and "memory.max" in found.source


def test_a_group_of_version_1_counts_and_in_a_container_its_root(tmp_path: Path) -> None:
    root = machine(tmp_path, 20_000_000, "5:devices:/x\n4:cpu,memory:/docker/abc\n0::/\n")
    write(root / "sys/fs/cgroup/memory", memory__limit_in_bytes=2 * GB, memory__usage_in_bytes=GB,
          memory__stat="inactive_file 7\ntotal_inactive_file 5")
    assert (found := room.memory(root)) is not None and found.bytes == GB + 5
    write(root / "sys/fs/cgroup/memory/docker/abc", memory__limit_in_bytes=GB, memory__usage_in_bytes=2 * GB,
          memory__stat="total_inactive_file 0")
    assert (found := room.memory(root)) is not None and found.bytes == 0


def test_where_nothing_is_said_nothing_is_known(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        assert room.memory(tmp_path) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux sets and counts address space")
def test_a_limit_of_address_space_bounds_it() -> None:
    code = ("import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
            "from weitiao.core import room; r = room.memory(); print(r.bytes, r.source)")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    size, _, source = said.strip().partition(" ")
    assert source == "ulimit -v" and (1 << 30) < int(size) < (2 << 30)


def test_disk_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    found = room.disk(tmp_path / "a" / "b")
    assert found.source == str(tmp_path.resolve()) and found.bytes > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts anew")
def test_the_peak_is_counted_from_where_one_says() -> None:
    assert memory.restart_peak()
    before, holding = memory.resident(), memory.peak()
    big = bytearray(b"x" * 200_000_000)
    assert before and holding and memory.peak() - holding > 190_000_000 and len(big)
    del big
    memory.release()
    assert memory.restart_peak() and memory.peak() - before < 50_000_000
    assert memory.highest() - before > 190_000_000


def counters(root: Path, first: int, second: int) -> None:
    for name, value in (("intel-rapl:0", first), ("intel-rapl:0:0", 10**9), ("intel-rapl:1", second)):
        write(root / "sys/class/powercap" / name, energy_uj=value, max_energy_range_uj=1000_000_000)


def test_energy_is_summed_over_packages_and_counters_wrap(tmp_path: Path) -> None:
    counters(tmp_path, 990_000_000, 5_000_000)
    meter = Meter(tmp_path)
    counters(tmp_path, 10_000_000, 7_000_000)
    assert meter.joules() == pytest.approx(20 + 2)
    counters(tmp_path, 11_000_000, 7_000_000)
    assert meter.joules() == pytest.approx(23)


def test_a_machine_without_counters_says_nothing(tmp_path: Path) -> None:
    assert Meter(tmp_path).joules() is None
