"""The clock counts the time that someone works, whoever that is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weitiao.searching.clock import Clock


def test_time_before_the_first_worker_counts(tmp_path: Path) -> None:
    with Clock(tmp_path, 60, time.monotonic() - 5) as clock:
        assert clock.spent == pytest.approx(5, abs=1) and clock.left == pytest.approx(55, abs=1)


def test_a_pause_does_not_count(tmp_path: Path) -> None:
    with Clock(tmp_path, 60, time.monotonic() - 7):
        pass
    found = json.loads((tmp_path / "clock.json").read_text())
    moved = {k: v - 1000 if k != "before" else v for k, v in found.items()}  # all that was 1,000 s ago
    (tmp_path / "clock.json").write_text(json.dumps(moved))
    with Clock(tmp_path, 60, time.monotonic() - 2) as clock:
        assert clock.spent == pytest.approx(9, abs=1)


def test_workers_share_one_clock(tmp_path: Path) -> None:
    with Clock(tmp_path, 60, time.monotonic() - 10) as first, Clock(tmp_path, 60, time.monotonic()) as second:
        assert second.spent == pytest.approx(first.spent, abs=0.1)
    assert not list((tmp_path / "workers").iterdir())


def test_a_killed_worker_is_no_worker(tmp_path: Path) -> None:
    code = f"""
import os, signal, time
from pathlib import Path
from weitiao.searching.clock import Clock
with Clock(Path({str(tmp_path)!r}), 60, time.monotonic() - 3):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert len(list((tmp_path / "workers").iterdir())) == 1
    time.sleep(1.5)  # nobody's time
    with Clock(tmp_path, 60, time.monotonic()) as clock:
        assert clock.spent == pytest.approx(3, abs=1.2)
        assert len(list((tmp_path / "workers").iterdir())) == 1
