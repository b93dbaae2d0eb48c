"""Baselines: simple systems on the same rows, which a fine-tuned model must beat to be worth its cost.

One file each; its name is the baseline's name, and a task lists those that can answer it in its `BASELINES`. A baseline
module has `TITLE: tuple[str, str]` (how sentences call it, in English and Chinese) and `make(case) -> Baseline`. The
outputs are in the task's own form, so that they are scored and compared as the tuned model's are.

>>> load("tfidf").make(case).how
'TF-IDF (characters 1-2) + linear SVM, C=1'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weitiao.core import plugins
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.tasks import Outputs

TRAIN_TOKENS = 200_000
"""Tokens of training rows that a frozen model reads at most."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a baseline may look at.

    Args:
        task: the run's, as fitted on the training rows and bound to the base.
        train, test: examples; the targets of `test` must not be used.
        recipe: the run's, resolved.
        device: where a model may compute.
        bf16: tuning has found that bfloat16 pays on this machine.
        home: the run's folder `tune`, where there is a run.
    """

    task: Any
    train: Sequence[Example]
    test: Sequence[Example]
    recipe: Recipe
    device: str
    bf16: bool
    home: Path | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """A simple system's answers.

    Args:
        outputs: one for each test row, in the task's form.
        how: what it is made of, for the table.
        train_rows: on how many rows it was trained.
    """

    outputs: Outputs
    how: str
    train_rows: int


def names() -> tuple[str, ...]:
    """All baselines, sorted."""
    return plugins.names(__name__)


def load(name: str) -> Any:
    """The module of that baseline. Raises RecipeError `plugin.unknown`."""
    return plugins.load(__name__, name)


def title(name: str) -> dict[str, str]:
    """How it is called: {"en", "zh"}."""
    return dict(zip(("en", "zh"), load(name).TITLE, strict=True))
