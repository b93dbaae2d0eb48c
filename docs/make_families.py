"""Writes docs/families.md: which families of models work for which task, found by trying each on a tiny model.

    python docs/make_families.py        # tests/contract/test_families.py fails while the page is not current

A family's model is made from its config with random weights, and goes through the code that a real one goes through:
found in a folder, given the task's head, fed the task's own samples, saved, loaded again.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weitiao import bundle, models, tasks
from weitiao.core import i18n
from weitiao.core.errors import ModelError
from weitiao.example import Row
from weitiao.models import ssru
from weitiao.models._load import quiet
from weitiao.models.spec import INPUTS

PAGE = Path(__file__).resolve().parent / "families.md"
LENGTH = 64
CLOSE = 1e-4  # of gradients and logits, relative to the largest

_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
          "max_position_embeddings": 130}
_ROBERTA = {**_SMALL, "pad_token_id": 0, "type_vocab_size": 1}
_DECODER = {**_SMALL, "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0, "bos_token_id": 2,
            "eos_token_id": 3}
_BOTH = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
         "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 130,
         "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2}


@dataclass(frozen=True)
class Family:
    """A family by the name that people know, transformers' name of it, and a tiny shape."""

    title: str
    kind: str
    model_type: str
    config: dict[str, Any] = field(default_factory=dict)


FAMILIES = (
    Family("BERT", "encoder", "bert", _SMALL),
    Family("RoBERTa", "encoder", "roberta", _ROBERTA),
    Family("XLM-R", "encoder", "xlm-roberta", _ROBERTA),
    Family("ALBERT", "encoder", "albert", {**_SMALL, "embedding_size": 16}),
    Family("ELECTRA", "encoder", "electra", {**_SMALL, "embedding_size": 16}),
    Family("DistilBERT", "encoder", "distilbert", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48,
                                                   "max_position_embeddings": 130}),
    Family("DeBERTa v2, v3", "encoder", "deberta-v2", {
        **_SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8,
        "share_att_key": True, "position_biased_input": False, "legacy": False}),
    Family("ModernBERT", "encoder", "modernbert", {**_SMALL, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3,
                                                   "bos_token_id": 2, "eos_token_id": 3, "local_attention": 8}),
    Family("GPT-2", "decoder", "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 130, "bos_token_id": 2,
                                        "eos_token_id": 3, "pad_token_id": 0}),
    Family("Llama, SmolLM", "decoder", "llama", {**_DECODER, "tie_word_embeddings": True}),
    Family("Qwen 2", "decoder", "qwen2", _DECODER),
    Family("Qwen 3", "decoder", "qwen3", _DECODER),
    Family("Gemma 3", "decoder", "gemma3_text", {**_DECODER, "sliding_window": 16}),
    Family("T5", "encoder-decoder", "t5", {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2,
                                           "pad_token_id": 0, "eos_token_id": 3, "decoder_start_token_id": 0}),
    Family("BART", "encoder-decoder", "bart", {**_BOTH, "forced_eos_token_id": 3}),
    Family("Marian", "encoder-decoder", "marian", {**_BOTH, "decoder_start_token_id": 0}),
    Family("Marian with SSRU (Bergamot tiny)", "encoder-decoder", "marian-ssru", {
        **_BOTH, "decoder_start_token_id": 0, "forced_eos_token_id": None}),
    Family("M2M-100, NLLB", "encoder-decoder", "m2m_100", _BOTH),
)
_AUTO = {"encoder": "AutoModelForMaskedLM", "decoder": "AutoModelForCausalLM",
         "encoder-decoder": "AutoModelForSeq2SeqLM"}

_TYPES = ("bert", "albert", "electra")  # their tokenizers say which of two texts a token is of

_HEAD = """# Families of models

Made by `docs/make_families.py` from what it saw; do not edit. Each family is a tiny model with random weights that goes
through the code of a real one, on the samples of each task, and is marked where all of this holds:

- forward: the loss of a batch is a finite number;
- gradient: that of a batch is the sum of its rows' gradients, each taken alone without padding;
- saved and loaded again, it gives the same numbers.

✓ all hold; – refused with the error code below the table; ✗ something is wrong (what, stands below the table).

由 `docs/make_families.py` 实测生成，请勿手改。✓ 前向、梯度、保存后重新载入均正确；– 明确拒绝；✗ 有问题。
"""


