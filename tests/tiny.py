"""Tiny models that look pretrained: random weights of a real architecture and a WordPiece tokenizer, made in code.

>>> folder = encoder(tmp_path, tokenizer())        # what `from_pretrained` takes
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ENGLISH = (
    "the a is was and not good bad great awful food movie film music travel service room price very really i it this "
    "that love hate like slow fast clean dirty happy sad one two three yes no"
)
CHARACTERS = "的一是了我不人在他有这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后好很坏吃慢快电影音乐旅游歌门票看听喜欢贵便宜房间服务"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ENGLISH.split(), *dict.fromkeys(CHARACTERS),
          *"abcdefghijklmnopqrstuvwxyz0123456789.,!?，。！？", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789")]


def tokenizer() -> Any:
    """A WordPiece tokenizer of some 300 pieces, Chinese and English."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertTokenizer

    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(PIECES))}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return BertTokenizer(tokenizer_object=backend, vocab=vocabulary, model_max_length=64)


def config(tokenizer: Any) -> Any:
    """A BERT of 2 layers, 32 wide, 64 positions."""
    from transformers import BertConfig

    return BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                      intermediate_size=64, max_position_embeddings=64, pad_token_id=0)


def encoder(below: Path, tokenizer: Any) -> Path:
    """That BERT in a folder."""
    import torch
    from transformers import BertModel

    torch.manual_seed(0)
    return _saved(BertModel(config(tokenizer)), below / "tiny-bert", tokenizer)


def speakers(below: Path, tokenizer: Any) -> dict[str, Path]:
    """A Llama and a BART, by kind."""
    import torch
    from transformers import BartConfig, BartForConditionalGeneration, LlamaConfig, LlamaForCausalLM

    shape = {"vocab_size": len(tokenizer), "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 2,
             "eos_token_id": 3}
    torch.manual_seed(0)
    made = {
        "decoder": LlamaForCausalLM(LlamaConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                                num_attention_heads=2, tie_word_embeddings=True, **shape)),
        "encoder-decoder": BartForConditionalGeneration(BartConfig(
            d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=64, decoder_ffn_dim=64, decoder_start_token_id=2, forced_eos_token_id=3, **shape)),
    }
    return {kind: _saved(model, below / f"tiny-{kind}", tokenizer) for kind, model in made.items()}


def _saved(model: Any, folder: Path, tokenizer: Any) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
