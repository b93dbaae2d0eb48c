"""What training changes beside the weights, and how it is saved and taken up again.

>>> session = Session(folder, engine, average)
>>> session.resume(note)                    # the newest whole checkpoint, or the beginning
>>> session.save(step)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.core.i18n import t
from weitiao.metrics import LOWER_IS_BETTER
from weitiao.tuning import checkpoint
from weitiao.tuning.history import History, Mark
from weitiao.tuning.loop import Engine, NonFinite, Update
from weitiao.tuning.sharded import like, local, whole
from weitiao.tuning.weights import Average


@dataclass(frozen=True, slots=True)
class Best:
    """The step whose weights are kept, and all its validation metrics ({} without validation)."""

    step: int
    metrics: dict[str, float]


class Session:
    """A run's moving state in `tune/`: checkpoints, best weights, history, early-stopping counter.

    Args:
        folder: the run's `tune/`.
        engine: what the loop turns.
        average: of the masters, or None.
        metric: which validation metric chooses the best step.
        patience: validations without a better one after which training stops; 0: never.
        policy: `tune.non_finite`.
        regular: updates between the checkpoints that "roll_back" goes back to.
    """

    def __init__(self, folder: Path, engine: Engine, average: Average | None, metric: str, patience: int,
                 policy: str = "stop", regular: int = 0) -> None:
        self.folder, self.engine, self.average = folder, engine, average
        self.metric, self.patience, self.policy, self.regular = metric, patience, policy, regular
        self.history = History(folder)
        self.best: Best | None = None
        self.without_gain = 0  # validations since the best one
        self.validated = 0  # the last step that was
        self.left_out = 0  # updates in a row
        self.inexact: list[str] = []  # what was another machine's
        self.refitted = False  # the head's first weights were damaged
        self._lost: int | None = None  # the best step, where its weights are damaged
        self._saved = time.monotonic()

    @property
    def values(self) -> Mapping[str, torch.Tensor]:
        """The weights to judge and to keep: the average where there is one."""
        return self.average.values if self.average else self.engine.weights.masters

    @property
    def exhausted(self) -> bool:
        """Has the patience run out?"""
        return 0 < self.patience <= self.without_gain

    def record(self, update: Update) -> None:
        """Take in an update: into the average and the history."""
        if self.average and not update.left_out:
            self.average.update(update.step - 1)
        if self._writes:
            self.history.update(update, update.step / self.engine.batches.per_epoch)

    # -- the best step -------------------------------------------------------------------------------------------------

    def judge(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Take in a validation; keeps the weights on disk when it is the best so far."""
        self.validated = step
        if self._writes:
            self.history.validation(step, _json(metrics))
        if self.best is not None and not _better(metrics[self.metric], self.best.metrics[self.metric], self.metric):
            self.without_gain += 1
            return False
        self.without_gain = 0
        self.keep(Best(step, dict(metrics)))
        return True

    def keep(self, best: Best) -> None:
        """Write the weights of now as the best. Raises NonFinite."""
        self._check_finite(best.step)
        self.best = best
        values = whole(self.values, keep=self._writes)
        if self._writes:
            checkpoint.write(self.folder / "best", values, {"step": best.step, "metrics": _json(best.metrics)})

    def load_best(self) -> Best:
        """Bring the best weights into the model. Raises RunError `checkpoint.damaged`."""
        tensors, state = checkpoint.read(self.folder / "best")
        self.engine.weights.load(tensors)
        return Best(state["step"], _floats(state["metrics"]))

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    @property
    def seconds_unsaved(self) -> float:
        """Since the last checkpoint."""
        return time.monotonic() - self._saved

    def save(self, step: int) -> None:
        """Checkpoint the state after `step` updates. Raises NonFinite."""
        self._check_finite(step)
        tensors = whole(self._tensors(), keep=self._writes)
        if not self._writes:
            return
        checkpoint.save(self.folder / "checkpoints", step, tensors, {
            "step": step,
            "best": asdict(self.best) | {"metrics": _json(self.best.metrics)} if self.best else None,
            "without_gain": self.without_gain,
            "validated": self.validated,
            "left_out": self.left_out,
            "inexact": self.inexact,
            "micro_batch": [self.engine.batches.micro_batch_size, self.engine.batches.micro_batch_tokens],
            "scaler": self.engine.scaler.state_dict(),
            "history": asdict(self.history.mark()),
        }, keep=self._last_regular(step))
        self._saved = time.monotonic()

    def resume(self, note: Callable[[str], None]) -> int:
        """Take up the newest whole checkpoint; the number of updates that it holds, 0 at the beginning."""
        if self.refitted:
            note(t("the head's first weights were damaged: they are fitted again", "初始分类头已损坏：重新拟合"))
        found = self._newest(note)
        if self.inexact:
            note(t("this run goes on elsewhere ({x}): its result is not byte for byte that of a run without a stop",
                   "运行在不同环境下继续（{x}）：结果不再与未中断的运行逐字节相同", x=", ".join(self.inexact)))
        if self._writes:
            self.history.cut(Mark(**found.state["history"]) if found else Mark(0, ""))
        if found is None:
            return 0
        state = found.state
        self._take_up(found.tensors, state)
        self.engine.batches.micro_batch_size, self.engine.batches.micro_batch_tokens = state["micro_batch"]
        self.best = Best(state["best"]["step"], _floats(state["best"]["metrics"])) if state["best"] else None
        self.without_gain, self.validated, self.left_out = (state[k] for k in ("without_gain", "validated", "left_out"))
        self.inexact = sorted({*state["inexact"], *self.inexact})
        if self.best and self._lost == self.best.step == found.step:
            self.keep(self.best)
        note(t("going on after step {s}", "从第 {s} 步之后继续", s=found.step))
        return found.step

    def go_back(self, step: int) -> int:
        """Take up weights and moments of the last regular checkpoint before `step`; its number. What was learnt about
        the run itself (the best step, the history) stays. Raises RunError `checkpoint.damaged`: a resumed run makes it
        again."""
        number = self._last_regular(step)
        self._take_up(*checkpoint.read(self.folder / "checkpoints" / str(number)))
        return number

    def whole(self) -> bool:
        """Can the best weights be read?"""
        return not _damaged(self.folder / "best")

    def _last_regular(self, step: int) -> int:
        return step - step % self.regular if self.regular else step

    def _take_up(self, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        self.engine.weights.load(_under("master", tensors))
        if self.average:
            masters = self.engine.weights.masters
            self.average.values = {k: like(masters[k], v) for k, v in _under("average", tensors).items()}
        for i, optimizer in enumerate(self.engine.optimizers):
            _load_optimizer(optimizer, _under(f"optimizer{i}", tensors))
        self.engine.scaler.load_state_dict(state["scaler"])

    def _check_finite(self, step: int) -> None:
        """What is saved can be gone on with. On every rank: they hold the same, or each a share."""
        averaged = self.average.values.values() if self.average else ()
        held = (*self.engine.weights.masters.values(), *averaged)
        if self.engine.ranks.total(not all(bool(torch.isfinite(local(v)).all()) for v in held)):
            raise NonFinite("weights", step - 1, [])

    @property
    def _writes(self) -> bool:
        return self.engine.ranks.first

    def _newest(self, note: Callable[[str], None]) -> checkpoint.Checkpoint | None:
        """Rank 0 clears up and looks; the others read what it found, before anything is written."""
        ranks, folder, found = self.engine.ranks, self.folder / "checkpoints", None
        if self._writes:
            files.sweep(folder)
            found = checkpoint.newest(folder, self._unfit, note)
        step = ranks.same(found.step if found else None)
        if step is not None and not self._writes:
            found = checkpoint.Checkpoint(step, *checkpoint.read(folder / str(step)))
        ranks.wait()
        return found

    def _unfit(self, state: Mapping[str, Any]) -> str:
        """Why one cannot go on from a checkpoint that is whole; "" where one can."""
        if not self.history.holds(Mark(**state["history"])):
            return t("does not go with metrics.jsonl", "与 metrics.jsonl 不符")
        if state["best"] and self._lost is None and not self.whole():
            self._lost = state["best"]["step"]
        # One from before the best step comes to it again; that of the best step itself holds its weights.
        if self._lost is not None and state["step"] > self._lost:
            return t("comes after the best step, whose weights are damaged", "在最佳步数之后，而最佳权重已损坏")
        regular = self._last_regular(state["step"])
        if regular != state["step"] and _damaged(self.folder / "checkpoints" / str(regular)):
            return t("may have to go back to checkpoint {r}, which is damaged",
                     "可能需要退回已损坏的检查点 {r}", r=regular)
        return ""

    def _tensors(self) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {f"master/{k}": v for k, v in self.engine.weights.masters.items()}
        found |= {f"average/{k}": v for k, v in self.average.values.items()} if self.average else {}
        for i, optimizer in enumerate(self.engine.optimizers):
            for number, state in optimizer.state_dict()["state"].items():
                found |= {f"optimizer{i}/{number}/{k}": v for k, v in state.items()}
        return found


def _damaged(folder: Path) -> bool:
    try:
        checkpoint.read(folder)
    except RunError as e:
        if e.code != "checkpoint.damaged":
            raise
        return True
    return False


def _better(value: float, than: float, metric: str) -> bool:
    """NaN is never better, and anything is better than NaN."""
    if math.isnan(value) or math.isnan(than):
        return math.isnan(than) and not math.isnan(value)
    return value < than if metric in LOWER_IS_BETTER else value > than


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix + "/"): v for k, v in tensors.items() if k.startswith(prefix + "/")}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = like(parameters[int(number)], value)
    # The groups' settings come from the recipe and the rate from the step: only what has been learnt is stored.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _json(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {k: v if math.isfinite(v) else None for k, v in metrics.items()}


def _floats(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {k: math.nan if v is None else v for k, v in metrics.items()}
