"""What is free goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from weitiao.core import memory

GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not GLIBC, reason="only glibc can be asked")
def test_holes_between_what_is_in_use_go_back() -> None:
    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    # Too small for a mapping of their own, each filled so that its pages are there; every second one is then freed.
    parts = [bytearray(b"x" * 100_000) for _ in range(2000)]
    kept = parts[::2]
    before = held()
    del parts
    assert memory.release()
    assert before - held() > 60_000_000
    assert len(kept) == 1000


def test_a_loop_asks_often_and_pays_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    now = [0.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(memory, "release", lambda: bool(asked.append(now[0])) or True)
    spare = memory.Spare()
    for now[0] in (1.0, 3.9, 4.5, 5.0, 8.4, 8.6):
        spare.release()
    assert asked == [4.5, 8.6]


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.release() is False
