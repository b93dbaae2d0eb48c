"""The price of a pair comes from a process of its own, and its failures are said, not raised."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weitiao.models import find
from weitiao.planning import prices
from weitiao.prepare import prepare
from weitiao.recipe import Recipe
from weitiao.run import Run


@pytest.fixture
def run(tmp_path: Path, tiny_folder: Path) -> tuple[Run, Recipe]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"the movie was {w} {i}", "label": w}) + "\n"
                            for i in range(30) for w in ("good", "bad")))
    recipe = Recipe.build({"data": {"train": [str(path)]}, "tune": {"device": "cpu"}})
    made = Run.create(tmp_path / "run", recipe.to_toml(), recipe.hash, {})
    prepare(recipe, made)
    return made, recipe


def test_a_tiny_base_has_a_price_and_a_machine_without_room_is_told(run: tuple[Run, Recipe], tiny_folder: Path) -> None:
    got = prices.price(*run, str(tiny_folder), "full", memory=0.01)
    assert got.seconds > 0 and got.memory_gb > 0.01 and got.disk_gb >= 0
    assert got.unfit == "0.0 GB of memory are free"


def test_what_does_not_go_together_says_why(run: tuple[Run, Recipe]) -> None:
    got = prices.price(*run, "no/such-model", "full", None)
    assert "no/such-model" in got.unfit and got.seconds == 0


@pytest.mark.parametrize(("code", "said"), [(-9, "killed"), (-11, "SIGSEGV: ValueError: x"), (1, "ValueError: x")])
def test_a_child_that_died(code: int, said: str, run: tuple[Run, Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    def died(*args: Any, **how: Any) -> Any:
        return SimpleNamespace(returncode=code, stdout="", stderr="Traceback …\nValueError: x\n")

    monkeypatch.setattr(subprocess, "run", died)
    assert said in prices.price(*run, "base", "full", None).unfit


def test_few_methods_the_dearest_first(tiny_folders: dict[str, Path]) -> None:
    encoder, decoder = find(str(tiny_folders["encoder"])), find(str(tiny_folders["decoder"]))
    assert prices.methods(encoder, "sequence") == ("full", "lora", "head")
    assert prices.methods(decoder, "language") == ("full", "lora")
    assert prices.methods(encoder, "language") == ("full",)
