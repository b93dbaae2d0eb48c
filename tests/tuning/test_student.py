"""Tuning a student whose decoder is a recurrence: one gradient for every split, and resumed to the same bytes."""

from __future__ import annotations

import hashlib
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

import student
from tuning_case import make_recipe
from weitiao import methods, models, tasks
from weitiao.events import Event, Progress
from weitiao.example import Row
from weitiao.models.build import build
from weitiao.recipe import Recipe
from weitiao.tuning import Interrupted, fit
from weitiao.tuning.loop import Rows, accumulate
from weitiao.tuning.setup import Job, prepare
from weitiao.tuning.validate import rows_and_loss

PAIRS = {"good": "好", "slow": "慢", "fast": "快", "music": "音乐", "food": "吃", "movie": "电影", "travel": "旅游"}
SPLITS = {"12x1": [list(range(12))], "4x3": [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
          "ragged": [[3], [11, 2, 0, 10, 4], [5, 6, 7, 8, 9], [1]]}


class Setting:
    """Pairs of 1 to 6 words, on a tiny student."""

    def __init__(self, folder: Path, tokenizer: Any) -> None:
        self.base = models.find(str(student.write(folder, tokenizer, init_std=0.1)))
        self.words = models.tokenizer(self.base.folder)
        self.task: Any = tasks.make("translate", {"source": "en", "target": "zh"}, {"source": "en", "target": "zh"})
        said = [[list(PAIRS)[(i * 3 + j) % 7] for j in range(1 + i % 6)] for i in range(24)]
        rows = [Row({"en": " ".join(x), "zh": "".join(PAIRS[w] for w in x)}, "a.tsv", i + 2) for i, x in enumerate(said)]
        examples = tasks.read_all(self.task, rows)
        self.task.fit(examples)
        self.task.bind(self.base.kind, self.words)
        encoded = self.task.encode(examples, self.words, 32)
        self.rows = Rows(encoded, [e.source for e in examples], [e.target for e in examples], self.words.pad_token_id, "right")

    def model(self, dropout: float = 0.0) -> Any:
        return build(self.base, self.task.head(), pooling="auto", dropout=dropout, seed=1)

    def run(self, recipe: Recipe, folder: Path, listen: Any = lambda _: None) -> None:
        fit(recipe, folder, model=self.model(0.1), task=self.task, train=self.rows, validation=self.rows, on_event=listen)


@pytest.fixture
def setting(tmp_path: Path, tiny_tokenizer: Any) -> Setting:
    return Setting(tmp_path / "student", tiny_tokenizer)


def gradient(setting: Setting, home: Path, micro: list[list[int]], **tune: Any) -> dict[str, torch.Tensor]:
    with ExitStack() as stack:
        engine = prepare(Job(make_recipe(**tune), home, setting.model(), setting.task, setting.rows, setting.rows), stack)[1].engine
        engine.model.train()
        accumulate(engine, 0, micro)
        return {n: m.grad.clone() for n, m in engine.weights.masters.items() if m.grad is not None}


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    one, other = (torch.cat([x[n].flatten() for n in sorted(a)]) for x in (a, b))
    return float((one - other).norm() / other.norm())


def test_one_gradient_for_every_split(setting: Setting, tmp_path: Path) -> None:
    want = gradient(setting, tmp_path / "rows", [[i] for i in range(12)])
    assert any("decoder.layers.1.self_attn.forget" in n and g.abs().max() > 0 for n, g in want.items())
    for name, micro in SPLITS.items():
        got = gradient(setting, tmp_path / name, micro)
        assert got.keys() == want.keys() and distance(got, want) < 1e-5, name
    assert distance(gradient(setting, tmp_path / "bf16", SPLITS["4x3"], precision="bf16"), want) < 0.05
    assert distance(gradient(setting, tmp_path / "again", SPLITS["4x3"], checkpointing=True), want) < 1e-6


def digest(folder: Path) -> dict[str, str]:
    names = ["best/state.safetensors", "metrics.jsonl", "outcome.json"]
    return {n: hashlib.sha256((folder / "tune" / n).read_bytes()).hexdigest() for n in names}


class StopAt:
    """Ctrl-C after that step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress) and event.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_to_the_same_bytes(setting: Setting, precision: str, tmp_path: Path) -> None:
    recipe = make_recipe(epochs=2.0, evaluate_every=2, micro_batch_size=3, precision=precision)
    setting.run(recipe, tmp_path / "whole")
    for step in (2, 4):
        with pytest.raises(Interrupted):
            setting.run(recipe, tmp_path / "cut", StopAt(step))
    setting.run(recipe, tmp_path / "cut")
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_it_learns(setting: Setting, method: str, tmp_path: Path) -> None:
    model, chosen, cpu = setting.model(), methods.load(method), torch.device("cpu")
    _, before = rows_and_loss(model, setting.task, setting.rows, cpu, most_tokens=999)
    attached = chosen.attach(model, chosen.Options())
    recipe = make_recipe(epochs=25.0, learning_rate=0.01, evaluate_every=20)
    fit(recipe, tmp_path, model=attached, task=setting.task, train=setting.rows, validation=setting.rows, on_event=lambda _: None)
    merged = chosen.merge(attached).eval()
    _, after = rows_and_loss(merged, setting.task, setting.rows, cpu, most_tokens=999)
    assert after < 0.7 * before, (before, after)
    if method == "full":  # what lies beside frozen words drawn at random cannot say them
        said = setting.task.outputs(merged, setting.rows.batch(range(12), setting.task, cpu))
        right = sum(x.text.replace(" ", "") == y for x, y in zip(said, setting.rows.targets[:12], strict=True))
        assert right >= 9, [x.text for x in said]
