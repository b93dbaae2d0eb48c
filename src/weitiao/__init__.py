"""weitiao (微调): a labelled file in, a fine-tuned language model out.

>>> import weitiao
>>> result = weitiao.tune("reviews.csv")              # the whole pipeline; a `Result` with scores and folders
>>> weitiao.check("reviews.csv").verdict              # what is wrong with the data: good, look or stop
>>> weitiao.plan("reviews.csv").advice                # what to tune, and at what price
>>> weitiao.search("reviews.csv", budget="1h")        # better settings, if there are any; a `Found`
>>> weitiao.load(result.folder).predict(["很好吃"])   # [{'label': 'positive', 'probability': 0.98, ...}]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weitiao._version import __version__

if TYPE_CHECKING:
    from weitiao.adapters import load_adapters as load_adapters
    from weitiao.bundle import Bundle as Bundle
    from weitiao.bundle import load as load
    from weitiao.doctor import Checkup as Checkup
    from weitiao.pipeline import Result as Result
    from weitiao.pipeline import check as check
    from weitiao.pipeline import tune as tune
    from weitiao.planning import Planned as Planned
    from weitiao.planning import plan as plan
    from weitiao.recipe import Recipe as Recipe
    from weitiao.searching import Found as Found
    from weitiao.searching import search as search

__all__ = ["Bundle", "Checkup", "Found", "Planned", "Recipe", "Result", "__version__", "check", "load", "load_adapters",
           "plan", "search", "tune"]

_HOME = {"tune": "pipeline", "check": "pipeline", "Result": "pipeline", "Checkup": "doctor", "load": "bundle",
         "load_adapters": "adapters", "Bundle": "bundle", "Recipe": "recipe", "search": "searching",
         "Found": "searching", "plan": "planning", "Planned": "planning"}


def __getattr__(name: str) -> Any:
    # Lazy, because `import weitiao` (and `weitiao --help`) must not pay for importing torch.
    if name not in _HOME:
        raise AttributeError(f"module 'weitiao' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"weitiao.{_HOME[name]}"), name)
    globals()[name] = value
    return value
