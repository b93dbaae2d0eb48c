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
from weitiao.models.spec import INPUTS
from weitiao.tasks import Encoded

TITLE = ("the frozen encoder", "冻结编码器")


def make(case: Case) -> Baseline:
    """Raises ModelError as finding and building the base does."""
    from weitiao.models.build import build

    task, recipe = case.task, case.recipe
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    words = models.tokenizer(base.folder)
    task.bind(base.kind, words)
    model = build(base, task.head(), pooling="auto", dropout=None, seed=recipe.seed).to(case.device)
    model = model.bfloat16() if case.bf16 else model
    long, windows = int(recipe.model.max_length), recipe.model.long_texts == "windows"
    encoded = task.encode(case.train, words, long, windows=windows)
    chosen = _some(encoded, recipe.seed)
    part = [case.train[i] for i in chosen]
    rows = _rows(model, task, [encoded[i] for i in chosen], words, case.device, [e.target for e in part])
    fitted, strength = _words.fit(rows, task, _linear.dense, _linear.DENSE_GRID, recipe.seed)
    test = task.encode(case.test, words, long, windows=windows)
    outputs = _words.answers(fitted, _rows(model, task, test, words, case.device, [None] * len(test)), task)
    return Baseline(outputs, f"{recipe.model.name}, frozen + logistic regression on each word, l2={strength:g}",
                    len(part))


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
