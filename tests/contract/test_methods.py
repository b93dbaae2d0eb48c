"""Every method in the folder on tiny models of each kind: unchanged at first, moves what it says, merges to the same
outputs, and leaves an adapter that peft alone loads to the same outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from weitiao import methods, models
from weitiao.core.errors import ModelError
from weitiao.models import grown
from weitiao.models.spec import HeadSpec

LABELS = HeadSpec(3, "single_label_classification", ("a", "b", "c"))
WORDS = HeadSpec(0, kind="language")
MASKS = HeadSpec(0, kind="corpus")
TOKENS = HeadSpec(3, labels=("O", "B-X", "I-X"), kind="tokens")
MODELS: dict[str, tuple[str, Any, HeadSpec]] = {
    "mean": ("encoder", "mean", LABELS), "native": ("encoder", "native", LABELS),
    "tokens": ("encoder", "native", TOKENS), "decoder-labels": ("decoder", "native", LABELS),
    "decoder-words": ("decoder", "native", WORDS), "encoder-decoder": ("encoder-decoder", "native", WORDS),
    "masks": ("encoder", "native", MASKS),
}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "prompt": [{"length": 5}],
    "lora": [{}, {"rslora": True, "rank": 4}, {"dora": True, "rank": 4}, {"dora": True, "rslora": True, "rank": 2}]}
REFUSED = {("head", "decoder-words"): r"model\.nothing_moves", ("head", "encoder-decoder"): r"model\.nothing_moves",
           ("bitfit", "decoder-words"): r"model\.no_biases", ("bitfit", "decoder-labels"): r"model\.no_biases",
           ("prompt", "masks"): r"model\.no_prompt",
           **{("qlora", kind): r"model\.needs_cuda" for kind in MODELS}}
CASES = [pytest.param((name, options, kind), id=f"{name}{i or ''}-{kind}")
         for name in methods.names() for i, options in enumerate(OPTIONS.get(name, [{}])) for kind in MODELS]


@dataclass(frozen=True)
class Case:
    """A method's module, an untuned model, and the method's options."""

    method: Any
    options: Any
    model: Any
    kind: str
    folder: Path
    inputs: dict[str, Any]
    tokenizer: Any
    virtual: int  # tokens of a learnt prompt, which the tokenizer has written at the beginning of the inputs

    def attach(self) -> Any:
        return self.method.attach(self.model, self.options)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Case:
    import torch

    from weitiao.models.build import build

    name, options, kind = request.param
    base, pooling, head = MODELS[kind]
    method = methods.load(name)
    model = build(models.find(str(tiny_folders[base])), head, pooling=pooling, dropout=0.0, seed=1)
    virtual = method.virtual_tokens(method.Options(**options))
    tokenizer, growth = grown.teach(models.tokenizer(tiny_folders[base]), (), prompt=virtual, seed=1)
    grown.grow(model, growth)
    ids = torch.cat([torch.tensor([*growth.ids]).long().repeat(4, 1), torch.arange(5, 37).reshape(4, 8)], 1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if kind == "encoder-decoder":
        inputs["decoder_input_ids"] = torch.arange(5, 37).reshape(4, 8).flip(1)
    if head in (WORDS, MASKS):
        spoken = inputs.get("decoder_input_ids", ids)
        inputs["places"] = torch.arange(spoken.numel()).reshape(spoken.shape)[:, -8:].flatten()
    torch.manual_seed(7)
    made = Case(method, method.Options(**options), model, kind, tiny_folders[base], inputs, tokenizer,
                virtual)
    if (name, kind) in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[name, kind]) as caught:
            made.attach()
        assert caught.value.fix
        pytest.skip("refused, as it should be")
    return made


def _train(model: Any, inputs: dict[str, Any], steps: int = 3) -> None:
    import torch

    with grown.moving(model):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
        for _ in range(steps):
            optimizer.zero_grad()
            logits = model(**inputs).flatten(0, -2)
            torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 3).backward()
            optimizer.step()


def test_attaching_changes_no_output(case: Case) -> None:
    import torch

    before = case.model(**case.inputs).detach()
    attached = case.attach().eval()
    assert torch.allclose(attached(**case.inputs).detach(), before, atol=1e-6)
    with grown.moving(attached):
        assert torch.allclose(attached(**case.inputs).detach(), before, atol=1e-6)
        assert any(p.requires_grad for p in attached.parameters())


def test_what_may_move_moves_and_nothing_else(case: Case) -> None:
    import torch

    attached = case.attach()
    before = {n: p.detach().clone() for n, p in attached.named_parameters()}
    _train(attached, case.inputs)
    table = attached.word_embeddings().weight
    moved = {n for n, p in attached.named_parameters() if not torch.equal(p.detach(), before[n])}
    allowed = {n for n, p in attached.named_parameters() if p.requires_grad or (case.virtual and p is table)}
    assert moved and moved <= allowed
    if case.virtual:  # of the table its own rows alone
        old = next(before[n] for n, p in attached.named_parameters() if p is table)
        same = (table.detach() == old).all(1)
        assert same[:-case.virtual].all() and not same[-case.virtual:].any()
    assert all(p.grad is None for n, p in attached.named_parameters() if n not in allowed), "gradients of frozen parts"


def test_merged_is_plain_and_equal(case: Case, tmp_path: Path) -> None:
    import torch

    names = {n for n, _ in case.model.named_parameters()}
    attached = case.attach()
    _train(attached, case.inputs)
    want = attached.eval()(**case.inputs).detach()
    merged = case.method.merge(attached).eval()
    assert {n for n, _ in merged.named_parameters()} == names
    assert torch.allclose(merged(**case.inputs).detach(), want, atol=2e-5)
    merged.save(tmp_path / "m", case.tokenizer)
    assert torch.allclose(_said(_plain(tmp_path / "m"), case), want, atol=2e-5)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
def test_what_was_learnt_is_loaded_by_peft_alone(case: Case, tmp_path: Path) -> None:
    """Base, the saved model's config, and the adapter: the same outputs without a line of ours."""
    import torch
    from peft import PeftModel
    from transformers import AutoConfig

    attached = case.attach()
    _train(attached, case.inputs)
    want = attached.eval()(**case.inputs).detach()
    adapter = case.method.adapter(attached)
    if adapter is None:
        assert not any("lora_" in n or "ia3_" in n for n, _ in attached.named_parameters())
        return
    merged = case.method.merge(attached)
    assert bool(merged.unfit) == (case.kind == "masks") and not adapter.unfit
    if merged.unfit:
        return
    merged.save(tmp_path / "model", case.tokenizer)
    adapter.write(tmp_path / "adapter", base=str(case.folder), head=merged.new_modules(), saved=tmp_path / "model",
                  base_rows=merged.base_rows, facts={})
    assert sorted(p.name for p in (tmp_path / "adapter").iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "weitiao.json"]
    page = (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    assert ("one row at a time" in page) == (case.kind == "decoder-labels" and bool(case.virtual))
    words = {"vocab_size": merged.base_rows} if merged.base_rows else {}
    plain = _plain(case.folder, AutoConfig.from_pretrained(tmp_path / "model", **words), type(_plain(tmp_path / "model")))
    loaded = PeftModel.from_pretrained(plain, str(tmp_path / "adapter")).eval()
    assert torch.allclose(_said(loaded, case, case.virtual), want, atol=2e-5)


def _plain(folder: Path, config: Any = None, cls: Any = None) -> Any:
    """The folder in transformers' own class, quietly: a base lacks the head, and says so."""
    import transformers
    from transformers import AutoConfig

    from weitiao.models._load import quiet

    config = config or AutoConfig.from_pretrained(folder)
    with quiet():
        return (cls or getattr(transformers, config.architectures[0])).from_pretrained(folder, config=config).eval()


def _said(plain: Any, case: Case, virtual: int = 0) -> Any:
    """The plain model's logits in the form of ours; `virtual` tokens are its own affair."""
    inputs = {k: v for k, v in case.inputs.items() if k != "places"}
    inputs |= {k: inputs[k][:, virtual:] for k in ("input_ids", "attention_mask")}
    logits = plain(**inputs).logits.detach()
    return logits[:, -8:, :case.model.first_virtual].flatten(0, 1) if "places" in case.inputs else logits


@pytest.mark.parametrize("name", methods.names())
def test_the_facts_for_the_defaults_are_stated(name: str) -> None:
    method = methods.load(name)
    assert 0 < method.LEARNING_RATE < 1
    assert 2 <= method.OPERATIONS <= 8 and 0 < method.MOVED <= 1
