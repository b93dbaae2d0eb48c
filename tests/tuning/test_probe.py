"""The head begins where a linear model on the untouched base ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from weitiao import models, tasks
from weitiao.core.errors import ModelError
from weitiao.example import Example, Row
from weitiao.models.build import build
from weitiao.models.spec import INPUTS
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


@pytest.fixture
def words(tiny_folder: Path) -> tuple[Any, Any, Rows]:
    """Words that are always an entity, and words that never are."""
    task = tasks.make("tag", {}, {"text": "tokens", "label": "tags"})
    lines = [(f"{a} food is {b} !", f"B-how O O {tag} O") for a in ("good", "bad") for b, tag in (
        ("this", "O"), ("movie", "B-what"), ("music", "B-what"))]
    examples = [task.read(Row({"tokens": x.split(), "tags": y.split()}, "a", i)) for i, (x, y) in enumerate(lines)]
    task.fit(examples)
    tokenizer = models.tokenizer(tiny_folder)
    task.bind("encoder", tokenizer)
    rows = Rows(task.encode(examples, tokenizer, 32), [e.source for e in examples], [e.target for e in examples],
                tokenizer.pad_token_id, "right")
    return build(models.find(str(tiny_folder)), task.head(), pooling="auto", dropout=0.1, seed=1), task, rows


def test_a_head_on_words_begins_where_each_word_is_known_by_its_own_state(words: tuple[Any, Any, Rows],
                                                                          tmp_path: Path) -> None:
    model, task, rows = words
    batch = rows.batch(range(len(rows.encoded)), task, torch.device("cpu"))
    inputs = {k: batch[k] for k in INPUTS if k in batch}
    with torch.no_grad():
        drawn = float(task.loss_sum(model.eval()(**inputs), batch)) / task.count(batch)
    begin(words, tmp_path / "head.safetensors")
    with torch.no_grad():
        logits = model(**inputs)
    assert task.quick(task.rows(logits, batch), rows.targets)["span_f1"] == 1.0
    assert float(task.loss_sum(logits, batch)) / task.count(batch) < drawn / 2


def test_the_words_are_the_same_in_small_batches_and_in_windows(words: tuple[Any, Any, Rows], tmp_path: Path) -> None:
    model, task, rows = words
    heads = []
    for most in (8, 10**6):
        path = tmp_path / f"{most}.safetensors"
        probe.begin(model, task, rows, torch.device("cpu"), seed=1, most_tokens=most, path=path)
        heads.append(load_file(path)["weight"])
    torch.testing.assert_close(*heads, rtol=1e-3, atol=1e-3)


def test_the_head_on_words_is_the_minimum_over_words_whose_label_was_taught(words: tuple[Any, Any, Rows]) -> None:
    from sklearn.linear_model import LogisticRegression

    task = words[1]
    x = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    y = (x[:, 1] > 0.5).astype(np.int64) + (x[:, 3] > 0)
    untaught = np.where(np.arange(80) < 60, y, -100)
    batch = Batch(place=torch.arange(80), targets=torch.from_numpy(untaught))
    weight, bias = probe.fit(torch.from_numpy(x), task, batch, 0.01)
    theirs = LogisticRegression(C=1 / (2 * 0.01 * 60), tol=1e-8).fit(x[:60], y[:60])
    ours = torch.log_softmax(torch.from_numpy(x) @ weight.T + bias, 1)[:, np.unique(y)]
    np.testing.assert_allclose(ours.exp().numpy(), theirs.predict_proba(x), atol=0.02)


def test_a_checkpoint_that_knows_the_labels_keeps_its_head(words: tuple[Any, Any, Rows], tmp_path: Path) -> None:
    model, task, _ = words
    tokenizer = models.tokenizer(models.find(str(model.body.config._name_or_path)).folder)
    model.save(tmp_path / "tuned", tokenizer)
    again = build(models.find(str(tmp_path / "tuned")), task.head(), pooling="auto", dropout=None, seed=1)
    assert model.probes and not again.probes
    with pytest.raises(ModelError, match="not linear"):
        again.set_head(np.zeros((len(task.tags), 4)), np.zeros(len(task.tags)))
