"""A learnt prompt and new tokens through the real command: what is left behind says the same without weitiao."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from calling import weitiao as call
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import weitiao
from weitiao.models._load import quiet

FAST = ("--set", "tune.precision=fp32", "--set", "tune.learning_rate=0.01", "--set", "tune.head_learning_rate=0.01")
TEXTS = ["the food was great", "awful service, very slow", "metformin is good", "我喜欢这个房间"]


def rows(n: int) -> list[dict[str, str]]:
    """What decides is a word that the tokenizer spells letter by letter."""
    words = ["the", "a", "food", "movie", "film", "music", "service", "room", "price", "this", "that", "it", "was",
             "very", "really"]
    return [{"text": " ".join([*(words[(i * k + k) % 15] for k in range(1, 2 + i % 6)),
                               ("metformin", "warfarin")[i % 2], words[i % 7]]), "label": ("sugar", "blood")[i % 2]}
            for i in range(n)]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "drugs.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows(150)), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["prompt", "lora", "prompt and tokens", "head and tokens"])
def run(request: pytest.FixtureRequest, table: Path, tiny_folder: Path,
        tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("runs") / "r"
    method = request.param.partition(" ")[0]
    tokens = [] if request.param == "prompt" else ["--set", 'model.new_tokens=["metformin", "warfarin"]']
    got = call("tune", str(table), "--model", str(tiny_folder), "--out", str(out), "--json", "--method", method,
               "--set", "tune.epochs=8", "--set", "model.head=mean", *FAST, *tokens)
    assert got.code == 0, got
    return request.param, out


def snippet(folder: Path) -> str:
    found = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.S)
    assert found
    return found[1]


def logits(model: Any, tokenizer: Any) -> Any:
    with torch.no_grad():
        return torch.cat([model(**tokenizer(x, return_tensors="pt")).logits for x in TEXTS])


def test_it_learns_and_plain_transformers_says_the_same(run: tuple[str, Path]) -> None:
    way, out = run
    scores = json.loads((out / "evaluate" / "scores.json").read_text(encoding="utf-8"))
    assert scores["metrics"][0]["value"] > 0.8, (way, scores["metrics"][0])
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(out / "model").eval()
        tokenizer = AutoTokenizer.from_pretrained(out / "model")
    said = weitiao.load(out).predict(TEXTS)
    for one, row in zip(said, torch.softmax(logits(model, tokenizer), -1), strict=True):
        for i, label in model.config.id2label.items():
            assert one["probabilities"][label] == pytest.approx(float(row[i]), abs=1e-4)
    padded = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(model(**padded).logits, logits(model, tokenizer), rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
def test_the_adapters_page_says_how_to_load_it(run: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    way, out = run
    if way in ("prompt and tokens", "head and tokens"):
        assert not (out / "adapter").exists()
        return
    monkeypatch.chdir(out / "adapter")
    names: dict[str, Any] = {}
    with quiet():
        exec(snippet(Path()), names)
        model = AutoModelForSequenceClassification.from_pretrained(out / "model").eval()
        saved = AutoTokenizer.from_pretrained(out / "model")
    torch.testing.assert_close(logits(names["model"].eval(), names["tokenizer"]), logits(model, saved), rtol=1e-4, atol=1e-4)


def test_only_the_new_rows_have_moved(run: tuple[str, Path], tiny_folder: Path) -> None:
    from safetensors.torch import load_file

    way, out = run
    before = load_file(tiny_folder / "model.safetensors")
    after = {n.removeprefix("bert."): x for n, x in load_file(out / "model" / "model.safetensors").items()}
    table = "embeddings.word_embeddings.weight"
    size = len(before[table])
    assert torch.equal(after[table][:size], before[table])
    assert len(after[table]) == size + {"prompt": 20, "prompt and tokens": 22}.get(way, 2)
    frozen = [n for n in before if n in after and n != table and not n.startswith("pooler")]
    assert all(torch.equal(after[n], before[n]) for n in frozen) == (way != "lora")


def test_the_prompt_is_no_text(run: tuple[str, Path]) -> None:
    way, out = run
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(out / "model")
    ids = tokenizer("the food")["input_ids"]
    assert len(ids) == (24 if way.startswith("prompt") else 4)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the food"
    assert ("metformin" in tokenizer.get_vocab()) == (way != "prompt")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "asked.jsonl"
    path.write_text("".join(json.dumps({"prompt": r["text"], "target": f"{r['label'][0]} one two"}) + "\n"
                            for r in rows(60)), encoding="utf-8")
    return path


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
@pytest.mark.filterwarnings("ignore:Position ids are not supported:UserWarning")  # and that one
@pytest.mark.parametrize("packing", ["false", "true"])
def test_what_a_prompt_writes(packing: str, asked: Path, tiny_folders: dict[str, Path], tmp_path: Path,
                              monkeypatch: pytest.MonkeyPatch) -> None:
    """Greedy answers of ours, of plain transformers and of peft, token by token."""
    out = tmp_path / "run"
    got = call("tune", str(asked), "--task", "generate", "--model", str(tiny_folders["decoder"]), "--out", str(out),
               "--json", "--method", "prompt", "--set", "tune.epochs=2", "--set", f"task.packing={packing}",
               "--set", "task.max_new_tokens=6", *FAST)
    assert got.code == 0, got
    texts = [r["text"] for r in rows(8)]
    bundle = weitiao.load(out)
    ours = [x["text"] for x in bundle.predict(texts)]
    monkeypatch.chdir(out / "adapter")
    names: dict[str, Any] = {}
    with quiet():
        exec(snippet(Path()), names)
        plain = AutoModelForCausalLM.from_pretrained(out / "model").eval()
    encoded = bundle.task.encode([bundle.read(bundle._row(x, 0)) for x in texts], bundle.tokenizer, 64)
    for row, want in zip(encoded, ours, strict=True):
        ids = torch.tensor([row.windows[0]])
        assert row.windows[0][:20] == tuple(sorted(bundle.tokenizer.convert_tokens_to_ids(
            [f"<|prompt-{i}|>" for i in range(20)])))
        with torch.no_grad():
            said = plain.generate(input_ids=ids, attention_mask=torch.ones_like(ids))[0, ids.shape[1]:]
            bare = ids[:, 20:]
            by_peft = names["model"].eval().generate(input_ids=bare, attention_mask=torch.ones_like(bare))
        assert bundle.tokenizer.decode(said, skip_special_tokens=True).strip() == want
        assert by_peft[0, bare.shape[1]:].tolist() == said.tolist()


def test_what_cannot_be_is_said(table: Path, tiny_folder: Path, tmp_path: Path) -> None:
    for tokens, code in (('["movie"]', "model.token_exists"), ('["a b", "a b"]', "recipe.bad_value"),
                         ('[""]', "recipe.bad_value"), ('[" x"]', "recipe.bad_value")):
        got = call("tune", str(table), "--model", str(tiny_folder), "--out", str(tmp_path / "r"), "--set",
                   f"model.new_tokens={tokens}", "--set", "tune.steps=1")
        assert got.code in (2, 4) and code in got.stdout + got.stderr, got
