"""A run says what it will take as soon as it knows, and at the end what it took."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuning_case import Case
from weitiao.core import files, i18n
from weitiao.events import Event, Note
from weitiao.tuning import fit, foretold

Cases = Callable[..., Case]


def notes(case: Case, folder: Path, **tune: Any) -> list[str]:
    seen: list[Event] = []
    fit(folder=folder, on_event=seen.append, **case.inputs(**tune))
    return [e.text for e in seen if isinstance(e, Note) and "measured" in e.text]


def test_it_is_said_once_and_kept_beside_the_fact(case: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foretold, "_LEAST", 0.0)
    assert len(notes(case(), tmp_path, epochs=3.0)) == 1
    found = files.read_json(tmp_path / "tune" / "costs.json")
    assert found["forecast"]["seconds"] > 0 and found["took"]["seconds"] > 0
    if found["took"]["memory_gb"] is not None:
        assert found["forecast"]["memory_gb"] >= 0.9 * found["took"]["memory_gb"] > 0
    assert foretold.sentence(found)


def test_a_short_run_foretells_nothing(case: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notes(case(), tmp_path / "a", steps=4) == []
    assert files.read_json(tmp_path / "a" / "tune" / "costs.json")["forecast"] is None
    monkeypatch.setattr(foretold, "_LEAST", 3600.0)
    assert notes(case(), tmp_path / "b", epochs=3.0) == []


def test_the_line_for_a_person() -> None:
    facts = {"forecast": {"seconds": 48.2, "memory_gb": 1.62}, "took": {"seconds": 51.4, "memory_gb": 1.71}}
    assert foretold.sentence(facts) == "forecast 48 s, took 51 s; 1.6 GB forecast, 1.7 GB used"
    i18n.use("zh")
    assert "预计 48 秒" in (foretold.sentence(facts) or "")
    i18n.use("en")
    assert foretold.sentence({"forecast": {"seconds": 600.0, "memory_gb": None}, "took": {"seconds": 660.0}}) == \
        "forecast 10 min, took 11 min"
    assert foretold.sentence({"forecast": None, "took": {"seconds": 1.0}}) is None
