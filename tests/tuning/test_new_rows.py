"""Rows of the word embeddings that learn while the others are frozen, through `fit`: resumed, in few bits, in place."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from tuning_case import Case
from weitiao import methods, models
from weitiao.events import Event, Progress
from weitiao.models import grown
from weitiao.tuning import Interrupted, fit


class Grown(Case):
    """The small setting with a prompt, or with a word of its own in the texts."""

    def __init__(self, folder: Path, method: str) -> None:
        self.method = methods.load(method)
        virtual = self.method.virtual_tokens(self.method.Options())
        tokenizer, self.growth = grown.teach(models.tokenizer(folder), () if virtual else ("the movie",),
                                             prompt=virtual, seed=1)
        super().__init__(folder, tokenizer)

    def model(self, dropout: float = 0.1) -> Any:
        model = super().model(dropout)
        grown.grow(model, self.growth)
        torch.manual_seed(3)
        return self.method.attach(model, self.method.Options())


def _run(case: Case, home: Path, stop: int = 0, **tune: Any) -> Any:
    def listen(event: Event) -> None:
        if stop and isinstance(event, Progress) and event.step == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    inputs = case.inputs(epochs=1.0, learning_rate=1e-2, **tune)
    fit(folder=home, on_event=listen, **inputs)
    return inputs["model"]


def _digest(home: Path) -> dict[str, str]:
    last = max((home / "tune" / "checkpoints").iterdir(), key=lambda p: int(p.name))
    return {str(p.relative_to(home)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in (home / "tune" / "metrics.jsonl", *last.iterdir(), *(home / "tune" / "best").iterdir())}


@pytest.mark.parametrize("settings", [{}, {"precision": "bf16", "average": 0.9}, {"optimizer": "adafactor"}],
                         ids=["fp32", "bf16", "adafactor"])
@pytest.mark.parametrize("method", ["prompt", "lora", "freeze"])
def test_resumed_it_ends_with_the_same_bytes(method: str, settings: dict[str, Any], tiny_folder: Path,
                                             tmp_path: Path) -> None:
    case = Grown(tiny_folder, method)
    whole = _run(case, tmp_path / "whole", **settings)
    with pytest.raises(Interrupted):
        _run(case, tmp_path / "cut", stop=3, **settings)
    resumed = _run(case, tmp_path / "cut", **settings)
    assert _digest(tmp_path / "whole") == _digest(tmp_path / "cut")
    begun = case.model()
    ids = list(case.growth.ids)
    for model in (whole, resumed):
        table, before = model.word_embeddings().weight.detach(), begun.word_embeddings().weight.detach()
        assert torch.equal(table[: ids[0]], before[: ids[0]]) and not (table[ids] == before[ids]).all(1).any()
        assert type(model.word_embeddings()) is torch.nn.Embedding and table.dtype == torch.float32
    assert torch.equal(whole.word_embeddings().weight, resumed.word_embeddings().weight)


def test_with_frozen_embeddings_full_tuning_moves_the_new_rows_too(tiny_folder: Path, tmp_path: Path) -> None:
    case = Grown(tiny_folder, "full")
    before = case.model().word_embeddings().weight.detach().clone()
    table = _run(case, tmp_path, embeddings="freeze").word_embeddings().weight.detach()
    moved = (table != before).any(1).nonzero().flatten().tolist()
    assert moved == list(case.growth.ids)
