"""A small real setting for tests of tuning: the tiny BERT, a made-up sentiment set, the project's own tasks."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from weitiao import models, tasks
from weitiao.events import Event, Progress
from weitiao.example import Row
from weitiao.recipe import Recipe
from weitiao.tuning.loop import Engine, Rows
from weitiao.tuning.setup import Job, prepare

GOOD = ["good", "great", "love", "happy", "fast"]
BAD = ["bad", "awful", "hate", "sad", "slow"]
FILL = ["the", "a", "is", "movie", "it"]
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "single": ("classify", {}, {"text": "text", "label": "label"}),
    "multi": ("classify", {"multi_label": True}, {"text": "text", "label": "labels"}),
    "regression": ("regress", {}, {"text": "text", "label": "stars"}),
    "pairs": ("classify", {}, {"text_a": "text", "text_b": "other", "label": "label"}),
    "spans": ("extract", {"stride": 4}, {"question": "other", "context": "passage", "answer": "answer"}),
}


def table(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of 2 to 14 words whose label shows in the words."""
    random = np.random.default_rng(seed)

    def words(pool: list[str], k: int) -> str:
        return " ".join(random.choice(pool, k))

    rows = []
    for _ in range(n):
        good = bool(random.integers(2))
        text = words(GOOD if good else BAD, random.integers(1, 5)) + " " + words(FILL, random.integers(1, 10))
        rows.append({"text": text, "other": words(FILL, 3), "label": "yes" if good else "no",
                     "labels": ["good"] if good else ["bad", "no"], "stars": 4.0 + len(text) % 3 if good else 1.0,
                     "passage": f"{text} {text} {text}", "answer": [text.split()[-1]] if len(text) % 4 else []})
    return rows


def make_task(kind: str, values: list[dict[str, Any]]) -> tuple[tasks.Task, list[Any]]:
    """The task and its examples."""
    name, options, columns = KINDS[kind]
    task = tasks.make(name, options, columns)
    examples = tasks.read_all(task, [Row(v, "made.csv", i + 2) for i, v in enumerate(values)])
    task.fit(examples)
    return task, examples


def make_rows(task: tasks.Task, examples: list[Any], tokenizer: Any) -> Rows:
    return Rows(task.encode(examples, tokenizer, 32), [e.source for e in examples], [e.target for e in examples],
                tokenizer.pad_token_id, tokenizer.padding_side)


def make_recipe(**tune: Any) -> Recipe:
    """Everything resolved, small."""
    return Recipe.build({"tune": {"epochs": 2.0, "batch_size": 8, "micro_batch_size": 8, "micro_batch_tokens": 8192, "learning_rate": 1e-3,
                                  "head_learning_rate": 1e-3, "precision": "fp32", "device": "cpu",
                                  "embeddings": "train", "metric": "loss", "head_start": "random"} | tune})


def make_model(folder: Path, task: tasks.Task, *, dropout: float = 0.1) -> Any:
    """The tiny BERT with mean pooling and the task's head."""
    from weitiao.models.build import build

    return build(models.find(str(folder)), task.head(), pooling="mean", dropout=dropout, seed=1)


class Case:
    """One kind of task on some rows, with everything that `fit` takes."""

    def __init__(self, folder: Path, tokenizer: Any, kind: str = "single", rows: int = 60) -> None:
        self.folder, self.tokenizer = folder, tokenizer
        self.task, examples = make_task(kind, table(rows))
        self.rows = make_rows(self.task, examples, tokenizer)
        self.validation = make_rows(self.task, examples[:16], tokenizer)

    def model(self, dropout: float = 0.1) -> Any:
        return make_model(self.folder, self.task, dropout=dropout)

    def engine(self, stack: ExitStack, home: Path, *, dropout: float = 0.0, **tune: Any) -> Engine:
        """A fresh engine, ready for `updates`."""
        job = Job(make_recipe(**tune), home, self.model(dropout), self.task, self.rows, self.validation)
        return prepare(job, stack)[1].engine

    def inputs(self, **tune: Any) -> dict[str, Any]:
        """The arguments of `fit` but for the folder and the listener."""
        return {"recipe": make_recipe(**tune), "model": self.model(), "task": self.task, "train": self.rows,
                "validation": self.validation}


def digest(folder: Path) -> dict[str, str]:
    """Hashes of what must be equal byte for byte: history, last checkpoint, best weights."""
    last = max((folder / "tune" / "checkpoints").iterdir(), key=lambda p: int(p.name))
    paths = [folder / "tune" / "metrics.jsonl", last / "state.safetensors", last / "state.json",
             folder / "tune" / "best" / "state.safetensors"]
    return {p.name + p.parent.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


class StopAt:
    """Sends a signal to this process when an event of that step comes by."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.step, self.number = step, number

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress) and event.step == self.step:
            os.kill(os.getpid(), self.number)


def lines(folder: Path) -> list[dict[str, Any]]:
    """The run's metrics.jsonl."""
    return [json.loads(x) for x in (folder / "tune" / "metrics.jsonl").read_text().splitlines()]


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
