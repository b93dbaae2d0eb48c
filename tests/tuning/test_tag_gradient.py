"""Tagging: one update's gradient does not depend on how rows are split and padded, and is that of a float64 reference."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tuning_case import make_recipe
from weitiao import models, tasks
from weitiao.example import Row
from weitiao.models.build import build
from weitiao.tuning.loop import Rows, accumulate
from weitiao.tuning.setup import Job, prepare

SPLITS = {"16x1": [list(range(16))], "4x4": [list(range(i, i + 4)) for i in (0, 4, 8, 12)],
          "ragged": [[3], [1, 2, 0, 15, 14], [4, 5, 6, 7, 8, 9, 10, 11, 12], [13]]}


def rows(n: int) -> list[dict[str, Any]]:
    """2 to 12 words, some of several pieces, and an entity of one or two words in most."""
    random = np.random.default_rng(0)
    out = []
    for _ in range(n):
        words = list(random.choice(["the", "movie", "xyz", "was", "我", "好", "12"], random.integers(2, 13)))
        tags = ["O"] * len(words)
        if random.random() < 0.8:
            at = int(random.integers(0, len(words) - 1))
            tags[at : at + 2] = ["B-A", "I-A"] if random.random() < 0.5 else ["B-B", "O"]
        out.append({"tokens": words, "tags": tags})
    return out


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("windows", [False, True])
def test_gradient_is_that_of_the_reference_for_every_split(kind: str, windows: bool, tiny_folders: dict[str, Path],
                                                           tmp_path: Path) -> None:
    task = tasks.make("tag", {}, {"text": "tokens", "label": "tags"})
    examples = tasks.read_all(task, [Row(v, "made.jsonl", i) for i, v in enumerate(rows(16))])
    task.fit(examples)
    base = models.find(str(tiny_folders[kind]))
    tokenizer = models.tokenizer(base.folder)
    task.bind(kind, tokenizer)
    encoded = task.encode(examples, tokenizer, 12 if windows else 64, windows=windows)
    assert windows == any(len(r.windows) > 1 for r in encoded)
    data = Rows(encoded, [e.source for e in examples], [e.target for e in examples], tokenizer.pad_token_id, "right")

    model = build(base, task.head(), pooling="auto", dropout=0.0, seed=1).double()
    total, words = torch.zeros((), dtype=torch.float64), 0
    for row in encoded:  # window by window, without padding
        said = [model(input_ids=torch.tensor([w]), attention_mask=torch.ones(1, len(w), dtype=torch.int64))[0]
                for w in row.windows]
        for tag, (_, window, column) in zip(row.target, row.notes[2], strict=True):
            total = total - said[window][column].log_softmax(0)[tag]
            words += 1
    (total / words).backward()
    want = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}

    for name, micro in SPLITS.items():
        with ExitStack() as stack:
            fresh = build(base, task.head(), pooling="auto", dropout=0.0, seed=1)
            recipe = make_recipe(embeddings="freeze")
            engine = prepare(Job(recipe, tmp_path / name, fresh, task, data, data), stack)[1].engine
            engine.model.train()
            loss, _ = accumulate(engine, 0, micro)
            got = {n: m.grad.double() for n, m in engine.weights.masters.items()}
        assert loss == pytest.approx(float(total.detach()) / words, rel=1e-6)
        common = sorted(set(got) & set(want))
        assert len(common) == len(got) and any("classifier" in n or "score" in n for n in common)
        a, b = (torch.cat([g[n].flatten() for n in common]) for g in (got, want))
        assert float((a - b).norm() / b.norm()) < 1e-5, name
