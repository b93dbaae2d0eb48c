"""Methods: which parameters move. One file each; its name is the method's name.

A method module has `Options` (pydantic) and

- `attach(model, options) -> model`: freeze, add adapters; returns the module to train (its forward is unchanged);
  `requires_grad` marks what moves. Raises ModelError when nothing would move.
- `merge(model) -> model`: back to a plain module of the base's architecture for saving (adapters folded in).
- `LEARNING_RATE: float`: the peak rate that suits it by default with AdamW on a small encoder (see select/).
"""

from __future__ import annotations

from typing import Any

from weitiao.core import plugins


def names() -> tuple[str, ...]:
    """All methods, sorted."""
    return plugins.names(__name__)


def load(name: str) -> Any:
    """The module of that method. Raises RecipeError `plugin.unknown`."""
    return plugins.load(__name__, name)
