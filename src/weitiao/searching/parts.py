"""What a trial learns from and is judged on: the validation rows, or where there are none folds of the training rows.

>>> parts(examples, [], task, recipe)           # 300 rows: five folds
(Part(name='folds/0', train=[...], judged=[...], watched=False), ...)

Folds keep together what a split keeps together (equal texts and near copies, questions on one passage, groups) and
hold each label in its share (`prepare.dividing`). Rows that have a time are not folded: the newest fifth is judged, as
in a split. Test rows are never read here.

`groups` puts the judged rows into twenty groups of whole such units, for an interval that respects them (`gain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weitiao.example import Example
from weitiao.prepare import comparing, nearby
from weitiao.prepare.dividing import divide, strata_of, units
from weitiao.recipe import Recipe
from weitiao.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUPS = 20
_FEW = 500  # rows below which two thirds of them would be too few to learn from
_NEWEST = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """One tuning of a trial.

    Args:
        name: its folder in the trial's, "" for the trial's own.
        train: rows to learn from.
        judged: rows to be judged on.
        watched: these rows also choose the best step, as in an ordinary run with validation rows.
    """

    name: str
    train: Sequence[Example]
    judged: Sequence[Example]
    watched: bool


def parts(train: Sequence[Example], validation: Sequence[Example], task: Task, recipe: Recipe) -> tuple[Part, ...]:
    """The tunings of which a trial consists.

    Raises DataError `data.too_few_rows` where the rows cannot be folded.
    """
    if validation:
        return (Part("", train, validation, watched=True),)
    keys = _keys(train, recipe)
    strata = strata_of([task.strata(e) if recipe.split.stratify else "" for e in train])
    if recipe.data.time:
        chosen = divide(train, keys, strata, {"validation": _NEWEST}, seed=recipe.seed, group=recipe.data.group,
                        time=recipe.data.time)
        numbers = [0 if part == "validation" else 1 for part in chosen]
        return (_fold(train, numbers, 0),)
    count = 5 if len(train) < _FEW else 3
    # One fold after the other is cut from what is left, so that each holds every label in its share.
    shares = {str(i): 1 / (count - i) for i in range(count - 1)}
    chosen = divide(train, keys, strata, shares, seed=recipe.seed, group=recipe.data.group)
    numbers = [count - 1 if part == "train" else int(part) for part in chosen]
    return tuple(_fold(train, numbers, i) for i in range(count))


def _fold(train: Sequence[Example], numbers: Sequence[int], i: int) -> Part:
    return Part(f"folds/{i}", [e for e, n in zip(train, numbers, strict=True) if n != i],
                [e for e, n in zip(train, numbers, strict=True) if n == i], watched=False)


def _keys(examples: Sequence[Example], recipe: Recipe) -> NDArray[np.bytes_]:
    """Per row the key of what stays together, as where a part is cut out of the training rows."""
    keys = comparing.unit_keys(examples, comparing.keys(examples))
    if recipe.split.near_duplicates:
        return nearby.merged(keys, [nearby.judged(e) for e in examples])
    return keys


def groups(found: Sequence[Part], recipe: Recipe) -> dict[str, int]:
    """The group of each judged row, by its `source`."""
    examples = [e for part in found for e in part.judged]
    whole = units(examples, _keys(examples, recipe), recipe.data.group)
    number = np.empty(len(whole.keys), np.int64)
    number[whole.drawn(recipe.seed, "groups")] = np.arange(len(number))
    return {e.source: int(number[unit]) % GROUPS for e, unit in zip(examples, whole.of.tolist(), strict=True)}
