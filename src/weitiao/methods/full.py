"""full: every parameter moves.

>>> model = attach(model, Options())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from weitiao.models.build import TextModel

LEARNING_RATE = 2e-4


class Options(BaseModel):
    """No options: all of the model is tuned."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def attach(model: TextModel, options: Options) -> TextModel:
    """Let everything move."""
    model.requires_grad_(True)
    return model


def merge(model: TextModel) -> TextModel:
    """It is plain already."""
    return model
