"""Plug-ins are files: a module's name in its folder is its name everywhere, and importing it is all it takes.

>>> names("weitiao.formats")
['conll', 'csv', 'json', ...]
>>> load("weitiao.formats", "csv").SUFFIXES
('.csv',)
"""

from __future__ import annotations

import difflib
import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t


@cache
def names(package: str) -> tuple[str, ...]:
    """The plug-ins of a folder, sorted; files that begin with `_` are not plug-ins. Imports none of them."""
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None, package
    return tuple(sorted(m.name for m in pkgutil.iter_modules(spec.submodule_search_locations)
                        if not m.name.startswith("_")))


def load(package: str, name: str) -> ModuleType:
    """Import one plug-in. Raises RecipeError `plugin.unknown` with the nearest right name."""
    if name not in names(package):
        kind = package.rpartition(".")[2]
        raise RecipeError(
            "plugin.unknown",
            t("no such name in {kind}: {name!r}", "{kind} 中没有 {name!r}", kind=kind, name=name),
            expected=", ".join(names(package)),
            fix=nearest(name, names(package)),
        )
    return import_module(f"{package}.{name}")


def nearest(got: str, allowed: tuple[str, ...] | list[str]) -> str:
    """A sentence that names the closest allowed word, or nothing when none is close."""
    close = difflib.get_close_matches(got, allowed, n=1, cutoff=0.5)
    return t("did you mean {x!r}?", "是不是想写 {x!r}？", x=close[0]) if close else ""
