"""Pretraining in the loop: one gradient for every split of a batch, resumed to the same bytes with masks drawn anew, and
a new head fitted before anything else moves."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from tuning_case import make_recipe
from weitiao import models, tasks
from weitiao.core.errors import RecipeError
from weitiao.core.seeds import key
from weitiao.events import Event, Progress
from weitiao.example import Row
from weitiao.models.build import build
from weitiao.models.spec import INPUTS
from weitiao.tuning import Interrupted, fit
from weitiao.tuning.loop import Rows, accumulate
from weitiao.tuning.setup import Job, prepare

_WORDS = "the a is was good bad great movie film music travel price very really one two three 好 很 坏 吃 慢 快"
WORDS = _WORDS.split()
SPLITS = {"12x1": [list(range(12))], "4x3": [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
          "ragged": [[3], [11, 2, 0, 10, 4], [5, 6, 7, 8, 9], [1]]}


class Setting:
    """Some documents as blocks, on a tiny base."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.base = folder, models.find(str(folder))
        tokenizer = models.tokenizer(folder)
        self.task: Any = tasks.make("pretrain", options, {"text": "text"})
        self.task.bind(self.base.kind, tokenizer)
        texts = [" ".join(WORDS[(i * 7 + j * j) % len(WORDS)] for j in range(5 + 3 * i)) for i in range(12)]
        examples = tasks.read_all(self.task, [Row({"text": x}, "a.jsonl", i + 1) for i, x in enumerate(texts)])
        blocks = [b for row in self.task.encode(examples, tokenizer, 24) for b in row.apart()]
        self.rows = Rows(blocks, ["a.jsonl"] * len(blocks), [0] * len(blocks), tokenizer.pad_token_id, "right")
        self.validation = Rows(blocks[:6], ["a.jsonl"] * 6, [0] * 6, tokenizer.pad_token_id, "right")

    def model(self, dropout: float = 0.0) -> Any:
        return build(self.base, self.task.head(), pooling="auto", dropout=dropout, seed=1)

    def job(self, home: Path, **tune: Any) -> Job:
        recipe = make_recipe(head_start="auto", **tune)
        return Job(recipe, home, self.model(), self.task, self.rows, self.validation)


@pytest.fixture(params=["encoder", "decoder", "words"])
def setting(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Setting:
    if request.param == "words":
        return Setting(tiny_folders["encoder"], whole_word=True)
    return Setting(tiny_folders[request.param])


def gradient(setting: Setting, home: Path, micro: list[list[int]], step: int = 0,
             **tune: Any) -> tuple[float, dict[str, torch.Tensor]]:
    with ExitStack() as stack:
        engine = prepare(setting.job(home, **tune), stack)[1].engine
        engine.model.train()
        loss, _ = accumulate(engine, step, micro)
        return loss, {n: m.grad.clone() for n, m in engine.weights.masters.items() if m.grad is not None}


def test_gradient_is_one_and_the_same_for_every_split(setting: Setting, tmp_path: Path) -> None:
    """Masks are drawn by block: they do not depend on what a block is computed beside. The reference: row by row."""
    home = tmp_path / "x"
    with ExitStack() as stack:
        engine = prepare(setting.job(home), stack)[1].engine
        total, count = torch.zeros(()), 0.0
        for i in range(12):
            batch = setting.rows.batch([i], setting.task, torch.device("cpu"))
            if batch.redrawn:
                batch.update(batch.redrawn(key(engine.seed, "redrawn", 0)))
            logits = engine.model(**{k: batch[k] for k in INPUTS if k in batch})
            total = total + torch.nn.functional.cross_entropy(logits, batch["targets"], reduction="sum")
            count += len(batch["targets"])
        (total / count).backward()  # type: ignore[no-untyped-call]
        want = {n: m.grad.clone() for n, m in engine.weights.masters.items() if m.grad is not None}
    for micro in SPLITS.values():
        loss, got = gradient(setting, home, micro)
        assert loss == pytest.approx(float(total.detach()) / count, rel=1e-5) and got.keys() == want.keys()
        for name, one in got.items():
            torch.testing.assert_close(one, want[name], rtol=1e-4, atol=1e-6)


def test_each_step_hides_something_else(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    setting = Setting(tiny_folders["encoder"])
    losses = [gradient(setting, tmp_path / "x", SPLITS["12x1"], step)[0] for step in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]


class StopAt:
    """Ctrl-C after that step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, event: Event) -> None:
        import os
        import signal

        if isinstance(event, Progress) and event.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def digest(folder: Path) -> dict[str, str]:
    names = ["best/state.safetensors", "metrics.jsonl", "outcome.json"]
    return {n: hashlib.sha256((folder / "tune" / n).read_bytes()).hexdigest() for n in names}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_to_the_same_bytes(setting: Setting, precision: str, tmp_path: Path) -> None:
    how = {"epochs": 3.0, "evaluate_every": 2, "micro_batch_size": 3, "precision": precision}

    def run(folder: Path, listen: Any = lambda _: None) -> None:
        job = setting.job(folder, **how)
        fit(job.recipe, folder, model=setting.model(dropout=0.1), task=setting.task, train=setting.rows,
            validation=setting.validation, on_event=listen)

    run(tmp_path / "whole")
    for step in (2, 5):
        with pytest.raises(Interrupted):
            run(tmp_path / "cut", StopAt(step))
    run(tmp_path / "cut")
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_only_a_new_head_moves_before_the_start(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    setting = Setting(tiny_folders["encoder"])
    job = setting.job(tmp_path)
    before = {n: p.detach().clone() for n, p in job.model.named_parameters()}
    head = {n for n, p in job.model.named_parameters() if any(p is h for h in job.model.head_parameters())}
    assert head == {n for n in before if n.startswith("body.cls.")}
    with ExitStack() as stack:
        prepare(job, stack)
        moved = {n for n, p in job.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == head and all(p.requires_grad for p in job.model.parameters())
    kept = (tmp_path / "head.safetensors").stat().st_mtime_ns
    again = setting.job(tmp_path)
    with ExitStack() as stack:
        prepare(again, stack)
    assert (tmp_path / "head.safetensors").stat().st_mtime_ns == kept
    assert all(torch.equal(p, q) for p, q in zip(job.model.parameters(), again.model.parameters(), strict=True))


def test_a_drawn_head_is_refused(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    setting = Setting(tiny_folders["encoder"])
    job = setting.job(tmp_path)
    job = Job(make_recipe(head_start="random"), job.home, job.model, job.task, job.train, job.validation)
    with ExitStack() as stack, pytest.raises(RecipeError, match="fills masks"):
        prepare(job, stack)


def test_a_base_with_its_own_head_needs_none(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    setting = Setting(tiny_folders["decoder"])
    with ExitStack() as stack:
        prepare(setting.job(tmp_path), stack)
    assert not (tmp_path / "head.safetensors").exists()
