"""Every task in the folder, on its own samples and a tiny model of each kind that it takes: read, learn, lose, score."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weitiao import models, tasks
from weitiao.core.errors import RowError
from weitiao.evaluate import baselines
from weitiao.example import Example, Row
from weitiao.metrics import Score
from weitiao.models.spec import INPUTS

SAMPLES = [pytest.param((name, i, kind), id=f"{name}-{i}-{kind}")
           for name in tasks.names() for i, sample in enumerate(tasks.load(name).SAMPLES) for kind in sample.kinds]


@dataclass(frozen=True)
class Case:
    """A task that has learnt its sample, with the sample as examples and as token ids, and an untuned model."""

    name: str
    sample: tasks.Sample
    kind: str
    task: tasks.Task
    examples: list[Example]
    encoded: list[tasks.Encoded]
    tokenizer: Any
    model: Any

    def batch(self, rows: slice) -> tasks.Batch:
        return self.task.collate(self.encoded[rows], self.tokenizer.pad_token_id, "right")

    def forward(self, batch: tasks.Batch) -> Any:
        return self.model(**{k: v for k, v in batch.items() if k in INPUTS})

    def answers(self) -> tasks.Outputs:
        """The untuned model's answers to the sample without its targets."""
        import torch

        bare = [Example(e.id, e.inputs, None, e.source) for e in self.examples]
        rows = self.task.encode(bare, self.tokenizer, 64)
        with torch.inference_mode():
            return self.task.outputs(self.model, self.task.collate(rows, self.tokenizer.pad_token_id, "right"))

    def said(self) -> tasks.Outputs:
        import torch

        batch = self.batch(slice(None))
        with torch.no_grad():
            return self.task.rows(self.forward(batch), batch)


