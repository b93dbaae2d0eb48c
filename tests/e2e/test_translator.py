"""Translation through the real command, from an encoder: warm start, budget of words, baselines, prediction."""

from __future__ import annotations

import json
import random
from pathlib import Path

from calling import weitiao as call

WORDS = {"good": "好", "slow": "慢", "fast": "快", "music": "音乐", "food": "吃", "movie": "电影", "travel": "旅游", "room": "房间"}


def write(path: Path, rows: int, seed: int) -> Path:
    r = random.Random(seed)
    some = [[r.choice(list(WORDS)) for _ in range(r.randint(2, 3))] for _ in range(rows)]
    lines = [json.dumps({"de": i, "en": " ".join(x), "zh": "".join(WORDS[w] for w in x)}) for i, x in enumerate(some)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_from_an_encoder_to_a_translator(tiny_folder: Path, tmp_path: Path) -> None:
    train, test, out = write(tmp_path / "a.jsonl", 160, 1), write(tmp_path / "b.jsonl", 24, 2), tmp_path / "run"
    got = call("tune", str(train), "--test", str(test), "--source", "en", "--target", "zh", "--model", str(tiny_folder),
               "--out", str(out), "--json", "--set", "tune.epochs=12", "--set", "tune.learning_rate=0.01",
               "--set", "tune.precision=fp32", "--set", "evaluate.resamples=200")
    assert got.code == 0, got
    scores = json.loads(got.stdout)["scores"]
    names = [m["name"] for m in scores["metrics"]]
    assert names[:3] == ["bleu", "chrf", "ter"] and "tok:zh" in scores["metrics"][0]["signature"]
    assert {"length_ratio", "stopped", "perplexity", "bits_per_byte"} <= set(names)
    assert [b["name"] for b in scores["baselines"]] == ["copy", "nearest"]
    copied = scores["baselines"][0]["metrics"][0]["value"]
    assert scores["metrics"][0]["value"] > copied + 0.1, "it has learnt to write Chinese"
    assert "chrF" in (out / "report.html").read_text(encoding="utf-8")
    assert len((out / "model" / "tokenizer.json").read_text(encoding="utf-8")) < len(
        (tiny_folder / "tokenizer.json").read_text(encoding="utf-8")), "the vocabulary is cut"
    assert json.loads((out / "model" / "config.json").read_text(encoding="utf-8"))["architectures"] == ["EncoderDecoderModel"]
    answer = call("predict", str(out), "--text", "good food", "--json")
    assert answer.code == 0 and set(json.loads(answer.stdout)["predictions"][0]) >= {"text", "stopped"}


def test_a_pair_is_tuned_whole(tiny_folder: Path, tmp_path: Path) -> None:
    got = call("tune", str(write(tmp_path / "a.jsonl", 30, 1)), "--source", "en", "--target", "zh", "--model", str(tiny_folder),
               "--method", "lora", "--out", str(tmp_path / "run"))
    assert got.code == 2 and "--method full" in got.stderr
