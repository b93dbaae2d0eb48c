"""Activations that are computed again in the backward pass (`tune.checkpointing`) are the same ones."""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.certifying import Line
from weitiao.certifying.case import GRADIENT, Case, apart, gradient_of
from weitiao.core.i18n import t
from weitiao.models import _load

TITLE = ("recomputed activations", "重算激活")


def measure(case: Case) -> Iterator[Line]:
    """With and without, where the base can do it."""
    if not case.bundle().model.base.supports_gradient_checkpointing:
        return
    with case.engine() as engine:
        passes = engine.batches(0)
        _, plain = gradient_of(engine, passes)
    with case.engine(checkpointing=True) as engine, _load.quiet():  # transformers says that it keeps no cache now
        _, again = gradient_of(engine, passes)
    yield Line("checkpointing", t("gradient, activations recomputed against kept", "梯度：重算激活与保留激活相比"),
               apart(again, plain), GRADIENT, "relative")
