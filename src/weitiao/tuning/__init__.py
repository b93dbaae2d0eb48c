"""Tuning: rows and a model in, the model with the best weights out, by one visible loop.

    tune/plan.json  checkpoints/<step>/  best/  metrics.jsonl  timing.jsonl  costs.json  outcome.json

>>> outcome = fit(recipe, run.folder, model=model, task=task, train=train, validation=validation, on_event=print)
>>> outcome.best_step, outcome.metrics["accuracy"]
(280, 0.91)

Called again after a kill it goes on from the newest whole checkpoint, to the same bytes; after the end it only loads
the best weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao.core import files
from weitiao.core.i18n import t
from weitiao.events import Event, Note, Progress, Validated
from weitiao.recipe import Recipe
from weitiao.tasks import Task
from weitiao.tuning import fits
from weitiao.tuning.foretold import Foretold
from weitiao.tuning.loop import Rows, Update, updates
from weitiao.tuning.plan import Plan
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.session import Best, Session
from weitiao.tuning.setup import Job, prepare
from weitiao.tuning.stop import Interrupted, signals
from weitiao.tuning.validate import rows_and_loss

if TYPE_CHECKING:
    from weitiao.models.build import Model

__all__ = ["Interrupted", "Outcome", "Rows", "fit"]

OnEvent = Callable[[Event], None]
OUTCOME = "outcome.json"  # its presence says that the loop ended
COSTS = "costs.json"  # forecast and fact since the last resumption: other numbers in each repetition of a run


@dataclass(frozen=True, slots=True)
class Outcome:
    """How tuning ended.

    Args:
        steps: updates made.
        planned: updates planned; more than `steps` where it stopped early.
        best_step: the step whose weights the model holds.
        metrics: the validation metrics of that step ({} without validation rows).
        precision, device: what it computed in and where.
    """

    steps: int
    planned: int
    best_step: int
    metrics: dict[str, float]
    precision: str
    device: str


def fit(recipe: Recipe, folder: Path, *, model: Model, task: Task, train: Rows, validation: Rows,
        on_event: OnEvent, allow_inexact: bool = False, ranks: Ranks = ALONE) -> Outcome:
    """Tune `model`; at the end it holds the best weights, in float32.

    Args:
        recipe: without "auto" in its section tune, but for precision, device, evaluate_every and save_every.
        folder: the run's; everything is written below its `tune/`.
        model: with the method attached: `requires_grad` says what moves.
        validation: may hold no rows; then the last step counts as the best.
        allow_inexact: go on with another number of processes or threads or another instruction set.
        ranks: all that tune this model together; each calls this, and rank 0 alone writes and ends with the best
            weights (the others with the last).

    Raises:
        TrainingError: `train.non_finite`, `train.no_memory`, `train.rank_lost`, `train.ranks_apart`, `plan.no_memory`.
        RunError: `run.changed`, `run.inexact`, `disk.write_failed`.
        Interrupted: on SIGTERM or SIGINT, after a checkpoint.
    """
    job = Job(recipe, folder / "tune", model, task, train, validation, ranks)
    with ExitStack() as stack:
        plan, session = prepare(job, stack, allow_inexact=allow_inexact)
        if not ranks.same((job.home / OUTCOME).is_file()):
            steps, costs = _work(job, plan, session, on_event)
            if ranks.first:
                files.write_json(job.home / COSTS, costs)
                files.write_json(job.home / OUTCOME, {"steps": steps})
        best = session.load_best() if ranks.first else session.best or Best(0, {})
    steps = files.read_json(job.home / OUTCOME)["steps"] if ranks.first else plan.steps
    return Outcome(steps, plan.steps, best.step, best.metrics, plan.precision, plan.device)


def _work(job: Job, plan: Plan, session: Session, on_event: OnEvent) -> tuple[int, Mapping[str, Any]]:
    """The loop with all that surrounds it: progress, validation, stopping, saving. Returns the updates made, and what
    was foretold beside what it took."""
    step = session.resume(lambda text: on_event(Note(text)))
    kind = job.task.head().kind
    ample = fits.ample(job.recipe, session.engine, plan.steps, kind)
    needed = None if ample else fits.weighed(job.recipe, session.engine, plan.steps, kind)
    foretold = Foretold(session.engine, plan, job.validation, needed, step)
    ranks = job.ranks
    ranks.check_equal(session.engine.weights.masters.values(), step)
    pace, room = Pace(step, plan.steps), session.engine.batches.micro_batch_size
    with signals() as stop:
        for update in updates(session.engine, step, step if session.exhausted else plan.steps):
            step = update.step
            session.record(update)
            on_event(pace.progress(update))
            if ample:  # only to be told: nobody has to wait for the first step because of it
                ample, foretold.needed = False, fits.weighed(job.recipe, session.engine, plan.steps, kind)
            if text := foretold.heard(update):
                on_event(Note(text))
            if update.micro_batch_size < room:
                room = update.micro_batch_size
                on_event(Note(t("the GPU's memory is full: {n} rows a forward pass now, batches as before",
                                "显存不足：此后每次前向 {n} 行，批大小不变", n=room)))
            if plan.validates(step):
                ranks.check_equal(session.engine.weights.masters.values(), step)
                metrics = _validated(job, session)
                on_event(Validated(step, plan.steps, metrics, best=session.judge(step, metrics)))
            if session.exhausted:
                on_event(Note(t("stopped early: {n} validations without a better {m}",
                                "提前停止：{n} 次验证没有更好的 {m}", m=session.metric, n=session.patience)))
                break
            asked = ranks.total(stop.asked) > 0
            if asked or plan.saves(step, session.seconds_unsaved):
                session.save(step)
            if asked and step < plan.steps:
                raise Interrupted(step, job.home.parent)
            foretold.go_on()
    if session.best is None:
        session.keep(Best(step, {}))
    session.save(step)
    return step, foretold.facts()


def _validated(job: Job, session: Session) -> dict[str, float]:
    """The task's quick metrics on the validation rows, and the loss."""
    engine = session.engine
    with engine.weights.showing(session.average.values if session.average else None):
        said, loss = rows_and_loss(engine.model, job.task, job.validation, engine.device,
                                   most_tokens=engine.batches.micro_batch_tokens, ranks=engine.ranks)
    return {**job.task.quick(said, job.validation.targets), "loss": loss}


class Pace:
    """How fast it goes, measured from update `start` on."""

    def __init__(self, start: int, steps: int) -> None:
        self.start, self.steps, self.rows, self.begin = start, steps, 0, time.perf_counter()

    def progress(self, update: Update) -> Progress:
        """The event for an update."""
        self.rows += update.rows
        spent = max(1e-9, time.perf_counter() - self.begin)
        left = spent / (update.step - self.start) * (self.steps - update.step)
        return Progress(update.step, self.steps, update.loss, update.learning_rate, self.rows / spent, left)
