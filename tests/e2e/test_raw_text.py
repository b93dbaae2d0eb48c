"""Raw text in, an ordinary base out, through the real command; and adapters beside a model that was tuned with them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from calling import weitiao as call
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from weitiao import models
from weitiao.starters import POOLING_FILE
from weitiao.starters._shared import write_mean_pooling

SETTINGS = ("--set", "tune.precision=fp32", "--set", "model.max_length=32", "--set", "tune.epochs=3")
_WORDS = "the a is was good bad great movie film music very really one two 好 很 坏 吃"
WORDS = _WORDS.split()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r = random.Random(1)
    documents = ["\n".join(" ".join(WORDS[i: i + 3] * 3) for i in r.sample(range(15), 4)) + f" {n}" for n in range(60)]
    path = tmp_path_factory.mktemp("data") / "all.text"
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return path


def scores(out: Path) -> dict[str, Any]:
    return json.loads((out / "evaluate" / "scores.json").read_text())  # type: ignore[no-any-return]


def test_an_encoder_goes_on_and_is_an_ordinary_base(text: Path, tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    base, out = tmp_path / "base", tmp_path / "run"
    shutil.copytree(tiny_folder, base)
    write_mean_pooling(base, 32)
    got = call("tune", str(text), "--model", str(base), "--out", str(out), "--json", *SETTINGS,
               "--set", "tune.learning_rate=0.003")
    assert got.code == 0, got
    found = scores(out)
    assert found["task"] == "pretrain" and found["metric"] == "bits_per_byte" and found["n"] == 12
    assert "pseudo: 0.15 of each block masked" in found["metrics"][0]["signature"]
    [before] = found["baselines"]
    assert before["name"] == "untouched" and "new head, which alone was fitted on" in before["how"]
    assert found["verdict"]["outcome"] == "better" and found["metrics"][0]["value"] < before["metrics"][0]["value"]
    plain = AutoModelForMaskedLM.from_pretrained(out / "model")
    assert type(plain).__name__ == "BertForMaskedLM"
    assert (out / "model" / POOLING_FILE).is_file() and models.find(str(out / "model")).mean_pooled
    # and on from it: labels this time
    rows = [json.dumps({"text": f"{w} movie {i}", "label": y}) for i in range(15)
            for w, y in (("good", "pos"), ("bad", "neg"), ("great", "pos"), ("坏", "neg"))]
    (tmp_path / "few.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    got = call("tune", str(tmp_path / "few.jsonl"), "--model", str(out / "model"), "--out", str(tmp_path / "next"),
               "--json", "--set", "tune.precision=fp32", "--set", "evaluate.baselines=[]")
    assert got.code == 0, got
    config = json.loads((tmp_path / "next" / "model" / "config.json").read_text())
    assert config["weitiao_pooling"] == "mean"
    # and back again: the folded mean is no layer of the language
    again = call("tune", str(text), "--task", "pretrain", "--model", str(tmp_path / "next" / "model"), "--out",
                 str(tmp_path / "third"), "--json", *SETTINGS, "--set", "tune.steps=1")
    assert again.code == 0, again
    assert json.loads((tmp_path / "third" / "model" / "config.json").read_text())["num_hidden_layers"] == 2


def test_a_decoder_goes_on_with_lora(text: Path, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    got = call("tune", str(text), "--model", str(tiny_folders["decoder"]), "--out", str(out), "--json", *SETTINGS,
               "--set", "method.name=lora", "--set", "tune.learning_rate=0.01")
    assert got.code == 0, got
    found = scores(out)
    assert found["metrics"][0]["signature"].startswith("every token") and found["verdict"]["outcome"] == "better"
    assert found["baselines"][0]["train_rows"] == 0
    AutoModelForCausalLM.from_pretrained(out / "model")
    assert (out / "adapter" / "adapter_model.safetensors").is_file()
    predicted = call("predict", str(out), str(text), "-o", str(tmp_path / "p.jsonl"))
    assert predicted.code == 0, predicted
    first = json.loads((tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["predicted_value"] > 0 and first["row_source"].endswith(":1")


def test_a_new_head_that_is_tied_to_the_words_makes_no_adapter(text: Path, tiny_folder: Path, tmp_path: Path) -> None:
    got = call("tune", str(text), "--model", str(tiny_folder), "--out", str(tmp_path / "run"), *SETTINGS,
               "--set", "method.name=lora", "--set", "tune.steps=2")
    assert got.code == 0 and "no adapter is written" in got.stdout + got.stderr
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file() and not (tmp_path / "run" / "adapter").exists()


def test_documents_of_lines_are_one_row_each(text: Path) -> None:
    from weitiao.formats import read_rows

    rows: list[Any] = list(read_rows([text]))
    assert len(rows) == 60 and all(r.values["text"].count("\n") == 3 for r in rows)
    assert [r.line for r in rows[:2]] == [1, 6]
