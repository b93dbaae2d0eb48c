"""Every task on every kind of base with words of its own: a learnt prompt, and new tokens beside lora's matrices. The
gradient does not depend on how rows are batched, and what is saved says the same, with weitiao and without."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from weitiao import bundle, methods, models, tasks
from weitiao.example import Example, Row
from weitiao.models import grown
from weitiao.models.spec import INPUTS

CASES = [pytest.param((way, name, i, kind), id=f"{way}-{name}-{i}-{kind}")
         for way in ("prompt", "lora") for name in tasks.names() for i, sample in enumerate(tasks.load(name).SAMPLES)
         for kind in sample.kinds if (name, kind) not in {("translate", "encoder"), ("pretrain", "encoder")}]


@dataclass(frozen=True)
class Case:
    name: str
    task: tasks.Task
    examples: list[Example]
    encoded: list[tasks.Encoded]
    tokenizer: Any
    model: Any
    growth: grown.Growth
    way: str

    def inputs(self, rows: slice) -> tuple[dict[str, Any], tasks.Batch]:
        batch = self.task.collate(self.encoded[rows], self.tokenizer.pad_token_id, "right")
        return {k: v for k, v in batch.items() if k in INPUTS}, batch


def _word(texts: list[str], tokenizer: Any) -> str:
    """Something in the texts that is cut into pieces."""
    words = [w for text in texts for w in re.findall(r"[A-Za-z]{3,}|[\u4e00-\u9fff]{2}", text)]
    words += [w for text in texts for w in re.findall(r"\w+ \w+", text)]
    return next(w for w in words if len(tokenizer(w, add_special_tokens=False)["input_ids"]) > 1)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = [v for k, v in value.items() if k != "role"]
    return [value] if isinstance(value, str) else [x for part in value for x in _texts(part)] if isinstance(
        value, list | tuple) else []


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Case:
    from weitiao.models.build import build

    way, name, number, kind = request.param
    sample = tasks.load(name).SAMPLES[number]
    task = tasks.make(name, sample.options, sample.columns)
    examples = [task.read(Row(r, "sample.jsonl", i + 1)) for i, r in enumerate(sample.rows)]
    task.fit(examples)
    base, method = models.find(str(tiny_folders[kind])), methods.load(way)
    tokenizer = models.tokenizer(base.folder)
    new = [_word([x for e in examples for x in _texts(dict(e.inputs))], tokenizer)] if way == "lora" else []
    options = method.Options()
    tokenizer, growth = grown.teach(tokenizer, new, prompt=method.virtual_tokens(options), seed=1)
    task.bind(base.kind, tokenizer)
    model = build(base, task.head(), pooling="native", dropout=0.0, seed=1)
    grown.grow(model, growth)
    torch.manual_seed(1)
    model = method.attach(model, options).eval()
    return Case(name, task, examples, task.encode(examples, tokenizer, 64), tokenizer, model, growth, way)


def test_the_gradient_does_not_depend_on_the_batch(case: Case) -> None:
    parts = [slice(i, i + 1) for i in range(len(case.encoded))]
    found = []
    for batches in ([slice(None)], parts):
        case.model.zero_grad()
        with grown.moving(case.model) as rows:
            for part in batches:
                inputs, batch = case.inputs(part)
                case.task.loss_sum(case.model(**inputs), batch).backward()
            assert rows
            found.append([p.grad.clone() for p in case.model.parameters() if p.grad is not None])
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in rows.values())
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_every_row_begins_with_the_prompt_and_has_the_new_words(case: Case) -> None:
    ids = [x for row in case.encoded for window in row.windows for x in window]
    assert case.growth.first in ids
    if case.way == "prompt":
        assert all(w[:20] == tuple(case.growth.ids) for row in case.encoded for w in row.windows)
        assert sum(x in case.growth.ids for x in ids) == 20 * sum(len(row.windows) for row in case.encoded)
        if case.model.body.config.is_encoder_decoder:  # what is said has none
            assert not {x for row in case.encoded for x in row.target} & set(case.growth.ids)


def test_saved_is_loaded_and_says_the_same(case: Case, tmp_path: Path) -> None:
    with grown.moving(case.model) as rows, torch.no_grad():
        for parameter in rows.values():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)) * 0.3)
    model = methods.load(case.way).merge(case.model)
    settings = bundle.Settings(64, False, {})
    bare = [Example(e.id, e.inputs, None, e.source) for e in case.examples]
    before = bundle.Bundle(tmp_path, model, case.tokenizer, case.name, case.task, settings)
    bundle.save(tmp_path / "m", model, case.tokenizer, case.name, case.task, settings, {})
    after = bundle.load(tmp_path / "m")  # golden conversations are compared here
    for rows_said in (lambda b: b.forward(case.examples), lambda b: b.outputs(bare)):
        for one, other in zip(rows_said(before), rows_said(after), strict=True):
            assert _numbers(one) == pytest.approx(_numbers(other), abs=1e-4), (one, other)


def _numbers(said: Any) -> Any:
    if isinstance(said, (list, tuple)):
        return [x for part in said for x in ([_numbers(part)] if not isinstance(_numbers(part), list) else _numbers(part))]
    return said.flatten().tolist() if isinstance(said, torch.Tensor) or type(said).__name__ == "ndarray" else said
