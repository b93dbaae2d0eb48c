"""From flags to a recipe: the file's settings, the flags laid over them, `--set` over those.

>>> recipe_of(None, {"data": {"train": ["reviews.csv"]}, "task": "", "seed": None}, ["tune.epochs=2"]).tune.epochs
2.0
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weitiao.recipe import Recipe


def recipe_of(path: Path | None, asked: dict[str, Any], sets: list[str]) -> Recipe:
    """The recipe. `asked` is a tree of what the flags say; empty values say nothing."""
    from weitiao.recipe import Recipe

    base = Recipe.read(path) if path else Recipe()
    tree: dict[str, Any] = {}
    for name, value in asked.items():
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if v}
        elif name in ("task", "method") and value:
            part = getattr(base, name)
            # The file's options of the same plug-in stay; another plug-in has others.
            value = part if part["name"] == value else {"name": value}
        if value not in (None, "", {}):
            tree[name] = value
    if "columns" in tree.get("data", {}):
        tree["data"]["columns"] = {**base.data.columns, **tree["data"]["columns"]}
    return base.updated(tree).with_set(*sets)


def named(value: str) -> str:
    """ "auto" is what a recipe says anyway: only another value overrides it."""
    return "" if value == "auto" else value


def spoken(recipe: Recipe, languages: dict[str, str]) -> Recipe:
    """`--source` and `--target` are options of the task translate, and name it where no task is named."""
    said = {k: v for k, v in languages.items() if v}
    if not said:
        return recipe
    name = "translate" if recipe.task["name"] == "auto" else recipe.task["name"]
    kept = recipe.task if recipe.task["name"] == name else {}
    return recipe.updated({"task": {**kept, **said, "name": name}})


def anything(*values: Any) -> bool:
    """Was any of these (or of what lies in them) given?"""
    # A flag that was not given is False; 0 is something that was said.
    return any(anything(*v.values()) if isinstance(v, dict) else v is not False and v not in (None, "", [])
               for v in values)
