"""Simple systems on the same rows: what a fine-tuned model must beat to be worth its cost.

>>> tfidf(task, train, test, recipe).how
'TF-IDF (characters 1-2) + linear SVM, C=1'

Each gives outputs in the task's own form (n, outputs), so that it is scored and compared as the tuned model is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao import models
from weitiao.bundle import MODEL_INPUTS, by_length
from weitiao.evaluate import linear
from weitiao.evaluate.features import Features, Texts
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

TITLES = {"majority": ("the most frequent answer", "多数类"), "tfidf": ("TF-IDF", "TF-IDF"),
          "frozen": ("the frozen encoder", "冻结编码器")}
_FROZEN_TOKENS = 200_000  # training tokens that the frozen encoder reads at most
_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Baseline:
    """One simple system.

    Args:
        name: a key of TITLES.
        logits: (n, outputs) for the test rows.
        how: what it is made of, for the table.
        train_rows: on how many rows it was trained.
        seconds: for training and answering.
    """

    name: str
    logits: NDArray[np.float32]
    how: str
    train_rows: int
    seconds: float


def majority(task: Task, train: Sequence[Example], test: Sequence[Example]) -> Baseline:
    """The most frequent label (the label that is true most often; the mean number) for every row."""
    started = time.perf_counter()
    y, head = task.numbers([e.target for e in train]), task.head()
    if head.problem_type == "regression":
        row = np.zeros(1)
    elif head.problem_type == "single_label_classification":
        row = np.log(np.bincount(y, minlength=head.outputs) + 1e-9)
    else:
        share = y.mean(0)
        row = np.where(share == share.max(), 1.0, -1.0)
    logits = np.tile(row, (len(test), 1)).astype(np.float32)
    return Baseline("majority", logits, "majority", len(train), time.perf_counter() - started)


def tfidf(task: Task, train: Sequence[Example], test: Sequence[Example], recipe: Recipe) -> Baseline:
    """TF-IDF and a linear model; strength chosen on a part of the training rows. Raises MissingExtra."""
    started = time.perf_counter()
    head, options = task.head(), recipe.evaluate
    features, matrix = Features.fit(_texts(train), outputs=head.outputs, words=options.words,
                                    stop_words=options.stop_words)
    got = linear.fit(matrix, task.numbers([e.target for e in train]), task, linear.sparse,
                     linear.SPARSE_GRID, recipe.seed)
    kind = "ridge" if head.problem_type == "regression" else "linear SVM"
    return Baseline("tfidf", _at_threshold(got, got.model(features(_texts(test))), task),
                    f"TF-IDF ({features.how}) + {kind}, C={got.strength:g}", len(train), time.perf_counter() - started)


def frozen(task: Task, train: Sequence[Example], test: Sequence[Example], recipe: Recipe, *, device: str,
           bf16: bool) -> Baseline:
    """The base model as it was before tuning, its mean-pooled outputs, and a linear model on them.

    The encoder reads at most 200,000 tokens of training rows (drawn at random; `train_rows` says how many
    rows that is).
    """
    from weitiao.models.build import build

    started = time.perf_counter()
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    model = build(base, task.head(), pooling="auto", dropout=None, seed=recipe.seed).to(device)
    encoder = _Encoder(model.bfloat16() if bf16 else model, models.tokenizer(base.folder), task,
                       int(recipe.model.max_length), device)
    part = encoder.some(train, recipe.seed)
    got = linear.fit(encoder(part), task.numbers([e.target for e in part]), task, linear.dense, linear.DENSE_GRID,
                     recipe.seed)
    kind = "ridge" if task.head().problem_type == "regression" else "logistic regression"
    how = f"{recipe.model.name}, mean-pooled, frozen + {kind}, l2={got.strength:g}"
    return Baseline("frozen", _at_threshold(got, got.model(encoder(test)), task), how, len(part),
                    time.perf_counter() - started)


class _Encoder:
    """Features (n, hidden) of examples from a model that is not trained."""

    def __init__(self, model: Any, tokenizer: Any, task: Task, max_length: int, device: str) -> None:
        self.model, self.tokenizer, self.task = model, tokenizer, task
        self.max_length, self.device = max_length, device

    def some(self, examples: Sequence[Example], seed: int) -> list[Example]:
        """As many rows, drawn at random, as the budget of tokens allows; never fewer than 100."""
        from weitiao.core import seeds

        order = seeds.rng(seed, "frozen").permutation(len(examples))
        sample = [examples[i] for i in order[:500]]
        mean = sum(r.length for r in self._encode(sample)) / len(sample)
        return [examples[i] for i in sorted(order[: max(100, int(_FROZEN_TOKENS / mean))])]

    def __call__(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        import torch

        rows = self._encode(examples)
        out: list[Any] = [None] * len(rows)
        for index in by_length([(r.length, 1) for r in rows], _BATCH_TOKENS):
            batch = self.task.collate([rows[i] for i in index], self.tokenizer.pad_token_id,
                                      self.tokenizer.padding_side)
            with torch.inference_mode():
                got = self.model.features(**{k: v.to(self.device) for k, v in batch.items() if k in MODEL_INPUTS})
            for i, row in zip(index, got.float().cpu().numpy(), strict=True):
                out[i] = row
        return np.array(out, np.float64)

    def _encode(self, examples: Sequence[Example]) -> list[Any]:
        return self.task.encode([replace(e, target=None) for e in examples], self.tokenizer, self.max_length)


def _at_threshold(got: linear.Fitted, logits: NDArray[np.float64], task: Task) -> NDArray[np.float32]:
    """Several labels a row: moved so that the threshold of the task is this system's own best."""
    if task.head().problem_type == "multi_label_classification":
        logits = linear.shift(logits, got.threshold, task.state()["threshold"])
    return logits.astype(np.float32)


def _texts(examples: Sequence[Example]) -> Texts:
    """The texts of each row, in the order of the task's roles."""
    return [tuple(str(v) for v in e.inputs.values()) for e in examples]
