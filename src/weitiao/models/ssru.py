"""Marian's "tiny" students: a transformer encoder, and a decoder with a gated recurrence in place of self-attention.

>>> model = AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)   # plain transformers
>>> model.generate(**tokenizer("It rains.", return_tensors="pt"))

The recurrence is the SSRU (Kim et al. 2019, "From Research to Production and Back: Ludicrously Fast Neural Machine
Translation", section 3.1): with a gate f_t = σ(W_f x_t + b_f) for each channel,

    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ W x_t,    y_t = ReLU(c_t),    c_0 = 0.

Everything else is transformers' Marian. This file imports nothing but torch and transformers: `save_pretrained` copies
it beside the weights, so that it also runs where weitiao is not installed. Part of weitiao, Apache-2.0.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM, MarianConfig, MarianMTModel
from transformers.cache_utils import EncoderDecoderCache
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

LONGEST_WAVE = 10_000.0


class MarianSSRUConfig(MarianConfig):  # type: ignore[misc]
    """Marian's, and the epsilon of its norms (1e-9 in Marian itself, where transformers' Marian takes 1e-5).

    A model type of its own: transformers' "marian" would load the same folder with drawn self-attention and a warning.
    """

    model_type = "marian-ssru"

    layer_norm_eps: float = 1e-9


class Positions(MarianSinusoidalPositionalEmbedding):  # type: ignore[misc]
    """Position p in channel i of the lower half is sin(p λ_i), of the upper cos(p λ_i), λ_i = 10000^(-i/(d/2 - 1)).

    The exponent ends at 1, as in Marian (src/graph/node_initializers.cpp); in transformers it ends before.
    """

    def create_weight(self) -> torch.Tensor:
        count, width = self.weight.shape
        half = width // 2
        waves = torch.exp(torch.arange(half) * (-math.log(LONGEST_WAVE) / max(half - 1, 1)))
        angles = torch.arange(count)[:, None] * waves
        return torch.cat([angles.sin(), angles.cos()], dim=1).to(self.weight.dtype)


def scan(forget: torch.Tensor, update: torch.Tensor) -> torch.Tensor:
    """c_t = forget_t ⊙ c_{t-1} + update_t over the second axis of (B, T, d), c_0 = 0.

    Two neighbouring steps are one step of the same form, so log2(T) passes over all positions do; no division.
    """
    step = 1
    while step < forget.shape[1]:
        here, before = forget[:, step:], (forget[:, :-step], update[:, :-step])
        update = torch.cat([update[:, :step], update[:, step:] + here * before[1]], dim=1)
        forget = torch.cat([forget[:, :step], here * before[0]], dim=1)
        step *= 2
    return update


class SSRU(nn.Module):
    """Stands where a Marian decoder layer has its self-attention, and takes what that takes.

    The states c_t of all positions are kept in the cache as (B, 1, T, d) "keys" beside empty "values": so beam search
    reorders them and assisted generation crops them as it does with attention.
    """

    def __init__(self, width: int, layer_idx: int) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.update = nn.Linear(width, width, bias=False)
        self.forget = nn.Linear(width, width)

    def forward(self, hidden_states: torch.Tensor, past_key_values: Any = None, **_: Any) -> tuple[torch.Tensor, None]:
        """(B, T, d) in and out. Padding on the right changes nothing before it: no state looks ahead."""
        # A product of many gates in few bits would be another function: the recurrence itself is never below float32.
        exact = torch.promote_types(hidden_states.dtype, torch.float32)
        forget = torch.sigmoid(self.forget(hidden_states).to(exact))
        update = (1 - forget) * self.update(hidden_states).to(exact)
        cache = past_key_values.self_attention_cache if isinstance(past_key_values, EncoderDecoderCache) else \
            past_key_values
        if cache is not None and cache.get_seq_length(self.layer_idx):
            last = cache.layers[self.layer_idx].keys[:, 0, -1:]
            update = torch.cat([update[:, :1] + forget[:, :1] * last, update[:, 1:]], dim=1)
        states = scan(forget, update)
        if cache is not None:
            cache.update(states[:, None], states[:, None, :, :0], self.layer_idx)
        return torch.relu(states).to(hidden_states.dtype), None


class MarianSSRUMTModel(MarianMTModel):  # type: ignore[misc]
    """MarianMTModel whose decoder layers have an SSRU as `self_attn`."""

    config_class = MarianSSRUConfig
    _can_compile_fullgraph = False  # the states grow with the text

    def __init__(self, config: MarianSSRUConfig) -> None:
        super().__init__(config)
        for i, layer in enumerate(self.model.decoder.layers):
            layer.self_attn = SSRU(config.d_model, i)
        for side in (self.model.encoder, self.model.decoder):
            side.embed_positions = Positions(config.max_position_embeddings, config.d_model)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = config.layer_norm_eps
        self.post_init()


def register() -> None:
    """Let transformers' Auto classes in this process know the family, and saving copy this file."""
    AutoConfig.register(MarianSSRUConfig.model_type, MarianSSRUConfig, exist_ok=True)
    AutoModelForSeq2SeqLM.register(MarianSSRUConfig, MarianSSRUMTModel, exist_ok=True)
    MarianSSRUConfig.register_for_auto_class("AutoConfig")
    MarianSSRUMTModel.register_for_auto_class("AutoModelForSeq2SeqLM")
