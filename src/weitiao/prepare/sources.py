"""Which file holds which part of the data.

>>> find(Data(train=("data",)), None)      # the folder holds train.csv, dev.csv and test.csv
{'train': [data/train.csv], 'validation': [data/dev.csv], 'test': [data/test.csv]}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from weitiao import formats
from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.formats import File
from weitiao.recipe import Data
from weitiao.splits import PARTS

_WORDS = {
    "train": "train", "training": "train", "trn": "train", "训练": "train", "训练集": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "development": "validation", "验证": "validation", "验证集": "validation", "开发集": "validation",
    "test": "test", "testing": "test", "tst": "test", "测试": "test", "测试集": "test",
}


def part_of(word: str) -> str | None:
    """`train`, `validation` or `test` for a word that means one of them ("dev", "测试集"), else None."""
    return _WORDS.get(word.strip().casefold())


def find(data: Data, root: Path | None) -> dict[str, list[File]]:
    """Part to files. Raises the DataErrors of `formats.read_rows` that concern paths; `data.no_files` also
    where no file is left for training.

    In a folder named for training, files that are called after a part (`dev.csv`, `test-2024.jsonl`) are that part's,
    unless files are named for that part: rows of a test file must not be learnt only because they lie beside.
    """
    given = {"train": data.train, "validation": data.validation, "test": data.test}
    parts = {part: _expand(given[part], data, root) for part in PARTS}
    folders = [p for p in data.train if ((root / p) if root else Path(p)).is_dir()]
    for found in _expand(folders, data, root):
        part = part_of(re.split(r"[-_. ]", Path(found.source.shown).name, maxsplit=1)[0])
        if part not in (None, "train"):
            parts["train"] = [f for f in parts["train"] if f.source.path != found.source.path]
            if not given[part]:
                parts[part].append(found)
    if data.train and not parts["train"]:
        raise DataError("data.no_files", t("every file in it is named after another part than training",
                                           "其中的文件名都表示训练以外的部分"), where=", ".join(folders),
                        expected="train.csv", fix=t("name the training files themselves", "请直接写出训练文件名"))
    return parts


def _expand(paths: Sequence[str], data: Data, root: Path | None) -> list[File]:
    return formats.find(paths, data.format, data.encoding, data.delimiter, root)
