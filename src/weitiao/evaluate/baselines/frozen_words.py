"""The base model as it was before tuning, its outputs for each word, and a linear tagger on them.

It reads at most 200,000 tokens of training rows (drawn at random; `train_rows` says how many rows that is).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weitiao import models
from weitiao.bundle import by_length, tokens_of_a_pass
from weitiao.core import seeds
from weitiao.evaluate.baselines import TRAIN_TOKENS, Baseline, Case, _linear, _words
from weitiao.example import Example
from weitiao.models.spec import INPUTS
from weitiao.tasks import Encoded

TITLE = ("the frozen encoder", "冻结编码器")


def make(case: Case) -> Baseline:
    """Raises ModelError as finding and building the base does."""
    task, recipe = case.task, case.recipe
    reader = reader_of(case)
    part = [case.train[i] for i in _some(reader.encode(case.train), recipe.seed)]
    fitted, strength = _words.fit(reader(part), task, _linear.dense, _linear.DENSE_GRID, recipe.seed)
    outputs = _words.answers(fitted, reader(case.test), task)
    return Baseline(outputs, f"{recipe.model.name}, frozen + logistic regression on each word, l2={strength:g}",
                    len(part))


def reader_of(case: Case) -> Reader:
    """The case's base, untouched; the task is bound to it. Raises ModelError as finding and building it does."""
    from weitiao.models.build import build

    task, recipe = case.task, case.recipe
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    tokenizer = models.tokenizer(base.folder)
    task.bind(base.kind, tokenizer)
    model = build(base, task.head(), pooling="auto", dropout=None, seed=recipe.seed).to(case.device)
    return Reader(model.bfloat16() if case.bf16 else model, tokenizer, case)


class Reader:
    """A row of features for each word of examples, from a model that is not trained."""

    def __init__(self, model: Any, tokenizer: Any, case: Case) -> None:
        self.model, self.tokenizer, self.case = model, tokenizer, case

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Their token ids."""
        settings = self.case.recipe.model
        found: list[Encoded] = self.case.task.encode(examples, self.tokenizer, int(settings.max_length),
                                                     windows=settings.long_texts == "windows")
        return found

    def __call__(self, examples: Sequence[Example]) -> list[_words.Row]:
        return _rows(self.model, self.case.task, self.encode(examples), self.tokenizer, self.case.device,
                     [e.target for e in examples])


def _some(encoded: Sequence[Encoded], seed: int) -> list[int]:
    """As many rows, drawn at random, as the budget of tokens allows; never fewer than 100."""
    order = seeds.rng(seed, "frozen").permutation(len(encoded))
    sizes = np.cumsum([sum(map(len, encoded[i].windows)) for i in order])
    return sorted(order[: max(100, int((sizes <= TRAIN_TOKENS).sum()))].tolist())


def _rows(model: Any, task: Any, encoded: Sequence[Encoded], words: Any, device: str,
          targets: Sequence[Any]) -> list[_words.Row]:
    import torch

    out: list[Any] = [None] * len(encoded)
    for index in by_length([(r.length, len(r.windows)) for r in encoded], tokens_of_a_pass(device, written=False)):
        batch = task.collate([encoded[i] for i in index], words.pad_token_id, words.padding_side)
        with torch.inference_mode():
            hidden = model.base(**{k: v.to(device) for k, v in batch.items() if k in INPUTS}).last_hidden_state
        said = hidden.flatten(0, 1)[batch["place"].to(device)].float().cpu().numpy().astype(np.float64)
        ends = np.cumsum([len(notes[2]) for notes in batch["notes"]])
        for i, features in zip(index, np.split(said, ends[:-1]), strict=True):
            tags = np.maximum(np.asarray(encoded[i].target or (), np.int64), -1)
            out[i] = _words.Row(encoded[i].notes, features, tags, targets[i])
    return out
