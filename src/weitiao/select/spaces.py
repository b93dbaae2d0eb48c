"""Where a search may look: which settings move and how far, per task and method, beside the defaults.

>>> space(recipe, head=True)["tune.learning_rate"]
{'times': [0.25, 4.0], 'log': True}

Bounds are factors of the default (`times`), so that they hold for every method and size; `between` and `choices` are
plain values. Few settings on purpose: a search of an hour has tens of trials, and each further dimension thins them.
The ranges are those that are searched for fine-tuning in the literature (Devlin et al. 2019, appendix A.3: rate, batch
and epochs within a factor of 2 to 4; Liu et al. 2019, RoBERTa, appendix B: warm-up, decay) around this project's own.
"""

from __future__ import annotations

from typing import Any

from weitiao.recipe import Recipe

_RANKS = (4, 8, 16, 32, 64)


def space(recipe: Recipe, *, head: bool) -> dict[str, dict[str, Any]]:
    """Setting to bounds, as they stand in space.toml.

    Args:
        recipe: resolved: its values are the defaults.
        head: the task brings a head of its own, which may learn at another rate.
    """
    batch = int(recipe.tune.batch_size)
    length = "tune.epochs" if recipe.tune.steps == "auto" else "tune.steps"
    found: dict[str, dict[str, Any]] = {
        "tune.learning_rate": {"times": [0.25, 4.0], "log": True},
        length: {"times": [0.5, 2.0], "log": True},
        "tune.batch_size": {"choices": sorted({max(1, batch // 2), batch, 2 * batch})},
        "tune.warmup": {"between": [0.0, max(0.3, recipe.tune.warmup)]},
        "tune.weight_decay": {"between": [0.0, max(0.1, recipe.tune.weight_decay)]},
    }
    if head:
        found["tune.head_learning_rate"] = {"times": [0.5, 8.0], "log": True}
    if recipe.method["name"] in ("full", "freeze"):  # what stands still needs no dropout
        found["model.dropout"] = {"choices": list(dict.fromkeys([recipe.model.dropout, 0.0, 0.2]))}
    if recipe.method["name"] in ("lora", "qlora"):
        found["method.rank"] = {"choices": sorted({recipe.method["rank"], *_RANKS})}
        found["method.dropout"] = {"between": [0.0, max(0.2, recipe.method["dropout"])]}
    return found
