"""A tiny model of each family that translates, made from its config with its own kind of tokenizer, without downloads."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch

PAIRS = [("the dog sleeps", "狗在睡觉"), ("a man runs", "一个人在跑"), ("two dogs run in the park", "两只狗在公园里跑"),
         ("she reads", "她在看书"), ("the park is big and green", "公园又大又绿"), ("a cat", "一只猫"), ("he sleeps", "他睡了"),
         ("the man reads a big book", "这个人在看一本大书")]
TEXT = [side for pair in PAIRS for side in pair]
CHARACTERS = sorted({c for text in TEXT for c in text if c != " "} | set("abcdefghijklmnopqrstuvwxyz,.?!=+1是的一"))
UNIGRAM = [("▁", -2.0), *((c, -3.0) for c in CHARACTERS), *((f"▁{w}", -2.5) for w in ("the", "dog", "a", "man", "park"))]
SMALL: dict[str, Any] = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
                         "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "dropout": 0.0,
                         "max_position_embeddings": 64, "init_std": 0.5}
FAMILIES = ("t5", "bart", "marian", "marian-many", "m2m100", "mbart", "mbart50", "nllb", "bert2bert", "marian-ssru")


def make(family: str, folder: Path) -> Path:
    """The folder with that family's model and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, model = _MAKERS[family](folder)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _t5(folder: Path) -> tuple[Any, Any]:
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *UNIGRAM, ("<extra_id_0>", 0.0)]
    tokenizer = T5Tokenizer(vocab=vocabulary, extra_ids=1)
    return tokenizer, _seeded(T5ForConditionalGeneration, T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0, eos_token_id=1, pad_token_id=0, initializer_factor=1.5))


def _wordpiece(folder: Path) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *(f"##{c}" for c in CHARACTERS), "the", "dog"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return BertTokenizer(tokenizer_object=backend, vocab=vocabulary, model_max_length=64)


def _bert(folder: Path) -> tuple[Any, Any]:
    from transformers import BertConfig, BertModel

    tokenizer = _wordpiece(folder)
    return tokenizer, _seeded(BertModel, BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, pad_token_id=0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        initializer_range=0.5))


def _bart(folder: Path) -> tuple[Any, Any]:
    from transformers import BartConfig, BartForConditionalGeneration

    tokenizer = _wordpiece(folder)
    return tokenizer, _seeded(BartForConditionalGeneration, BartConfig(
        vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=2, eos_token_id=3, decoder_start_token_id=3, **SMALL))


def _spm(path: Path) -> Path:
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXT * 3), model_writer=out, vocab_size=90, hard_vocab_limit=False,
                                             character_coverage=1.0, minloglevel=2)
    path.write_bytes(out.getvalue())
    return path


def _pieces(path: Path) -> list[str]:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [processor.id_to_piece(i) for i in range(len(processor)) if not processor.is_control(i) and not processor.is_unknown(i)]


def _marian(folder: Path, codes: tuple[str, ...] = ()) -> tuple[Any, Any]:
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    parts = {name: str(_spm(folder / f"{name}.spm")) for name in ("source", "target")}
    words = ["</s>", "<unk>", *dict.fromkeys(_pieces(folder / "source.spm")), *codes, "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}), encoding="utf-8")
    from weitiao.models import _load

    with _load.quiet():
        tokenizer = MarianTokenizer(parts["source"], parts["target"], str(folder / "vocab.json"), model_max_length=64)
    pad = len(words) - 1
    return tokenizer, _seeded(MarianMTModel, MarianConfig(
        vocab_size=len(words), pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=None, **SMALL))


def _ssru(folder: Path) -> tuple[Any, Any]:
    import sentencepiece
    from transformers import PreTrainedTokenizerFast

    from weitiao.models import ssru
    from weitiao.starters import _sentencepiece

    out = io.BytesIO()  # as Marian trains it: the end is 0, the unknown 1, and nothing begins
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXT * 3), model_writer=out, vocab_size=90, hard_vocab_limit=False,
                                             character_coverage=1.0, minloglevel=2, eos_id=0, unk_id=1, bos_id=-1)
    pieces, charsmap = _sentencepiece.read(out.getvalue())
    _sentencepiece.write(folder, pieces, charsmap, positions=64)
    ssru.register()
    pad = len(pieces)
    return PreTrainedTokenizerFast.from_pretrained(folder), _seeded(ssru.MarianSSRUMTModel, ssru.MarianSSRUConfig(
        vocab_size=pad + 1, pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=None, **SMALL))


def _many(folder: Path) -> tuple[Any, Any]:
    return _marian(folder, (">>deu<<", ">>zho<<"))


def _m2m(folder: Path) -> tuple[Any, Any]:
    from transformers import M2M100Tokenizer

    spm = _spm(folder / "sentencepiece.bpe.model")
    words = ["<s>", "<pad>", "</s>", "<unk>", *_pieces(spm)]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}), encoding="utf-8")
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    codes = FAIRSEQ_LANGUAGE_CODES["m2m100"]  # the published checkpoints list them as special tokens
    tokenizer = M2M100Tokenizer(str(folder / "vocab.json"), str(spm), model_max_length=64,
                                additional_special_tokens=[f"__{code}__" for code in codes])
    return tokenizer, _m2m_model(len(words) + len(codes) + 8)


def _m2m_model(words: int) -> Any:
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    return _seeded(M2M100ForConditionalGeneration, M2M100Config(
        vocab_size=words, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, encoder_layerdrop=0.0,
        decoder_layerdrop=0.0, **SMALL))


def _nllb(folder: Path) -> tuple[Any, Any]:
    from transformers import NllbTokenizer

    words = ["<s>", "<pad>", "</s>", "<unk>", "▁", *CHARACTERS]
    tokenizer = NllbTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=[], model_max_length=64)
    return tokenizer, _m2m_model(len(tokenizer))


def _mbart(folder: Path) -> tuple[Any, Any]:
    from transformers import MBartTokenizer

    return _mbart_of(MBartTokenizer(vocab=[("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *UNIGRAM],
                                    model_max_length=64))


def _mbart50(folder: Path) -> tuple[Any, Any]:
    from transformers import MBart50Tokenizer

    return _mbart_of(MBart50Tokenizer(vocab=[("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *UNIGRAM], model_max_length=64))


def _mbart_of(tokenizer: Any) -> tuple[Any, Any]:
    from transformers import MBartConfig, MBartForConditionalGeneration

    return tokenizer, _seeded(MBartForConditionalGeneration, MBartConfig(
        vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=None,
        **SMALL))


def _seeded(cls: Any, config: Any) -> Any:
    torch.manual_seed(0)
    return cls(config)


_MAKERS = {"t5": _t5, "bart": _bart, "marian": _marian, "marian-many": _many, "m2m100": _m2m, "mbart": _mbart,
           "mbart50": _mbart50, "nllb": _nllb, "bert2bert": _bert, "marian-ssru": _ssru}
