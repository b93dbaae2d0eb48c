"""The table of supported families says what is so: some of its lines are made again and compared."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from weitiao import tasks

MADE: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "make_families.py"))
SOME = ("bert", "roberta", "deberta-v2", "modernbert", "llama", "gemma3_text", "marian-ssru", "m2m_100")
HINT = "run: python docs/make_families.py"


@pytest.fixture(scope="module")
def page() -> list[str]:
    return MADE["PAGE"].read_text(encoding="utf-8").splitlines()  # type: ignore[no-any-return]


def test_every_task_and_family_is_in_it(page: list[str]) -> None:
    header = next(line for line in page if line.startswith("| family"))
    assert [x.strip() for x in header.strip("|").split("|")][2:] == list(tasks.names()), HINT
    assert [line.split("|")[1].strip() for line in page if line.startswith("| ")][1:] == [
        f.title for f in MADE["FAMILIES"]], HINT


def test_nothing_is_wrong_with_any_family(page: list[str]) -> None:
    assert not [line for line in page if line.startswith(("|", "-")) and "✗" in line]


@pytest.mark.parametrize("name", SOME)
def test_the_lines_of_some_families_are_current(name: str, page: list[str]) -> None:
    family = next(f for f in MADE["FAMILIES"] if f.model_type == name)
    [(line, notes)] = MADE["rows"]([family])
    assert line in page, HINT
    assert [n for n in page if n.startswith(f"- {family.title}, ")] == notes, HINT
