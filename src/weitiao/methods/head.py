"""head: only the new head moves; the pretrained model stays as it is. Fast, and steady on very few rows.

>>> model = attach(model, Options())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 1e-2  # a linear layer on fixed features takes far larger steps than a network


class Options(BaseModel):
    """No options: the head is the architecture's own or the linear layer on the mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def attach(model: Model, options: Options) -> Model:
    """Freeze all but the head."""
    model.requires_grad_(False)
    for parameter in model.head_parameters():
        parameter.requires_grad_(True)
    return model


def merge(model: Model) -> Model:
    """It is plain already."""
    return model
