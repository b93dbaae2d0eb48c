"""The base model as it was before tuning, its mean-pooled outputs, and a linear model on them.

The encoder reads at most 200,000 tokens of training rows (drawn at random; `train_rows` says how many rows that is).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao import models
from weitiao.bundle import by_length, tokens_of_a_pass
from weitiao.evaluate.baselines import TRAIN_TOKENS, Baseline, Case, _linear
from weitiao.example import Example
from weitiao.models.spec import INPUTS
from weitiao.tasks import TextTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

TITLE = ("the frozen encoder", "冻结编码器")


def make(case: Case) -> Baseline:
    """Raises ModelError as finding and building the base does."""
    task, recipe = case.task, case.recipe
    encoder = encoder_of(case)
    part = encoder.some(case.train, recipe.seed)
    got = _linear.fit(encoder(part), task.numbers([e.target for e in part]), task, _linear.dense, _linear.DENSE_GRID,
                      recipe.seed)
    kind = "ridge" if task.head().problem_type == "regression" else "logistic regression"
    how = f"{recipe.model.name}, mean-pooled, frozen + {kind}, l2={got.strength:g}"
    return Baseline(list(_linear.at_threshold(got, got.model(encoder(case.test)), task)), how, len(part))


def encoder_of(case: Case) -> Encoder:
    """The case's base, untouched. Raises ModelError as finding and building it does."""
    from weitiao.models.build import build

    recipe = case.recipe
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    model = build(base, case.task.head(), pooling="auto", dropout=None, seed=recipe.seed).to(case.device)
    return Encoder(model.bfloat16() if case.bf16 else model, models.tokenizer(base.folder), case.task,
                   int(recipe.model.max_length), case.device)


class Encoder:
    """Features (n, hidden) of examples from a model that is not trained."""

    def __init__(self, model: Any, tokenizer: Any, task: TextTask, max_length: int, device: str) -> None:
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self.max_length, self.device = max_length, device

    def some(self, examples: Sequence[Example], seed: int) -> list[Example]:
        """As many rows, drawn at random, as the budget of tokens allows; never fewer than 100."""
        from weitiao.core import seeds

        order = seeds.rng(seed, "frozen").permutation(len(examples))
        sample = [examples[i] for i in order[:500]]
        mean = sum(r.length for r in self._encode(sample)) / len(sample)
        return [examples[i] for i in sorted(order[: max(100, int(TRAIN_TOKENS / mean))])]

    def __call__(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        import torch

        rows = self._encode(examples)
        out: list[Any] = [None] * len(rows)
        for index in by_length([(r.length, 1) for r in rows], tokens_of_a_pass(self.device, written=False)):
            batch = self.task.collate([rows[i] for i in index], self.tokenizer.pad_token_id,
                                      self.tokenizer.padding_side)
            with torch.inference_mode():
                got = self.model.features(**{k: v.to(self.device) for k, v in batch.items() if k in INPUTS})
            for i, row in zip(index, got.float().cpu().numpy(), strict=True):
                out[i] = row
        return np.array(out, np.float64)

    def _encode(self, examples: Sequence[Example]) -> list[Any]:
        return self.task.encode([replace(e, target=None) for e in examples], self.tokenizer, self.max_length)
