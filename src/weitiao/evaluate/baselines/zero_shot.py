"""The base model before tuning, asked as the tuned one is."""

from __future__ import annotations

from dataclasses import replace

from weitiao.evaluate.baselines import Baseline, Case, _frozen_language

TITLE = ("the base model as it is", "未微调的基座模型")


def make(case: Case) -> Baseline:
    """Raises ModelError."""
    case = _frozen_language.met(case)
    rows = [replace(e, target=None) for e in case.test]
    outputs = _frozen_language.answers(case, lambda task, length: task.encode(rows, task.speaker.tokenizer, length))
    return Baseline(outputs, f"{case.recipe.model.name}, frozen, no examples", 0)
