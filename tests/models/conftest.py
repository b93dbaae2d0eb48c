"""Tiny random checkpoints of every family that the main job names, made from configs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
          "max_position_embeddings": 66}
_DECODER = {**_SMALL, "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": None, "bos_token_id": 2, "eos_token_id": 3}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": _SMALL,
    "roberta": {**_SMALL, "pad_token_id": 0, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": {**_SMALL, "pad_token_id": 0, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "camembert": {**_SMALL, "pad_token_id": 0, "type_vocab_size": 1},
    "electra": {**_SMALL, "embedding_size": 16},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 66},
    "albert": {**_SMALL, "embedding_size": 16},
    "deberta-v2": {**_SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": -1,
                   "position_buckets": 8, "share_att_key": True, "position_biased_input": False},
    "modernbert": {**_SMALL, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2,
                   "sep_token_id": 3, "local_attention": 8},
}
DECODERS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 66, "bos_token_id": 3, "eos_token_id": 3},
    "llama": _DECODER, "qwen2": _DECODER, "qwen3": _DECODER,
    "gemma": _DECODER, "gemma3_text": {**_DECODER, "sliding_window": 8},
}
FAMILIES = {**ENCODERS, **DECODERS}


@pytest.fixture(scope="session")
def checkpoint(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`checkpoint(family, head=None)`: a folder with a bare model, or with `AutoModelFor…` of that name. Read only."""
    import torch
    import transformers

    made: dict[tuple[Any, ...], Path] = {}

    def make(family: str, head: str = "AutoModel", pooler: bool = True, **config: Any) -> Path:
        key = (family, head, pooler, repr(config))
        if key not in made:
            made[key] = tmp_path_factory.mktemp(family)
            full = transformers.AutoConfig.for_model(family, **{**FAMILIES[family], "vocab_size": len(tiny_tokenizer),
                                                                **config})
            torch.manual_seed(7)
            options = {} if pooler else {"add_pooling_layer": False}
            model = getattr(transformers, head).from_config(full, **options)
            with torch.no_grad():  # random models are nearly constant: make the tests see differences
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.15)
            model.save_pretrained(made[key])
            tiny_tokenizer.save_pretrained(made[key])
        return made[key]

    return make
