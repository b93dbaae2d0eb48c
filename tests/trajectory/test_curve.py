"""A tiny model's loss curve, pinned: what changes it changes every user's results and belongs into CHANGELOG.md.

Settings that must be equal share one reference curve. Written anew with WEITIAO_GOLDEN=write.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tuning_case import Case
from weitiao.tuning import fit

PINNED = Path(__file__).with_name("curve.json")
EQUAL = {
    "16x1": {"micro_batch_size": 16},
    "4x4": {"micro_batch_size": 4},
    "by tokens": {"micro_batch_size": 16, "micro_batch_tokens": 40},
    "recomputed": {"micro_batch_size": 16, "checkpointing": True},
}


def curve(case: Case, folder: Path, **tune: Any) -> list[float]:
    """Losses of all updates and validations."""
    inputs = case.inputs(epochs=6.0, batch_size=16, learning_rate=4e-3, head_learning_rate=4e-3, **tune)
    inputs["model"] = case.model(dropout=0.0)  # masks are keyed by micro-batch: only without them is all equal
    fit(folder=folder, on_event=lambda _: None, **inputs)
    lines = [json.loads(x) for x in (folder / "tune" / "metrics.jsonl").read_text().splitlines()]
    return [x["loss"] if "loss" in x else x["validation"]["loss"] for x in lines]


@pytest.mark.parametrize("name", EQUAL)
def test_fp32_follows_the_pinned_curve(name: str, tiny_folder: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    got = curve(Case(tiny_folder, tiny_tokenizer), tmp_path, **EQUAL[name])
    if os.environ.get("WEITIAO_GOLDEN") == "write":
        PINNED.write_text(json.dumps([round(x, 6) for x in got], indent=1) + "\n")
    want = json.loads(PINNED.read_text())
    assert len(got) == len(want) and got[-1] < 0.3 * got[0]
    # Room for other CPUs' last digits, which training amplifies; a wrong division or order is off by far more.
    assert got == pytest.approx(want, rel=2e-3, abs=2e-4)


def test_bf16_stays_beside_it(tiny_folder: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    got = curve(Case(tiny_folder, tiny_tokenizer), tmp_path, precision="bf16")
    assert got == pytest.approx(json.loads(PINNED.read_text()), abs=0.08)
