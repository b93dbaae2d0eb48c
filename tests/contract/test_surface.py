"""The public surface as plain golden files: commands and options, recipe keys. A change shows up in review.

The files of a run are pinned by tests/contract/test_run_layout.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

import weitiao
from weitiao import methods, tasks
from weitiao.cli.app import app
from weitiao.recipe import Recipe

Golden = Callable[[str, str], None]


def _commands(command: Any, path: str) -> Iterator[str]:
    for parameter in command.params:
        shown = ", ".join(parameter.opts) if parameter.opts[0].startswith("-") else f"<{parameter.name}>"
        yield f"{path}  {shown}"
    for name, sub in getattr(command, "commands", {}).items():
        yield from _commands(sub, f"{path} {name}")


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key} = {value!r}"


def test_commands_and_options(golden: Golden) -> None:
    golden("cli.txt", "\n".join(_commands(typer.main.get_command(app), "weitiao")) + "\n")


def test_recipe_keys_and_defaults(golden: Golden) -> None:
    lines = list(_leaves(Recipe().model_dump()))
    for kind, package in (("task", tasks), ("method", methods)):
        for name in package.names():
            lines += _leaves(package.load(name).Options().model_dump(), f"{kind}[{name}].")
    golden("recipe.txt", "\n".join(lines) + "\n")


def test_schema_offers_every_plugin() -> None:
    schema = Recipe.json_schema()
    for kind, package in (("task", tasks), ("method", methods)):
        offered = {part["properties"]["name"]["const"] for part in schema["properties"][kind]["anyOf"]}
        assert offered >= set(package.names())


def test_python_names() -> None:
    import weitiao

    assert weitiao.__all__ == ["Bundle", "Checkup", "Found", "Planned", "Recipe", "Result", "__version__", "check",
                               "load", "load_adapters", "plan", "search", "tune"]
    assert all(hasattr(weitiao, name) for name in weitiao.__all__)


def test_hints_name_options_that_exist() -> None:
    """An error that tells a person to use an option must not invent it."""
    root = Path(weitiao.__file__).parent
    said = {m for path in root.rglob("*.py") for m in re.findall(r"(?:with|用) (--[a-z][a-z-]*)", path.read_text("utf-8"))}
    there = {o for line in _commands(typer.main.get_command(app), "weitiao") for o in re.findall(r"--[a-z-]+", line)}
    assert said and said <= there
