"""Heads on words: where a family's is one linear layer, a fitted one can stand in it; where it is more, that is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from weitiao import models
from weitiao.core.errors import ModelError
from weitiao.models._parts import probe
from weitiao.models.build import build
from weitiao.models.spec import HeadSpec

from .conftest import FAMILIES

MORE_THAN_LINEAR = {"modernbert"}  # a dense layer, a curve and a norm stand before its classifier
HEAD = HeadSpec(3, labels=("O", "B-a", "I-a"), kind="tokens")


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "gemma3_text"])  # transformers has no head on its words
def test_a_head_that_can_be_fitted_is_linear_on_what_it_is_fitted_on(family: str,
                                                                    checkpoint: Callable[..., Path]) -> None:
    model = build(models.find(str(checkpoint(family))), HEAD, pooling="auto", dropout=0.0, seed=1)
    assert model.probes == (family not in MORE_THAN_LINEAR)
    width = model.base.config.get_text_config().hidden_size
    drawn = np.random.default_rng(0)
    weight, bias = drawn.normal(size=(3, width)).astype(np.float32), drawn.normal(size=3).astype(np.float32)
    if not model.probes:
        with pytest.raises(ModelError, match="not linear"):
            model.set_head(weight, bias)
        return
    model.set_head(weight, bias)
    with torch.no_grad():
        inputs = probe(model.body.config)
        want = model.features(**inputs) @ torch.from_numpy(weight).T + torch.from_numpy(bias)
        torch.testing.assert_close(model(**inputs), want, rtol=1e-4, atol=1e-4)
