"""Which files there are, what their first rows look like, which task they are for.

>>> found, profile, choice, split = understand(recipe)
>>> choice.name, choice.task.columns
('classify', {'text': 'comment', 'label': 'stars'})
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.example import Row
from weitiao.formats import BadRow, File, empty
from weitiao.prepare import profiling, sources
from weitiao.prepare.choosing import Choice, choose, require
from weitiao.prepare.rejects import stop_if_too_many
from weitiao.recipe import Recipe
from weitiao.tasks import TableProfile

_SPLIT_NAMES = frozenset({"split", "set", "subset", "partition", "part", "dataset", "划分", "数据集", "数据划分"})


class Understood(NamedTuple):
    """Files by part, the profile of all columns, the task and why, and the column that says the part ("" for none)."""

    found: Mapping[str, Sequence[File]]
    profile: TableProfile
    choice: Choice
    split: str


def understand(recipe: Recipe, source_root: Path | None = None) -> Understood:
    """Look at the first rows. Raises DataError: see `weitiao.prepare.prepare`; RecipeError where cleaning would move
    answers away."""
    found = sources.find(recipe.data, source_root)
    profile = profiling.profile(_good(found["train"]))
    if not profile.rows:
        _no_good_row(found["train"], recipe.data.max_bad_share)
    split = recipe.data.split or _split_column(profile)
    choice = choose(recipe, _without(profile, recipe, split))
    _keeps_places(recipe, choice)
    return Understood(found, profile, choice, split)


def _good(found: Sequence[File]) -> Iterator[Row]:
    """The readable rows of some files."""
    for file in found:
        for row in file.rows():
            if not isinstance(row, BadRow):
                yield row


def _no_good_row(found: Sequence[File], share: float) -> None:
    """Say why there is nothing to learn from: no rows at all, or what is wrong with them."""
    for file in found:
        bad = [row for row in file.rows() if isinstance(row, BadRow)]
        stop_if_too_many(len(bad), len(bad), share, bad, file.source.shown)
        raise empty(file.source)


def _split_column(profile: TableProfile) -> str:
    """A column that is called like a split and holds nothing but names of parts, train among them."""
    for column in profile.columns:
        values = [sources.part_of(v) for v in column.examples]
        if (column.name.strip().casefold() in _SPLIT_NAMES and column.distinct == len(values) > 1
                and None not in values and "train" in values):
            return column.name
    return ""


def _without(profile: TableProfile, recipe: Recipe, split: str) -> TableProfile:
    """The profile without the columns that have another use than text or label."""
    used = [c for c in (recipe.data.id, split, recipe.data.group, recipe.data.time) if c]
    require([c.name for c in profile.columns], used)
    kept = tuple(c for c in profile.columns if c.name not in used or c.name in recipe.data.columns.values())
    return TableProfile(profile.rows, kept)


def _keeps_places(recipe: Recipe, choice: Choice) -> None:
    """Where answers are places in a text, cleaning would move the text away from under them."""
    changed = [k for k, v in recipe.clean.model_dump().items() if v != getattr(type(recipe.clean)(), k)]
    kind = choice.task.head().kind
    if kind in ("span", "tokens") and changed:
        raise RecipeError("recipe.bad_value",
                          t("clean.{k} would move the places of the answers in their texts",
                            "clean.{k} 会使答案在文本中的位置错位", k=changed[0]), where=f"clean.{changed[0]}",
                          expected=t("no cleaning with the task {n}", "任务 {n} 不使用清洗选项", n=choice.name),
                          fix=t("clean the file first and leave answer_start out: it is found again",
                                "请先自行清洗文件并去掉 answer_start：位置会重新查找") if kind == "span" else
                          t("clean words or texts together with their places before",
                            "请事先把词（或文本）与标注位置一并清洗"))