def tokenizer() -> Any:
    """Words and characters of the tasks' samples, in the way of BERT."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers import models as kinds
    from transformers import BertTokenizer

    letters = [chr(c) for c in range(33, 127)]
    chinese = sorted({c for c in repr([s.rows for n in tasks.names() for s in tasks.load(n).SAMPLES]) if ord(c) > 126})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = {piece: i for i, piece in enumerate(dict.fromkeys([*special, *letters, *chinese,
                                                                *(f"##{c}" for c in letters)]))}
    made = Tokenizer(kinds.WordPiece(pieces, unk_token="[UNK]"))  # noqa: S106 - no password
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return BertTokenizer(tokenizer_object=made, vocab=pieces, model_max_length=128)


def checkpoint(family: Family, words: Any, folder: Path) -> Path:
    """A pretrained-looking folder of that family."""
    import torch
    import transformers
    from tokenizers import pre_tokenizers

    ssru.register()  # the one family that transformers lacks
    config = transformers.AutoConfig.for_model(family.model_type, **family.config, vocab_size=max(len(words), 300))
    torch.manual_seed(3)
    own = words if family.model_type in _TYPES else transformers.PreTrainedTokenizerFast(
        tokenizer_object=words.backend_tokenizer, model_max_length=128, **words.special_tokens_map)
    if family.model_type == "qwen2":  # transformers reads whatever lies there as this family's own kind: bytes
        letters = pre_tokenizers.ByteLevel.alphabet()
        own = transformers.Qwen2Tokenizer(vocab={x: i for i, x in enumerate(sorted(letters))}, merges=[])
    with quiet():
        getattr(transformers, _AUTO[family.kind]).from_config(config).save_pretrained(folder)
        own.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Trial:
    """A task that has learnt one of its samples, on a model."""

    name: str
    task: tasks.Task
    rows: list[tasks.Encoded]
    words: Any
    model: Any

    def batch(self, rows: list[tasks.Encoded]) -> tasks.Batch:
        return self.task.collate(rows, self.words.pad_token_id, self.words.padding_side)

    def loss(self, rows: list[tasks.Encoded]) -> Any:
        batch = self.batch(rows)
        return self.task.loss_sum(self.model(**{k: v for k, v in batch.items() if k in INPUTS}), batch)


def trials(name: str, folder: Path) -> Iterable[Trial]:
    """The task's samples on the model in a folder. Raises ModelError where the two do not go together."""
    from weitiao.models.build import build

    base = models.find(str(folder))
    words = models.tokenizer(base.folder)
    for sample in tasks.load(name).SAMPLES:
        task = tasks.make(name, sample.options, sample.columns)
        examples = tasks.read_all(task, [Row(r, "sample.jsonl", i + 1) for i, r in enumerate(sample.rows)])
        task.fit(examples)
        task.bind(base.kind, words)
        model = build(base, task.head(), pooling="auto", dropout=0.0, seed=1)
        yield Trial(name, task, task.encode(examples, words, LENGTH), words, model)


def forward(trial: Trial, folder: Path) -> bool:
    import torch

    return bool(torch.isfinite(trial.loss(trial.rows)))


def gradient(trial: Trial, folder: Path) -> bool:
    import torch

    whole = _gradient(trial, trial.rows)
    parts = [_gradient(trial, [row]) for row in trial.rows]
    # Rows' gradients nearly cancel in a sum of few: rounding is to be judged by the rows'.
    largest = max(float(g.abs().max()) for part in parts for g in part.values())
    return largest > 0 and all(torch.allclose(sum(part[n] for part in parts), g, rtol=CLOSE, atol=CLOSE * largest)
                               for n, g in whole.items())


def _gradient(trial: Trial, rows: list[tasks.Encoded]) -> dict[str, Any]:
    import torch

    moving = [(n, p) for n, p in trial.model.named_parameters() if p.requires_grad]
    found = torch.autograd.grad(trial.loss(rows), [p for _, p in moving], allow_unused=True, materialize_grads=True)
    return {n: g for (n, _), g in zip(moving, found, strict=True)}


def saved(trial: Trial, folder: Path) -> bool:
    import torch

    settings = bundle.Settings(LENGTH, False, {})
    bundle.save(folder, trial.model.eval(), trial.words, trial.name, trial.task, settings, {})
    again = bundle.load(folder)
    with torch.no_grad():
        batch = trial.batch(trial.rows)
        inputs = {k: v for k, v in batch.items() if k in INPUTS}
        want, got = trial.model(**inputs), again.model(**inputs)
    return bool(torch.allclose(got, want, rtol=CLOSE, atol=CLOSE))


CHECKS: dict[str, Callable[[Trial, Path], bool]] = {"forward": forward, "gradient": gradient, "saved": saved}


def cell(name: str, folder: Path) -> tuple[str, str]:
    """A mark, and what is to be said about it."""
    try:
        for i, trial in enumerate(trials(name, folder)):
            for check, holds in CHECKS.items():
                if not holds(trial, folder.parent / f"{folder.name}-{name}-{i}"):
                    return "✗", check
    except ModelError as e:
        return "–", f"`{e.code}`"
    except Exception as e:  # a failure of any kind is what the page is to show
        return "✗", type(e).__name__
    return "✓", ""


def row(family: Family, words: Any, folder: Path) -> tuple[str, list[str]]:
    """One line of the table, and the lines below the table."""
    made = checkpoint(family, words, folder / family.model_type)
    found = {name: cell(name, made) for name in tasks.names()}
    line = f"| {family.title} | {family.kind} | " + " | ".join(mark for mark, _ in found.values()) + " |"
    return line, [f"- {family.title}, {name}: {mark} {why}" for name, (mark, why) in found.items() if why]


def rows(families: Iterable[Family] = FAMILIES) -> list[tuple[str, list[str]]]:
    """What was seen of each family."""
    before = i18n.language()
    i18n.use("en")
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            words = tokenizer()
            return [row(family, words, Path(folder)) for family in families]
    finally:
        i18n.use(before)


def page() -> str:
    """The whole page."""
    found = rows()
    names = tasks.names()
    table = [f"| family | kind | {' | '.join(names)} |", f"|---|---|{'|'.join(':-:' for _ in names)}|",
             *(line for line, _ in found)]
    notes = [note for _, said in found for note in said]
    return "\n".join([_HEAD, *table, "", *notes]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(PAGE.read_text(encoding="utf-8"))
