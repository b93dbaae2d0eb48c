"""What all tests share: English messages, no network, and a tiny pretrained-looking model made in code."""

from __future__ import annotations

import os
import sys

# Before anything imports huggingface_hub or torch: no test may reach a hub, and two cores are shared.
os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"),
                  TOKENIZERS_PARALLELISM="false")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from weitiao.core import i18n

ENGLISH = (
    "the a is was and not good bad great awful food movie film music travel service room price very really i it this "
    "that love hate like slow fast clean dirty happy sad one two three yes no"
)
CHARACTERS = "的一是了我不人在他有这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后好很坏吃慢快电影音乐旅游歌门票看听喜欢贵便宜房间服务"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ENGLISH.split(), *dict.fromkeys(CHARACTERS),
          *"abcdefghijklmnopqrstuvwxyz0123456789.,!?，。！？", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789")]


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    i18n.use("en")
    yield
    i18n.use("en")


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
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


@pytest.fixture(scope="session")
def tiny_config(tiny_tokenizer: Any) -> Any:
    """A BERT of 2 layers, 32 wide, 64 positions."""
    from transformers import BertConfig

    return BertConfig(vocab_size=len(tiny_tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                      intermediate_size=64, max_position_embeddings=64, pad_token_id=0)


@pytest.fixture(scope="session")
def tiny_folder(tiny_tokenizer: Any, tiny_config: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That BERT with random weights as an ordinary `from_pretrained` folder. Read only: the session shares it."""
    import torch
    from transformers import BertModel

    folder = tmp_path_factory.mktemp("tiny") / "tiny-bert"
    torch.manual_seed(0)
    BertModel(tiny_config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folders(tiny_folder: Path, tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny base of each kind: that BERT, a Llama and a BART, with random weights and one tokenizer. Read only."""
    import torch
    from transformers import BartConfig, BartForConditionalGeneration, LlamaConfig, LlamaForCausalLM

    words = len(tiny_tokenizer)
    shape = {"vocab_size": words, "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 2,
             "eos_token_id": 3}
    torch.manual_seed(0)
    made = {
        "decoder": LlamaForCausalLM(LlamaConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                                num_attention_heads=2, tie_word_embeddings=True, **shape)),
        "encoder-decoder": BartForConditionalGeneration(BartConfig(
            d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=64, decoder_ffn_dim=64, decoder_start_token_id=2, forced_eos_token_id=3, **shape)),
    }
    folders = {"encoder": tiny_folder}
    for kind, model in made.items():
        folders[kind] = tmp_path_factory.mktemp("tiny") / f"tiny-{kind}"
        model.save_pretrained(folders[kind])
        tiny_tokenizer.save_pretrained(folders[kind])
    return folders


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: equal to tests/…/golden/<name>? With WEITIAO_GOLDEN=write the file is written instead."""
    def check(name: str, text: str) -> None:
        path = request.path.parent / "golden" / name
        if os.environ.get("WEITIAO_GOLDEN") == "write":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"the public surface changed: if that is meant, run WEITIAO_GOLDEN=write {Path(sys.executable).name} "
            f"-m pytest {request.path.name}, and tell users in CHANGELOG.md")
    return check
