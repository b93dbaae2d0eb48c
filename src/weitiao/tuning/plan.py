"""What only the machine can tell, decided once and written down before the first update: tune/plan.json.

A resumed run reads it back instead of measuring again, so that a busy moment cannot change its course.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from weitiao._version import __version__
from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.core.i18n import t
from weitiao.recipe import Recipe, Tune, budget_seconds
from weitiao.run import processor
from weitiao.tasks import Encoded
from weitiao.tuning.kept import Kept

if TYPE_CHECKING:
    from weitiao.models.build import Model

MOST_VALIDATIONS = 20
PAUSE = 60.0  # seconds between two automatic checkpoints: a kill costs little more than that
FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """The course of a run.

    Args:
        device, precision: where and in what it computes.
        steps: updates.
        evaluate_every: updates between validations (0: there are no validation rows).
        save_every: updates between checkpoints; 0: at validations, when the last is a minute old.
        fingerprint: what the result depends on; see `fingerprint`.
        head: SHA-256 of head.safetensors, where a head was fitted first; "" elsewhere.
        reasons: why, one sentence a decision, in the user's language.
    """

    device: str
    precision: str
    steps: int
    evaluate_every: int
    save_every: int
    fingerprint: dict[str, Any]
    head: str
    reasons: dict[str, str]

    def validates(self, step: int) -> bool:
        """Is there a validation after update `step` (from 1)?"""
        return self.evaluate_every > 0 and (step % self.evaluate_every == 0 or step == self.steps)

    def saves(self, step: int, seconds_unsaved: float) -> bool:
        """Is there a checkpoint after update `step`? When one is written does not change what it holds."""
        if self.save_every:
            return step % self.save_every == 0
        return self.validates(step) and seconds_unsaved > PAUSE

    def write(self, folder: Path) -> None:
        files.write_sealed(folder / FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Plan | None:
        """The plan of a run that has begun, or None. Raises RunError `run.damaged`, `run.unreadable`."""
        path = folder / FILE
        if not path.is_file():
            if any((folder / "checkpoints").glob("[0-9]*")):  # then there was one
                raise files.damaged(path)
            return None
        try:
            return cls(**files.read_sealed(path))
        except TypeError as e:
            raise files.unreadable(path, e) from e


def steps(tune: Tune, per_epoch: int, validation_share: float, seconds_per_update: Callable[[], float]) -> int:
    """How many updates: `tune.steps`, else `tune.epochs`; fewer where `tune.time` does not suffice for them.

    Args:
        per_epoch: updates of one epoch.
        validation_share: validation rows divided by training rows.
        seconds_per_update: measures; called only where there is a budget.
    """
    epochs = 1.0 if tune.epochs == "auto" else tune.epochs
    wanted = tune.steps if tune.steps != "auto" else max(1, round(epochs * per_epoch))
    if not tune.time:
        return wanted
    # Beside the gradient: a tenth for the optimiser, and two validations an epoch at a third of the cost of training.
    each = seconds_per_update() * (1.1 + 2 * validation_share / 3)
    return max(1, min(wanted, int(budget_seconds(tune.time) / each)))


def evaluate_every(tune: Tune, total: int, per_epoch: int, rows: int) -> int:
    """Updates between validations; auto: twice an epoch, at most 20 in all. 0 without validation rows."""
    if rows == 0:
        return 0
    if tune.evaluate_every != "auto":
        return tune.evaluate_every
    return max(-(-per_epoch // 2), -(-total // MOST_VALIDATIONS))


def fingerprint(recipe: Recipe, model: Model, rows: Sequence[Sequence[Encoded]], tokenizer: str,
                ranks: int) -> dict[str, Any]:
    """What a run's bytes depend on: recipe, encoded rows, tokenizer, base weights; and what gives other last digits:
    processes, threads, processor with its instruction set, versions."""
    data = hashlib.sha256()
    for part in rows:
        if isinstance(part, Kept):
            data.update(part.digest.encode())
        for row in () if isinstance(part, Kept) else part:
            data.update(repr((row.windows, row.types, row.target)).encode())
        data.update(b"\x00")
    return {"recipe": recipe.hash, "data": data.hexdigest()[:16], "tokenizer": tokenizer, "model": _weights(model),
            "ranks": ranks, "threads": torch.get_num_threads(), "cpu": torch.backends.cpu.get_cpu_capability(),
            "processor": processor(), "torch": torch.__version__, "transformers": version("transformers"),
            "weitiao": __version__}


def _weights(model: Model) -> str:
    """A hash of some numbers of every parameter below the head: enough to tell another base or another revision.

    A new head follows from base, data and recipe, though not to the last digit where the number of threads differs.
    """
    found = hashlib.sha256()
    head = {id(p) for p in model.head_parameters()}
    for name, parameter in ((n, p) for n, p in model.named_parameters() if id(p) not in head):
        flat = parameter.detach().flatten()
        some = flat[:: max(1, len(flat) // 256)].float().cpu().numpy()
        found.update(f"{name}{tuple(parameter.shape)}".encode() + np.ascontiguousarray(some).tobytes())
    return found.hexdigest()[:16]


def check_same(began: dict[str, Any], now: dict[str, Any], folder: Path, *, allow_inexact: bool) -> list[str]:
    """What of the machine is another ("threads 1 → 2"), where that is allowed.

    Raises RunError `run.changed` for another recipe, data, tokenizer or base, `run.inexact` for another machine.
    """
    names = {"recipe": t("the recipe", "配方"), "data": t("the data", "数据"),
             "tokenizer": t("the tokenizer", "分词器"), "model": t("the base model", "基座模型")}
    changed = [names[k] for k in names if began[k] != now[k]]
    if changed:
        raise RunError("run.changed", t("changed since the run began: {x}", "自运行开始后已改变：{x}",
                                        x=", ".join(changed)), where=str(folder),
                       fix=t("start a new run with: weitiao tune", "请用 weitiao tune 重新开始"))
    other = [f"{k} {began[k]} → {now[k]}" for k in began if k not in names and began[k] != now[k]]
    if other and not allow_inexact:
        raise RunError(
            "run.inexact",
            t("this machine computes other last digits than the one where the run began: {x}",
              "本机的计算末位与运行开始时不同：{x}", x=", ".join(other)), where=str(folder),
            expected=t("the same number of processes and threads, the same processor and versions",
                       "相同的进程数、线程数、处理器和版本"),
            fix=t("set OMP_NUM_THREADS={n} and --nproc {r}, or accept a result that is not byte for byte the same: "
                  "--allow-inexact",
                  "请设 OMP_NUM_THREADS={n} 和 --nproc {r}，或用 --allow-inexact 接受不逐字节相同的结果",
                  n=began["threads"], r=began["ranks"]))
    return other
