"""The written course of a run: metrics.jsonl, the same bytes for the same run, and timing.jsonl beside it.

>>> history = History(folder); history.update(update, epoch=0.5)
>>> history.mark()                     # for a checkpoint: how many bytes there are and their hash
>>> history.cut(mark)                  # on resume: what was written after that checkpoint goes
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weitiao.core import files
from weitiao.tuning.loop import Update


@dataclass(frozen=True, slots=True)
class Mark:
    """Length and SHA-256 of metrics.jsonl at some moment."""

    bytes: int
    sha256: str


class History:
    """Appends to the two files in `folder`. Times stand in a file of their own: they differ from run to run."""

    def __init__(self, folder: Path) -> None:
        self.metrics, self.timing = folder / "metrics.jsonl", folder / "timing.jsonl"
        self._started = time.perf_counter()

    def update(self, update: Update, epoch: float) -> None:
        """One line per optimiser update, or per one that was left out (see `nonfinite`)."""
        if update.left_out:
            self._append(self.metrics, {"step": update.step, "epoch": round(epoch, 4), **asdict(update.left_out)})
            return
        line = {k: v for k, v in asdict(update).items() if k not in ("micro_batch_size", "left_out")}
        if not math.isfinite(update.gradient_norm):  # fp16: an update that its loss scaling skips
            line["gradient_norm"] = None
        self._append(self.metrics, {"step": line.pop("step"), "epoch": round(epoch, 4), **line})
        seconds = round(time.perf_counter() - self._started, 3)
        self._append(self.timing, {"step": update.step, "seconds": seconds})

    def validation(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """One line per validation; None where a metric is not defined."""
        self._append(self.metrics, {"step": step, "validation": dict(metrics)})

    def mark(self) -> Mark:
        """Flush to disk what is there and say what it is."""
        data = self.metrics.read_bytes() if self.metrics.exists() else b""
        if data:
            with files.writing(self.metrics):
                files.sync(self.metrics)
                files.sync(self.metrics.parent)
        return Mark(len(data), hashlib.sha256(data).hexdigest())

    def holds(self, mark: Mark) -> bool:
        """Is everything up to that mark still as it was?"""
        data = self.metrics.read_bytes() if self.metrics.exists() else b""
        return hashlib.sha256(data[: mark.bytes]).hexdigest() == mark.sha256

    def cut(self, mark: Mark) -> None:
        """Drop what was written after the mark."""
        if self.metrics.exists():
            with files.writing(self.metrics):
                os.truncate(self.metrics, mark.bytes)

    def _append(self, path: Path, line: Mapping[str, Any]) -> None:
        with files.writing(path), path.open("a", encoding="utf-8") as f:
            f.write(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n")
