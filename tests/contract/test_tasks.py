"""Every task in the folder, on its own samples and a tiny model: read, learn labels, encode, lose, score."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from weitiao import tasks
from weitiao.core.errors import RowError
from weitiao.example import Example, Row
from weitiao.metrics import Score

SAMPLES = [pytest.param((name, sample), id=f"{name}-{i}")
           for name in tasks.names() for i, sample in enumerate(tasks.load(name).SAMPLES)]


@dataclass(frozen=True)
class Case:
    """A task that has learnt its sample, with the sample as examples and as token ids."""

    name: str
    sample: tasks.Sample
    task: tasks.Task
    examples: list[Example]
    encoded: list[tasks.Encoded]
    model: Any

    def batch(self, rows: slice) -> tasks.Batch:
        return self.task.collate(self.encoded[rows], 0, "right")

    def outputs(self, batch: tasks.Batch) -> Any:
        inputs = {k: v for k, v in batch.items() if k in ("input_ids", "attention_mask", "token_type_ids")}
        return self.model(**inputs).logits


@pytest.fixture(params=SAMPLES)
def case(request: pytest.FixtureRequest, tiny_config: Any, tiny_tokenizer: Any) -> Case:
    import torch
    from transformers import BertForSequenceClassification

    name, sample = request.param
    task = tasks.make(name, sample.options, sample.columns)
    examples = [task.read(Row(r, "sample.jsonl", i + 1)) for i, r in enumerate(sample.rows)]
    task.fit(examples)
    config = copy.deepcopy(tiny_config)
    config.num_labels = task.head().outputs
    torch.manual_seed(1)
    return Case(name, sample, task, examples, task.encode(examples, tiny_tokenizer, 64),
                BertForSequenceClassification(config).eval())


def test_rows_become_examples(case: Case) -> None:
    for row, example in zip(case.sample.rows, case.examples, strict=True):
        assert example.target is not None and example.inputs
        json.dumps([example.target, dict(example.inputs)], allow_nan=False)  # what prepare/*.parquet holds
        bare = {k: v for k, v in row.items() if k != case.sample.columns["label"]}
        assert case.task.read(Row(bare, "new.csv", 2)).target is None


def test_bad_rows_are_refused_with_their_field(case: Case) -> None:
    for row in case.sample.bad:
        with pytest.raises(RowError) as e:
            case.task.read(Row(row, "sample.jsonl", 1))
        assert e.value.code.startswith("row.") and e.value.reason


def test_what_was_learnt_survives_json(case: Case) -> None:
    again = tasks.make(case.name, case.sample.options, case.sample.columns)
    again.restore(json.loads(json.dumps(case.task.state())))
    assert again.head() == case.task.head()
    assert again.state() == case.task.state()


def test_the_head_fits_the_labels(case: Case) -> None:
    head = case.task.head()
    assert head.outputs >= 1
    assert not head.labels or len(head.labels) == head.outputs


def test_encoding_keeps_within_the_length(case: Case, tiny_tokenizer: Any) -> None:
    longest = max(row.length for row in case.encoded)
    short = case.task.encode(case.examples, tiny_tokenizer, longest - 1)
    assert all(len(w) <= longest - 1 for row in short for w in row.windows)
    assert any(row.tokens_lost for row in short)
    assert all(row.target is not None and not row.tokens_lost for row in case.encoded)


def test_batches_are_rectangles_with_owners(case: Case) -> None:
    batch = case.batch(slice(None))
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert sorted(set(batch["owner"].tolist())) == list(range(len(case.encoded)))
    assert len(batch["targets"]) == len(case.encoded)


def test_loss_and_count_add_up_over_batches(case: Case) -> None:
    import torch

    whole, parts = case.batch(slice(None)), [case.batch(slice(0, 1)), case.batch(slice(1, None))]
    loss = case.task.loss_sum(case.outputs(whole), whole)
    assert loss.shape == () and loss.dtype == torch.float32 and loss.requires_grad and math.isfinite(float(loss.detach()))
    assert case.task.count(whole) == pytest.approx(sum(case.task.count(p) for p in parts))
    assert case.task.count(whole) > 0
    summed = sum(float(case.task.loss_sum(case.outputs(p), p).detach()) for p in parts)
    assert float(loss.detach()) == pytest.approx(summed, rel=1e-5)


def test_predictions_are_plain_values(case: Case) -> None:
    logits = _logits(case)
    assert logits.shape == (len(case.examples), case.task.head().outputs)
    predictions = case.task.decode(logits)
    assert len(predictions) == len(case.examples)
    json.dumps(predictions, allow_nan=False)


def test_scores_come_with_interval_and_count(case: Case) -> None:
    logits, targets = _logits(case), [e.target for e in case.examples]
    scores = case.task.score(logits, targets, seed=3)
    assert scores and all(isinstance(s, Score) for s in scores)
    assert scores == case.task.score(logits, targets, seed=3)
    for s in scores:
        assert math.isfinite(s.value) and s.signature and s.n <= len(targets)
        assert (s.low is None) == (s.high is None)
        assert s.low is None or s.high is None or s.low - 1e-9 <= s.value <= s.high + 1e-9, s
    quick = case.task.quick(logits, targets)
    assert next(iter(quick)) == scores[0].name
    assert quick[scores[0].name] == pytest.approx(scores[0].value)
    assert np.shape(case.task.correct(logits, targets)) == (len(targets),)


def _logits(case: Case) -> Any:
    import torch

    batch = case.batch(slice(None))
    with torch.no_grad():
        return case.task.logits(case.outputs(batch), batch).numpy()
