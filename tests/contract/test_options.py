"""Every option of every plug-in has a sentence that explains it and a default; so has every field of the recipe."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from weitiao import methods, tasks
from weitiao.recipe import Recipe

PLUGINS = [pytest.param(package, name, id=f"{package.__name__.rpartition('.')[2]}.{name}")
           for package in (tasks, methods) for name in package.names()]


@pytest.mark.parametrize(("package", "name"), PLUGINS)
def test_options_are_explained(package: Any, name: str) -> None:
    options = package.load(name).Options
    assert issubclass(options, BaseModel)
    options()  # each field has a default
    _explained(options)
    with pytest.raises(ValueError, match="extra"):
        options(no_such_option=1)


def test_recipe_sections_are_explained() -> None:
    for name, field in Recipe.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            _explained(field.annotation)
        else:
            assert name in ("seed", "task", "method")


def _explained(model: type[BaseModel]) -> None:
    silent = [name for name, field in model.model_fields.items() if not (field.description or "").strip()]
    assert not silent, f"{model.__module__}: no description for {silent}"
