"""The base model before tuning, shown a few training rows before each question.

Where a model has a chat template the rows are turns of one conversation. Else they stand one below the other in our
own template without end tokens (a base model takes them for the end of a document), and an answer ends where the next
question would begin: that is how such a model does best.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from weitiao.core import seeds
from weitiao.evaluate.baselines import Baseline, Case, _frozen_language
from weitiao.footprint import SHOTS

TITLE = ("the base model with examples", "给出示例的基座模型")
_FEWEST_SHOWN = 0.5  # of the room for tokens that examples may fill
_NEXT = re.compile(r"\n\n|\nUser:")


def make(case: Case) -> Baseline:
    """Raises ModelError."""
    case = _frozen_language.met(case)
    shown: list[Any] = []

    def encode(task: Any, max_length: int) -> Sequence[Any]:
        shown.extend(_shots(case, max_length))
        return list(task.encode_after(shown, case.test, max_length))

    outputs = _frozen_language.answers(case, encode)
    if not case.task.speaker.own:
        outputs = [case.task.written(_NEXT.split(o.text.strip())[0]) for o in outputs]
    return Baseline(outputs, f"{case.recipe.model.name}, frozen, {len(shown)} examples", len(shown))


def _shots(case: Case, max_length: int) -> list[Any]:
    """Training rows drawn at random, of which at most half the room is filled."""
    order = seeds.rng(case.recipe.seed, "few_shot").permutation(len(case.train))
    found: list[Any] = []
    left = _FEWEST_SHOWN * max_length
    for i in order[:200]:
        size = case.task.encode([replace(case.train[i])], case.task.speaker.tokenizer, 10**6)[0].length
        if size <= left and len(found) < SHOTS:
            found.append(case.train[i])
            left -= size
    return found