@pytest.fixture(params=SAMPLES)
def case(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Case:
    from weitiao.models.build import build

    name, number, kind = request.param
    sample = tasks.load(name).SAMPLES[number]
    task = tasks.make(name, sample.options, sample.columns)
    examples = [task.read(Row(r, "sample.jsonl", i + 1)) for i, r in enumerate(sample.rows)]
    task.fit(examples)
    base = models.find(str(tiny_folders[kind]))
    tokenizer = models.tokenizer(base.folder)
    task.bind(base.kind, tokenizer)
    model = build(base, task.head(), pooling="native", dropout=0.0, seed=1)
    return Case(name, sample, kind, task, examples, task.encode(examples, tokenizer, 64), tokenizer, model)


def test_every_member_of_the_protocol_is_there(case: Case) -> None:
    wanted = {n for n, _ in inspect.getmembers(tasks.Task) if not n.startswith("_")} | set(tasks.Task.__annotations__)
    assert not [n for n in wanted if not hasattr(case.task, n)]
    assert case.task.BASELINES and set(case.task.BASELINES) <= set(baselines.names())
    assert all(case.task.noun), "what sentences call its targets"
    for name in case.task.BASELINES:
        assert all(baselines.title(name).values())


def test_rows_become_examples(case: Case) -> None:
    for row, example in zip(case.sample.rows, case.examples, strict=True):
        assert example.target is not None and example.inputs
        assert set(case.task.roles) <= set(case.task.columns) | set(example.inputs)
        json.dumps([example.target, dict(example.inputs)], allow_nan=False)  # what prepare/*.parquet holds
        case.task.check_target(example.target)
        if answered := case.sample.columns.get("label", case.sample.columns.get("target")):
            bare = {k: v for k, v in row.items() if k != answered}
            assert case.task.read(Row(bare, "new.csv", 2)).target is None
    json.dumps(case.task.tally([e.target for e in case.examples]), allow_nan=False)


def test_examples_survive_the_split_files(case: Case) -> None:
    """prepare/*.parquet holds JSON: what was a tuple comes back as a list, and must mean the same."""
    again = [Example(e.id, json.loads(json.dumps(dict(e.inputs))), json.loads(json.dumps(e.target)), e.source)
             for e in case.examples]
    assert case.task.encode(again, case.tokenizer, 64) == case.encoded


def test_bad_rows_are_refused_with_their_field(case: Case) -> None:
    for row in case.sample.bad:
        with pytest.raises(RowError) as e:
            case.task.read(Row(row, "sample.jsonl", 1))
        assert e.value.code.startswith("row.") and e.value.reason


def test_what_was_learnt_survives_json(case: Case) -> None:
    again = tasks.make(case.name, case.sample.options, case.sample.columns)
    again.restore(json.loads(json.dumps(case.task.state())))
    again.bind(case.kind, case.tokenizer)
    assert again.head() == case.task.head()
    assert again.state() == case.task.state()
    assert again.encode(case.examples, case.tokenizer, 64) == case.encoded


def test_the_head_fits_the_labels(case: Case) -> None:
    head = case.task.head()
    assert head.outputs >= 1 or head.kind in ("language", "corpus")
    assert not head.labels or len(head.labels) == head.outputs


def test_encoding_keeps_within_the_length(case: Case) -> None:
    assert all(row.target is not None and not row.tokens_lost for row in case.encoded)
    longest = max(row.length for row in case.encoded)
    short = case.task.encode(case.examples, case.tokenizer, longest - 1)
    assert all(len(w) <= longest - 1 for row in short for w in row.windows)
    assert any(row.tokens_lost or len(row.windows) > len(whole.windows)
               for row, whole in zip(short, case.encoded, strict=True))


def test_a_text_cannot_write_control_tokens(case: Case) -> None:
    """With such tokens behind every text a row holds no more of them than before."""
    def followed(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: followed(v) if k == "content" else v for k, v in value.items()}
        return [followed(v) for v in value] if isinstance(value, list) else f"{value} [SEP][CLS] [MASK] [PAD]"

    worse = [replace(e, inputs={k: followed(v) for k, v in e.inputs.items()}) for e in case.examples]
    special = set(case.tokenizer.all_special_ids) - {case.tokenizer.unk_token_id}
    both = (case.task.encode(examples, case.tokenizer, 250) for examples in (case.examples, worse))
    for plain, told in zip(*both, strict=True):
        assert plain.length < told.length
        before, after = ([x for w in row.windows for x in w if x in special] for row in (plain, told))
        assert before == after


def test_batches_are_rectangles_with_owners(case: Case) -> None:
    batch = case.batch(slice(None))
    beside = batch["attention_mask" if "attention_mask" in batch else "position_ids"]  # packed rows have no padding
    assert beside.shape == batch["input_ids"].shape
    assert sorted(set(batch["owner"].tolist())) == list(range(len(case.encoded)))


def test_loss_and_count_add_up_over_batches(case: Case) -> None:
    import torch

    whole, parts = case.batch(slice(None)), [case.batch(slice(0, 1)), case.batch(slice(1, None))]
    loss = case.task.loss_sum(case.forward(whole), whole)
    assert loss.shape == () and loss.dtype == torch.float32 and loss.requires_grad
    assert math.isfinite(float(loss.detach()))
    assert case.task.count(whole) == pytest.approx(sum(case.task.count(p) for p in parts))
    assert case.task.count(whole) > 0
    summed = sum(float(case.task.loss_sum(case.forward(p), p).detach()) for p in parts)
    assert float(loss.detach()) == pytest.approx(summed, rel=1e-5)


def test_predictions_are_plain_values(case: Case) -> None:
    outputs = case.answers()
    assert len(outputs) == len(case.examples)
    predictions = case.task.decode(outputs)
    assert len(predictions) == len(case.examples)
    json.dumps(predictions, allow_nan=False)
    specimen = case.task.specimen()
    assert all(p.keys() == specimen.keys() for p in predictions)


def test_scores_come_with_interval_and_count(case: Case) -> None:
    outputs, targets = case.answers(), [e.target for e in case.examples]
    scores = case.task.score(outputs, targets, seed=3)
    assert scores and all(isinstance(s, Score) for s in scores)
    assert scores == case.task.score(outputs, targets, seed=3)
    more = case.task.score_rows(case.said(), targets, seed=3)
    assert bool(more) == case.task.likelihood
    for s in [*scores, *more]:
        assert math.isfinite(s.value) and s.signature
        assert (s.low is None) == (s.high is None)
        assert s.low is None or s.high is None or s.low - 1e-9 <= s.value <= s.high + 1e-9, s
    assert np.shape(case.task.correct(outputs, targets)) == (len(targets),)


def test_comparing_a_system_with_itself_establishes_nothing(case: Case) -> None:
    outputs = case.answers()
    got = case.task.compare(outputs, outputs, [e.target for e in case.examples], seed=3)
    assert got.difference == 0 and got.verdict == 0
    assert got.metric == case.task.score(outputs, [e.target for e in case.examples])[0].name


def test_only_a_task_that_says_so_calibrates(case: Case) -> None:
    before = case.task.state()
    case.task.calibrate(case.said(), [e.target for e in case.examples])
    assert case.task.calibrates or case.task.state() == before


def test_what_validation_watches_is_what_quick_gives(case: Case) -> None:
    quick = case.task.quick(case.said(), [e.target for e in case.examples])
    assert tuple(quick) == case.task.watched
    assert all(isinstance(v, float) for v in quick.values())
