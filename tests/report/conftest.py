"""Three small real runs, one of each kind of answer, on a tiny model: what the report is made of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EVIL = "<script>alert('x')</script>"
LABELS = ("bad|row", "good & great", EVIL)


def _classify(r: random.Random, i: int) -> dict[str, Any]:
    label = LABELS[i % 3]
    return {"text": f"{EVIL} {r.choice(['食物', 'room', 'film'])} {i}" if i == 1 else f"food {r.random():.2f} {i % 3} 好"
            + " [SEP]" * (i in (4, 7)), "label": label}


def _several(r: random.Random, i: int) -> dict[str, Any]:
    return {"text": f"service {i} {r.random():.2f}", "labels": [x for k, x in enumerate(LABELS) if (i >> k) & 1]}


def _number(r: random.Random, i: int) -> dict[str, Any]:
    return {"text_a": f"music {i}", "text_b": f"{EVIL} {i}", "score": round(r.random() * 5, 2)}


@pytest.fixture(scope="session")
def make_run(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`make_run("classify")`, `("several")`, `("number")`: a finished run's folder, made once."""
    import weitiao
    from weitiao.core import i18n
    from weitiao.recipe import Recipe

    made: dict[str, Path] = {}
    rows = {"classify": _classify, "several": _several, "number": _number}
    recipe = Recipe.build({"evaluate": {"resamples": 100, "baselines": ["majority", "tfidf"]},
                           "tune": {"steps": 6, "batch_size": 8, "evaluate_every": 2, "precision": "fp32"},
                           "split": {"validation": 0.2}, "model": {"name": str(tiny_folder)}})

    def make(kind: str) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            r = random.Random(1)
            for name, n in (("train", 60), ("test", 24)):
                lines = [json.dumps(rows[kind](r, i), ensure_ascii=False) for i in range(n)]
                bad = ['{"text": "", "label": ""}'] if name == "train" and kind == "classify" else []
                (folder / f"{name}.jsonl").write_text("\n".join([*lines, *bad]) + "\n", encoding="utf-8")
            i18n.use("en")
            made[kind] = weitiao.tune(folder / "train.jsonl", test=folder / "test.jsonl", recipe=recipe,
                                      out=folder / "run").folder
        return made[kind]

    return make
