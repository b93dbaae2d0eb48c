"""The head begins where a linear model on the untouched base ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from weitiao import models, tasks
from weitiao.example import Example
from weitiao.models.build import build
from weitiao.tasks import Batch
from weitiao.tuning import probe
from weitiao.tuning.loop import Rows


@pytest.fixture
def case(tiny_folder: Path) -> tuple[Any, Any, Rows]:
    texts = [(f"{w} food {x}", y) for w, y in (("good", "pos"), ("bad", "neg")) for x in "abcdefghij"]
    task = tasks.make("classify", {}, {"text": "text", "label": "label"})
    examples = [Example(str(i), {"text": t}, y, f"a:{i}") for i, (t, y) in enumerate(texts)]
    task.fit(examples)
    tokenizer = models.tokenizer(tiny_folder)
    rows = Rows(task.encode(examples, tokenizer, 32), [e.source for e in examples], [e.target for e in examples],
                tokenizer.pad_token_id, "right")
    return build(models.find(str(tiny_folder)), task.head(), pooling="mean", dropout=0.1, seed=1), task, rows


def begin(case: tuple[Any, Any, Rows], path: Path) -> None:
    model, task, rows = case
    probe.begin(model, task, rows, torch.device("cpu"), seed=1, most_tokens=64, path=path)


def test_the_head_is_the_minimum_that_scikit_learn_finds(case: tuple[Any, Any, Rows]) -> None:
    from sklearn.linear_model import LogisticRegression

    task = case[1]
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    y = (x[:, 0] + 0.5 * x[:, 1] > 0).astype(np.int64)
    weight, bias = probe.fit(torch.from_numpy(x), task, Batch(owner=torch.arange(60), targets=torch.from_numpy(y)), 0.01)
    # Two softmax rows are w and -w: ‖weight‖² is half of (2w)², and scikit-learn's C weighs the sum of losses.
    theirs = LogisticRegression(C=1 / (0.01 * 60), tol=1e-8).fit(x, y)
    np.testing.assert_allclose((weight[1] - weight[0]).numpy(), theirs.coef_[0], atol=2e-3)
    assert abs(float(bias[1] - bias[0]) - theirs.intercept_[0]) < 2e-3


def test_the_model_begins_with_it_and_nothing_else_has_moved(case: tuple[Any, Any, Rows], tmp_path: Path) -> None:
    model, task, rows = case
    before = {n: p.detach().clone() for n, p in model.base.named_parameters()}
    begin(case, tmp_path / "head.safetensors")
    assert all(torch.equal(before[n], p) for n, p in model.base.named_parameters())
    batch = rows.batch(range(len(rows.encoded)), task, torch.device("cpu"))
    with torch.no_grad():
        logits = model.eval()(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
    assert (logits.argmax(1) == batch["targets"]).float().mean() > 0.9
    assert float(task.loss_sum(logits, batch)) / task.count(batch) < np.log(2)


def test_a_resumed_run_reads_what_was_fitted(case: tuple[Any, Any, Rows], tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    begin(case, path)
    fitted = case[0].classifier.weight.detach().clone()
    with torch.no_grad():
        for parameter in case[0].parameters():
            parameter.add_(1.0)
    begin(case, path)
    assert torch.equal(case[0].classifier.weight, fitted)
