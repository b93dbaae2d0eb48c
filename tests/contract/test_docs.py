"""Pages that are made from the source are current."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_list_of_error_codes_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_errors.py"))
    assert made["page"]() == made["PAGE"].read_text(encoding="utf-8"), "run: python docs/make_errors.py"
