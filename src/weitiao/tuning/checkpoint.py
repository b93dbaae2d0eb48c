"""Checkpoints: whole or not there, verified when they are read, without pickle.

>>> save(folder, 40, tensors, state)             # folder/40/{state.safetensors, state.json, MANIFEST.json}
>>> step, tensors, state = newest(folder, note)  # the newest one that is whole; `note` hears of damaged ones

Each is written under a temporary name, hashed, flushed to disk and renamed; the newest two are kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.core.i18n import t

KEEP = 2
_TENSORS, _STATE, _MANIFEST = "state.safetensors", "state.json", "MANIFEST.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read back: updates done, tensors by name, everything else as JSON."""

    step: int
    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]


def write(folder: Path, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """One folder of tensors and JSON with a manifest of their SHA-256. Raises RunError `disk.write_failed`."""
    with files.new_folder(folder) as tmp:
        try:
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, tmp / _TENSORS)
        except SafetensorError as e:  # how the library reports a full disk
            raise OSError(str(e)) from e
        files.write_json(tmp / _STATE, dict(state))
        files.write_json(tmp / _MANIFEST, {name: files.sha256(tmp / name) for name in (_TENSORS, _STATE)})


def read(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `write` wrote. Raises RunError `checkpoint.damaged` when a single bit differs."""
    try:
        text = (folder / _MANIFEST).read_text(encoding="utf-8")
        manifest = json.loads(text)
        whole = text == json.dumps(manifest, indent=2) + "\n" and set(manifest) == {_TENSORS, _STATE} and all(
            files.sha256(folder / name) == digest for name, digest in manifest.items())
    except (OSError, ValueError):
        whole = False
    if not whole:
        raise RunError("checkpoint.damaged", t("the checkpoint is not what was written", "检查点与写入时不一致"),
                       where=str(folder), fix=t("run it again", "请重新运行"))
    return load_file(folder / _TENSORS), files.read_json(folder / _STATE)


def save(folder: Path, step: int, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """Write checkpoint `step` and drop all but the newest two."""
    write(folder / str(step), tensors, state)
    for old in _steps(folder)[:-KEEP]:
        shutil.rmtree(folder / str(old))


def newest(folder: Path, usable: Callable[[dict[str, Any]], bool], note: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole and `usable` by its state; None when there is none.

    Every one passed over is told to `note` and removed, lest it count among the newest two.
    """
    for step in reversed(_steps(folder)):
        try:
            tensors, state = read(folder / str(step))
            if usable(state):
                return Checkpoint(step, tensors, state)
        except RunError as e:
            if e.code != "checkpoint.damaged":
                raise
        note(t("checkpoint {s} is damaged: going on from the one before it", "检查点 {s} 已损坏：改用前一个", s=step))
        shutil.rmtree(folder / str(step))
    return None


def sweep(folder: Path) -> None:
    """Clear up after killed writers: a folder that was set aside and not replaced comes back, all else goes."""
    for path in folder.glob(".*"):
        final = folder / path.name[1:].removesuffix(".old")
        if path.suffix == ".old" and not final.exists():
            path.rename(final)
        elif path.suffix in (".tmp", ".old"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _steps(folder: Path) -> list[int]:
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()) if folder.is_dir() else []
