"""A tiny student of Marian's kind (models/ssru.py) beside a tokenizer, as a starter leaves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from weitiao.models import ssru


def model(seed: int = 0, **config: Any) -> Any:
    """Random weights, large enough that what it says differs from row to row."""
    torch.manual_seed(seed)
    settings = {"vocab_size": 90, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
                "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "pad_token_id": 0, "eos_token_id": 3,
                "decoder_start_token_id": 0, "forced_eos_token_id": None, "max_position_embeddings": 64, "init_std": 0.4,
                "scale_embedding": True, "activation_function": "relu", "dropout": 0.0, **config}
    return ssru.MarianSSRUMTModel(ssru.MarianSSRUConfig(**settings)).eval()


def write(folder: Path, tokenizer: Any, **config: Any) -> Path:
    """That model with the tokenizer's words, saved."""
    ssru.register()
    model(vocab_size=len(tokenizer), **config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
