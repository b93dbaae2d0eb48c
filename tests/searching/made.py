"""A made-up set and a tiny model for searches, and the real commands on them."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from weitiao.recipe import Recipe

TICK = 0.002  # seconds
WORDS = {"pos": "good great love happy clean", "neg": "bad awful hate sad dirty"}
FILLER = ["the", "a", "food", "movie", "film", "music", "travel", "service", "room", "price", "this", "that", "it", "was", "very", "really", "one", "two", "three"]


@contextmanager
def counted_time() -> Iterator[None]:
    """Every look at a clock finds it TICK seconds later: neither a busy nor a slow machine may decide a test."""
    looks = itertools.count()

    def passed() -> float:
        return TICK * next(looks)

    fake = SimpleNamespace(monotonic=passed, sleep=time.sleep, perf_counter=passed, process_time=passed)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("clock", "trial", "trials"):
            patch.setattr(f"weitiao.searching.{name}.time", fake)
        patch.setattr("weitiao.searching.time", fake)
        yield


def write(path: Path, n: int, seed: int) -> Path:
    """Rows of a few words whose label shows in one of them, one in ten with the wrong label: nobody is perfect."""
    r = random.Random(seed)
    lines = []
    for i in range(n):
        label = ("pos", "neg")[i % 2]
        words = [r.choice(FILLER) for _ in range(r.randint(2, 9))] + [r.choice(WORDS[label].split())]
        r.shuffle(words)
        shown = label if r.random() < 0.9 else ("neg" if label == "pos" else "pos")
        lines.append(json.dumps({"text": " ".join(words), "label": shown}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def recipe(model: Path, data: Path, validation: Path | None = None) -> Recipe:
    """A default that is quick on the tiny model, and hardly moves it."""
    return Recipe.build({
        "data": {"train": [str(data)], "validation": [str(validation)] if validation else []},
        "model": {"name": str(model)}, "evaluate": {"baselines": ["majority"]},
        "tune": {"epochs": 6.0, "batch_size": 8, "micro_batch_size": 8, "learning_rate": 1e-5,
                 "precision": "fp32", "device": "cpu"}})


SPACE = """# wider than the default's own
[tune.learning_rate]
between = [1e-5, 0.03]
log = true

[tune.head_learning_rate]
between = [1e-5, 0.03]
log = true

[tune.weight_decay]
between = [0.0, 0.1]
"""
