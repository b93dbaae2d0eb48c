"""Several tuned models on one base in memory: each says what it says when it is loaded alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import weitiao
from weitiao import bundle, methods, models, tasks
from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.example import Example, Row
from weitiao.models import grown
from weitiao.models.build import build

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own


def tuned(home: Path, base: Path, task_name: str, method_name: str, *, pooling: str = "auto", seed: int = 1,
          new_tokens: tuple[str, ...] = ()) -> list[Example]:
    """What a run leaves behind, with an adapter that has moved; the examples that it has learnt."""
    sample = next(s for s in tasks.load(task_name).SAMPLES if models.kind_of(base) in s.kinds)
    task = tasks.make(task_name, sample.options, sample.columns)
    examples = [task.read(Row(r, "sample.jsonl", i + 1)) for i, r in enumerate(sample.rows)]
    task.fit(examples)
    found, method = models.find(str(base)), methods.load(method_name)
    options = method.Options()
    tokenizer, growth = grown.teach(models.tokenizer(base), new_tokens, prompt=method.virtual_tokens(options), seed=1)
    task.bind(found.kind, tokenizer)
    model = build(found, task.head(), pooling=pooling, dropout=0.0, seed=seed)  # type: ignore[arg-type]
    grown.grow(model, growth)
    torch.manual_seed(seed)
    model = method.attach(model, options)
    with grown.moving(model), torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * (0.1 if "lora_" in name else 0.3))
    adapter = method.adapter(model)
    model = method.merge(model)
    bundle.save(home / "model", model, tokenizer, task_name, task, bundle.Settings(64, False, {}), {})
    adapter.write(home / "adapter", base=str(base), head=model.new_modules(), saved=home / "model",
                  base_rows=model.base_rows,
                  facts={"method": method_name, "own_words": len(growth.parts),
                         "base": {"name": str(base), "weights": files.hashes(base, "*.safetensors")}})
    return examples


def same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for x, y in zip(one, other, strict=True):
            same(x, y)
    else:
        assert one == (pytest.approx(other, abs=1e-4) if isinstance(one, float) else other)


@pytest.mark.parametrize(("kind", "made"), [
    ("encoder", [("classify", "lora", "mean"), ("classify", "ia3", "native"), ("tag", "lora", "auto"),
                 ("extract", "prompt", "auto"), ("regress", "ia3", "mean"), ("classify", "prompt", "mean"),
                 ("regress", "prompt", "native")]),
    ("decoder", [("generate", "lora", "auto"), ("summarise", "prompt", "auto"), ("tag", "ia3", "auto"),
                 ("dialogue", "prompt", "auto")]),
    ("encoder-decoder", [("generate", "prompt", "auto"), ("translate", "ia3", "auto"), ("summarise", "lora", "auto")]),
])
def test_each_says_what_it_says_alone(kind: str, made: list[tuple[str, str, str]], tiny_folders: dict[str, Path],
                                      tmp_path: Path) -> None:
    homes, rows = [tmp_path / str(i) for i in range(len(made))], []
    for i, (task, method, pooling) in enumerate(made):
        rows.append([Example(e.id, e.inputs, None, e.source)
                     for e in tuned(homes[i], tiny_folders[kind], task, method, pooling=pooling, seed=i + 1)])
    together = weitiao.load_adapters(homes)
    for _ in range(2):  # one after the other, and again: nothing of one stays in the other
        for home, both, examples in zip(homes, together, rows, strict=True):
            alone = weitiao.load(home)
            said = [b.task.decode(b.outputs(examples)) for b in (both, alone)]
            same(*said)
    stored = [{p.untyped_storage().data_ptr() for p in b.model.parameters()} for b in together]
    with torch.no_grad():
        base = sum(p.numel() for p in build(models.find(str(tiny_folders[kind])), together[0].task.head(),
                                            pooling="mean", dropout=0.0, seed=1).base.parameters())
    common = set.intersection(*stored)
    shared = sum(p.numel() for p in together[0].model.parameters() if p.untyped_storage().data_ptr() in common)
    assert shared > 0.9 * base


def test_what_is_not_on_the_same_base_is_refused(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    base = tiny_folders["encoder"]
    other = tmp_path / "other"
    shutil.copytree(base, other)
    found = build(models.find(str(other)), tasks.HeadSpec(2, "single_label_classification", ("a", "b")),
                  pooling="mean", dropout=0.0, seed=1).body
    with torch.no_grad():
        found.embeddings.word_embeddings.weight[7, 7] += 1e-3
    found.save_pretrained(other)
    tuned(tmp_path / "a", base, "classify", "lora")
    tuned(tmp_path / "b", other, "classify", "lora")
    with pytest.raises(RunError, match=r"adapter\.other_base") as caught:
        weitiao.load_adapters([tmp_path / "a", tmp_path / "b"])
    assert caught.value.where == str(tmp_path / "b") and caught.value.fix
    assert len(weitiao.load_adapters([tmp_path / "b"])) == 1
    with pytest.raises(RunError, match=r"adapter\.other_base"):
        weitiao.load_adapters([tmp_path / "b"], base=base)
    assert weitiao.load_adapters([]) == []


def test_a_base_that_has_moved_is_named(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    base, moved = tmp_path / "base", tmp_path / "moved"
    shutil.copytree(tiny_folders["encoder"], base)
    examples = tuned(tmp_path / "a", base, "classify", "lora")
    base.rename(moved)
    [one] = weitiao.load_adapters([tmp_path / "a"], base=moved)
    same(one.task.decode(one.outputs(examples)), (alone := weitiao.load(tmp_path / "a")).task.decode(
        alone.outputs(examples)))


def test_new_tokens_cannot_be_shared(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    tuned(tmp_path / "a", tiny_folders["encoder"], "classify", "lora", new_tokens=("metformin",))
    with pytest.raises(RunError, match=r"adapter\.alone"):
        weitiao.load_adapters([tmp_path / "a"])


def test_a_run_without_an_adapter_and_a_damaged_one(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    tuned(tmp_path / "a", tiny_folders["encoder"], "classify", "lora")
    path = tmp_path / "a" / "adapter" / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"bundle\.damaged"):
        weitiao.load_adapters([tmp_path / "a"])
    shutil.rmtree(tmp_path / "a" / "adapter")
    with pytest.raises(RunError, match=r"adapter\.missing") as caught:
        weitiao.load_adapters([tmp_path / "a"])
    assert "--method lora" in caught.value.fix


def test_what_the_adapter_knows_of_its_base(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    base = tiny_folders["encoder"]
    tuned(tmp_path / "a", base, "classify", "ia3")
    facts = json.loads((tmp_path / "a" / "adapter" / "weitiao.json").read_text())
    assert facts["base"]["weights"] == {"model.safetensors": files.sha256(base / "model.safetensors")}
    assert facts["weights"].keys() == {"adapter_model.safetensors"} and facts["method"] == "ia3"


@pytest.mark.parametrize(("kind", "task"), [("encoder", "classify"), ("decoder", "generate"),
                                            ("encoder-decoder", "generate")])
@pytest.mark.parametrize("spare", [7, 60])
def test_a_table_longer_than_the_vocabulary(kind: str, task: str, spare: int, tiny_folders: dict[str, Path],
                                            tmp_path: Path) -> None:
    """Some tables end in rows of no token (e5-small, Qwen): a prompt takes some of them, or all and more."""
    import transformers

    base = tmp_path / "base"
    shutil.copytree(tiny_folders[kind], base)
    config = json.loads((base / "config.json").read_text())
    long = getattr(transformers, config["architectures"][0]).from_pretrained(base)
    torch.manual_seed(0)
    long.resize_token_embeddings(config["vocab_size"] + spare, mean_resizing=False)
    long.save_pretrained(base)
    rows = [Example(e.id, e.inputs, None, e.source) for e in tuned(tmp_path / "a", base, task, "prompt")]
    assert json.loads((tmp_path / "a" / "model" / "config.json").read_text())["vocab_size"] == (
        config["vocab_size"] + max(20, spare))
    [together], alone = weitiao.load_adapters([tmp_path / "a"]), weitiao.load(tmp_path / "a")
    same(together.task.decode(together.outputs(rows)), alone.task.decode(alone.outputs(rows)))
    if kind != "encoder":
        assert together.model.first_virtual == config["vocab_size"]
