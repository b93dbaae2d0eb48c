"""Checkpoints: whole or not there, verified when they are read, without pickle.

>>> save(folder, 40, tensors, state)             # folder/40/{state.safetensors, state.json, MANIFEST.json}
>>> step, tensors, state = newest(folder, note)  # the newest one that is whole; `note` hears of damaged ones

Each is written under a temporary name, hashed, flushed to disk and renamed; the newest two are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
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
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, tmp / _TENSORS)
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


def save(folder: Path, step: int, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any],
         keep: int | None = None) -> None:
    """Write checkpoint `step` and drop all but the newest two and the one numbered `keep`."""
    write(folder / str(step), tensors, state)
    for old in _steps(folder)[:-KEEP]:
        if old != keep:
            files.remove_folder(folder / str(old))


def newest(folder: Path, unfit: Callable[[dict[str, Any]], str], note: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole and of whose state `unfit` says nothing; None when there is none.

    Every one passed over is told to `note` and removed, lest it count among the newest two.
    """
    steps = _steps(folder)
    for step in reversed(steps):
        try:
            tensors, state = read(folder / str(step))
            why = unfit(state)
        except RunError as e:
            if e.code != "checkpoint.damaged":
                raise
            why = t("is damaged", "已损坏")
        if not why:
            return Checkpoint(step, tensors, state)
        note(t("checkpoint {s} {w}: going on from the one before it", "检查点 {s} {w}：改用前一个", s=step, w=why)
             if step != steps[0] else
             t("checkpoint {s} {w}, and there is none before it: beginning anew, to the same result; look at the disk",
               "检查点 {s} {w}，之前也没有可用的：从头开始，结果不变；请检查磁盘", s=step, w=why))
        files.remove_folder(folder / str(step))
    return None


def _steps(folder: Path) -> list[int]:
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()) if folder.is_dir() else []
