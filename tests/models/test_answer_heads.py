"""Heads for answers in passages: every encoder family learns, is saved, and plain transformers answers alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from weitiao import models, tasks
from weitiao.core.errors import ModelError
from weitiao.example import Row
from weitiao.models import tokens
from weitiao.models.build import build, load
from weitiao.models.spec import INPUTS, HeadSpec

from .conftest import ENCODERS

Checkpoint = Callable[..., Path]
HEAD = HeadSpec(2, kind="span")
WITH_TYPES = ("bert", "electra", "albert", "deberta-v2")
PASSAGE = "the food was very good and the movie was bad , 电影很好看 , it was a happy one"


@pytest.fixture
def base(checkpoint: Checkpoint) -> Callable[[str], tuple[Path, Any]]:
    """A family's folder, and a tokenizer that gives token types only where the family reads them."""
    def make(family: str) -> tuple[Path, Any]:
        source = checkpoint(family)
        tokenizer = models.tokenizer(source)
        if family not in WITH_TYPES:
            tokenizer.model_input_names = ["input_ids", "attention_mask"]
        return source, tokenizer

    return make


@pytest.mark.parametrize("family", ENCODERS)
def test_the_saved_folder_answers_as_the_model_did(family: str, base: Callable[[str], tuple[Path, Any]],
                                                   tmp_path: Path) -> None:
    source, tokenizer = base(family)
    sample = tasks.load("extract").SAMPLES[0]
    task = tasks.make("extract", {"stride": 4}, sample.columns)
    rows = tasks.read_all(task, [Row({**r, "context": PASSAGE, "answers": ["very good"]}, "x", i)
                                 for i, r in enumerate(sample.rows)])
    task.fit(rows)
    task.bind(models.find(str(source)).kind, tokenizer)
    model = build(models.find(str(source)), task.head(), pooling="auto", dropout=0.0, seed=1)
    batch = task.collate(task.encode(rows, tokenizer, 24), tokenizer.pad_token_id, "right")
    inputs = {k: v for k, v in batch.items() if k in INPUTS}
    assert ("token_type_ids" in inputs) == (family in WITH_TYPES)
    first = float(task.loss_sum(model(**inputs), batch).detach())
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(25):
        optimizer.zero_grad()
        task.loss_sum(model(**inputs), batch).backward()
        optimizer.step()
    with torch.no_grad():
        want = model(**inputs)
        assert float(task.loss_sum(want, batch)) < 0.7 * first
    model.save(tmp_path, tokenizer)
    again = load(tmp_path, HEAD)
    plain = AutoModelForQuestionAnswering.from_pretrained(tmp_path).eval()
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(again(**inputs), want, rtol=0, atol=1e-5)
        got = plain(**inputs)
    torch.testing.assert_close(torch.stack([got.start_logits, got.end_logits], -1), want, rtol=0, atol=1e-5)
    assert theirs("a", "b")["input_ids"] == tokenizer("a", "b")["input_ids"]


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_head_for_answers_is_kept_when_tuned_again(family: str, base: Callable[[str], tuple[Path, Any]],
                                                     tmp_path: Path) -> None:
    source, tokenizer = base(family)
    model = build(models.find(str(source)), HEAD, pooling="auto", dropout=None, seed=1)
    model.save(tmp_path, tokenizer)
    again = build(models.find(str(tmp_path)), HEAD, pooling="auto", dropout=None, seed=2)
    assert torch.equal(again.body.qa_outputs.weight, model.body.qa_outputs.weight)
    other = build(models.find(str(source)), HEAD, pooling="auto", dropout=None, seed=2)
    assert not torch.equal(other.body.qa_outputs.weight, model.body.qa_outputs.weight)


def test_encoder_decoders_have_no_such_head_here(tiny_folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=r"model\.no_token_head"):
        tokens.build(models.find(str(tiny_folders["encoder-decoder"])), HEAD, dropout=None, seed=1)
