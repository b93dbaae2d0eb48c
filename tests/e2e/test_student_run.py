"""Translation with a base that translates already, through the real command: both methods, the baselines, what is saved."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from calling import weitiao as call

import student

WORDS = {"good": "好", "slow": "慢", "fast": "快", "music": "音乐", "food": "吃", "movie": "电影", "travel": "旅游", "room": "房间"}


def write(path: Path, rows: int, seed: int) -> Path:
    r = random.Random(seed)
    some = [[r.choice(list(WORDS)) for _ in range(r.randint(2, 3))] for _ in range(rows)]
    path.write_text("en\tzh\n" + "".join(f"{' '.join(x)}\t{''.join(WORDS[w] for w in x)}\n" for x in some), encoding="utf-8")
    return path


@pytest.mark.parametrize("method", ["full", "lora"])
def test_from_a_table_to_a_folder_that_others_load(method: str, tiny_tokenizer: Any, tmp_path: Path) -> None:
    base, out = student.write(tmp_path / "student", tiny_tokenizer, init_std=0.1), tmp_path / "run"
    train, test = write(tmp_path / "a.tsv", 80, 1), write(tmp_path / "b.tsv", 20, 2)
    got = call("tune", str(train), "--test", str(test), "--task", "translate", "--source", "en", "--target", "zh", "--model", str(base),
               "--method", method, "--out", str(out), "--json", "--set", "tune.epochs=8", "--set", "tune.learning_rate=0.01",
               "--set", "tune.precision=fp32", "--set", "evaluate.resamples=200")
    assert got.code == 0, got
    scores = json.loads(got.stdout)["scores"]
    names = [b["name"] for b in scores["baselines"]]
    assert names == ["copy", "nearest", "zero_shot"], "what it was before tuning is one of them"
    before = scores["baselines"][2]["metrics"][0]["value"]
    assert scores["metrics"][0]["name"] == "bleu"
    assert method == "lora" or scores["metrics"][0]["value"] > before, "beside frozen words drawn at random little is learnt"
    assert {"ssru.py", "config.json", "model.safetensors", "weitiao.json"} <= {p.name for p in (out / "model").iterdir()}
    card = (out / "README.md").read_text(encoding="utf-8")
    assert 'AutoModelForSeq2SeqLM.from_pretrained("model", trust_remote_code=True)' in card
    if method == "lora":
        how = (out / "adapter" / "README.md").read_text(encoding="utf-8")
        assert "AutoModelForSeq2SeqLM.from_pretrained(" in how and how.count("trust_remote_code=True") == 2
    answer = call("predict", str(out), "--text", "good food", "--json")
    assert answer.code == 0 and set(json.loads(answer.stdout)["predictions"][0]) >= {"text", "stopped"}
