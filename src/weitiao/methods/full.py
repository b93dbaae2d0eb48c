"""full: every parameter moves.

>>> model = attach(model, Options())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 2e-4
OPERATIONS = 6.0
MOVED = 1.0


class Options(BaseModel):
    """No options: all of the model is tuned."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def virtual_tokens(options: Options) -> int:
    """None."""
    return 0


def attach(model: Model, options: Options) -> Model:
    """Let everything move."""
    model.requires_grad_(True)
    return model


def adapter(model: Model) -> None:
    """None: what moves are weights of the model itself."""


def merge(model: Model) -> Model:
    """It is plain already."""
    return model
