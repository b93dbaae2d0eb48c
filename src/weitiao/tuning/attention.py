"""Attention as batched matrix products and a softmax.

>>> with installed(model.base, dropout):     # the model's own choice is back afterwards
...     model(**batch)

torch's fused kernel for CPUs is slow in bfloat16: half of a step at 120 tokens goes into it. Plain products run at the
machine's full rate, and the memory of the probabilities is no matter at encoders' lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

from weitiao.tuning.dropout import Dropout

NAME = "weitiao_products"
# Not: families with an attention of their own (DeBERTa); decoders, which add soft caps, sinks and grouped heads.
FAMILIES = frozenset({"albert", "bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"})


def attend(drop: Dropout, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None,
           scaling: float, dropout: float) -> torch.Tensor:
    """softmax(q kᵀ · scaling + mask) v with dropout on the probabilities.

    `query`, `key`, `value`: (batch, heads, length, width) of one dtype; `mask`: additive, (batch or 1, 1, length,
    length) or None. Returns (batch, length, heads, width).
    """
    # Scaled before the product, where there are fewer numbers: the scores need no second pass.
    scores = torch.matmul(query * scaling, key.transpose(2, 3))
    if mask is not None:
        scores = scores + mask
    probabilities = drop(torch.softmax(scores, dim=-1), dropout)
    return torch.matmul(probabilities, value).transpose(1, 2).contiguous()


def applies(base: PreTrainedModel) -> bool:
    """One of the encoders that compute attention through transformers' interface, and do so with torch's kernel."""
    return base.config._attn_implementation == "sdpa" and base.config.model_type in FAMILIES


@contextmanager
def installed(base: PreTrainedModel, drop: Dropout) -> Iterator[None]:
    """Let every attention layer of `base` compute with `attend`."""

    def interface(module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
                  attention_mask: torch.Tensor | None, dropout: float = 0.0, scaling: float | None = None,
                  **_: Any) -> tuple[torch.Tensor, None]:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        return attend(drop, query, key, value, attention_mask, scale, dropout), None

    before = base.config._attn_implementation
    AttentionInterface.register(NAME, interface)
    AttentionMaskInterface.register(NAME, eager_mask)
    base.set_attn_implementation(NAME)
    try:
        yield
    finally:
        base.set_attn_implementation(before)
