"""What a task asks of a model. Light: imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """A linear head with `outputs` numbers a row.

    Args:
        outputs: size of the logits' last axis.
        problem_type: transformers' own word, saved into config.json.
        labels: output names, or () for regression.
    """

    outputs: int
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression"]
    labels: tuple[str, ...] = ()
