"""Rows and base models that both sides are given: made-up sentences, real checkpoints where starters hold them.

>>> folder = make(work, "tagging")          # work/tagging/{model/, train.jsonl, eval.jsonl}

What is measured (is a gradient the same in two splits? does a resumed run end with the same bytes?) holds or does not
hold for any rows, so they are drawn from a few words, of 3 to 40 words each: lengths and counts of labels must differ
within a batch, or a wrong division would not show.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from weitiao import models as bases

GOOD, BAD = ["good", "great", "love", "happy", "fast"], ["bad", "awful", "hate", "sad", "slow"]
PLACES = ["london", "paris", "rome", "oslo"]
PLAIN = ["the", "a", "movie", "food", "room", "service", "price", "is", "was", "very", "really", "it", "this", "that",
         "train", "to", "from", "we", "went", "and", "stayed"]
WORDS = [*GOOD, *BAD, *PLACES, *PLAIN]

_DECODING = {"pad_token_id": 0, "eos_token_id": 3, "decoder_start_token_id": 0}
_BART = {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
         "decoder_attention_heads": 4, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "max_position_embeddings": 130,
         "bos_token_id": 2, "forced_eos_token_id": 3}


def sentence(dice: random.Random) -> dict[str, Any]:
    """A text with all that some task asks of it."""
    good = dice.random() < 0.5
    tokens = [dice.choice(GOOD if good else BAD),
              *(dice.choice(PLACES if dice.random() < 0.2 else PLAIN) for _ in range(dice.choice([2, 4, 8, 16, 39])))]
    tags = ["B-place" if word in PLACES else "O" for word in tokens]
    asked = [word for word in tokens if word not in PLAIN]
    return {"text": " ".join(tokens), "label": "yes" if good else "no", "number": len(asked) + (3.0 if good else 0.0),
            "tokens": tokens, "tags": tags, "target": " ".join(asked)}


# What a kind's rows hold. Both sides read the same files.
COLUMNS: dict[str, dict[str, str]] = {
    "classification": {"text": "text", "label": "label"},
    "regression": {"text": "text", "label": "number"},
    "tagging": {"tokens": "tokens", "tags": "tags"},
    "T5": {"source": "text", "target": "target"},
    "BART": {"source": "text", "target": "target"},
    "causal LM": {"source": "text", "target": "target"},
    "masked LM": {"text": "text"},
}


def make(work: Path, kind: str, *, train: int = 8, held_out: int = 32, small: bool = False,
         dropout: bool = False) -> Path:
    """The kind's rows and base model in a folder, made once. `small`: a tiny BERT, where no real weights are needed."""
    folder = work / f"{kind.replace(' ', '-')}{'-small' if small else ''}"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        rows(folder / "train.jsonl", kind, train, seed=1)
        rows(folder / "eval.jsonl", kind, held_out, seed=2)
        rows(folder / "other.jsonl", kind, train, seed=3)
        base(folder / "model", "small" if small else kind, dropout=dropout)
    return folder


def rows(path: Path, kind: str, count: int, *, seed: int) -> None:
    dice = random.Random(seed)
    made = [sentence(dice) for _ in range(count)]
    lines = [json.dumps({new: row[old] for new, old in COLUMNS[kind].items()}) for row in made]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def base(folder: Path, kind: str, *, dropout: bool) -> None:
    """A checkpoint as plain transformers loads it, with the dropout that it came with or none."""
    if kind in _REAL:
        shutil.copytree(bases.find(_REAL[kind]).folder, folder)
    else:
        torch.manual_seed(0)
        words = tokenizer()
        _DRAWN[kind](len(words)).save_pretrained(folder)
        words.save_pretrained(folder)
    if not dropout:
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({k: 0.0 if "drop" in k else v for k, v in config.items()}, indent=2))


_REAL = {"classification": "minilm", "regression": "minilm", "tagging": "minilm"}
_DRAWN: Mapping[str, Callable[[int], Any]] = {
    "small": lambda n: BertForMaskedLM(BertConfig(vocab_size=n, hidden_size=64, num_hidden_layers=2,
                                                  num_attention_heads=4, intermediate_size=128,
                                                  max_position_embeddings=64, pad_token_id=0)),
    "T5": lambda n: T5ForConditionalGeneration(T5Config(vocab_size=n, d_model=64, d_kv=16, d_ff=128, num_layers=2,
                                                        num_heads=4, **_DECODING)),
    "causal LM": lambda n: LlamaForCausalLM(LlamaConfig(
        vocab_size=n, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=256, pad_token_id=0, bos_token_id=2, eos_token_id=3, tie_word_embeddings=True)),
    "BART": lambda n: BartForConditionalGeneration(BartConfig(vocab_size=n, **_BART, **_DECODING)),
}


def tokenizer() -> BertTokenizer:
    """A WordPiece of these words and single letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{c}" for c in letters)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return BertTokenizer(tokenizer_object=backend, vocab=vocabulary, model_max_length=64)
