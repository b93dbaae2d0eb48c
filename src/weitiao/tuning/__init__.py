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
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.core.i18n import t
from weitiao.core.stopping import Interrupted, Stop, signals
from weitiao.events import Event, Note, Progress, Validated
from weitiao.recipe import Recipe
from weitiao.tasks import Task
from weitiao.tuning import fits
from weitiao.tuning.foretold import Foretold
from weitiao.tuning.loop import Rows, Update
from weitiao.tuning.nonfinite import enduring
from weitiao.tuning.plan import Plan
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.session import Best, Session
from weitiao.tuning.setup import Job, prepare
from weitiao.tuning.validate import Abandoned, rows_and_loss

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
        on_event: OnEvent, allow_inexact: bool = False, ranks: Ranks = ALONE, tokenizer: str = "") -> Outcome:
    """Tune `model`; at the end it holds the best weights, in float32.

    Args:
        recipe: without "auto" in its section tune, but for precision, device, evaluate_every and save_every.
        folder: the run's; everything is written below its `tune/`.
        model: with the method attached: `requires_grad` says what moves.
        validation: may hold no rows; then the last step counts as the best.
        allow_inexact: go on with another number of processes or threads, another processor or other versions.
        ranks: all that tune this model together; each calls this, and rank 0 alone writes and ends with the best
            weights (the others with the last). With tune.shard=full none holds the model afterwards: see `best/`.
        tokenizer: what tells it from another; a run is not continued with another.

    Raises:
        TrainingError: `train.non_finite`, `train.no_memory`, `train.rank_lost`, `train.ranks_apart`, `plan.no_memory`.
        RunError: `run.changed`, `run.inexact`, `run.damaged`, `disk.write_failed`.
        Interrupted: on SIGTERM, SIGUSR1 or SIGINT, after a checkpoint: at most one update later, or the rest of the
            passes of a validation that other ranks make.
    """
    job = Job(recipe, folder / "tune", model, task, train, validation, ranks, tokenizer)
    if ranks.first:
        files.sweep(job.home)
    with ExitStack() as stack:
        plan, session = prepare(job, stack, allow_inexact=allow_inexact)
        note = _noting(on_event)
        if not ranks.same(ranks.first and _ended(job, session, note)):
            with ranks.watched() if job.parts else nullcontext():
                steps, costs = _work(job, plan, session, on_event)
            if ranks.first:
                files.write_json(job.home / COSTS, costs)
                files.write_sealed(job.home / OUTCOME, {"steps": steps, "inexact": session.inexact})
        best = session.load_best() if ranks.first else session.best or Best(0, {})
    steps = files.read_sealed(job.home / OUTCOME)["steps"] if ranks.first else plan.steps
    return Outcome(steps, plan.steps, best.step, best.metrics, plan.precision, plan.device)


def _noting(on_event: OnEvent) -> Callable[[str], None]:
    return lambda text: on_event(Note(text))


def _ended(job: Job, session: Session, note: Callable[[str], None]) -> bool:
    """Is there nothing left to do but to load the best weights?"""
    outcome = job.home / OUTCOME
    if not outcome.is_file():
        return False
    try:
        files.read_sealed(outcome)
        if session.whole():
            return True
        note(t("the best weights are damaged: they are made again", "最佳权重已损坏：重新训练得到"))
    except RunError as e:
        note(str(e))
    with files.writing(outcome):
        outcome.unlink()
    return False


def _work(job: Job, plan: Plan, session: Session, on_event: OnEvent) -> tuple[int, Mapping[str, Any]]:
    """The loop with all that surrounds it: progress, validation, stopping, saving. Returns the updates made, and what
    was foretold beside what it took."""
    ranks, note, kind = job.ranks, _noting(on_event), job.task.head().kind
    step = session.resume(note)
    ample = fits.ample(job.recipe, session.engine, plan.steps, kind)
    needed = None if ample else fits.weighed(job.recipe, session.engine, plan.steps, kind)
    foretold = Foretold(session.engine, plan, job.validation, needed, step)
    ranks.check_equal(session.engine.weights.masters.values(), step)
    pace, room = Pace(step, plan.steps), session.engine.batches.micro_batch_size
    with signals() as stop:
        if session.regular and step == 0:
            session.save(0)
        due = plan.validates(step) and session.validated < step  # a stop came before it
        if due and not _validate(job, plan, session, step, stop, on_event):
            raise Interrupted(step, job.home.parent, stop.number or SIGTERM)
        for update in enduring(session, step, step if session.exhausted else plan.steps, note):
            step = update.step
            session.record(update)
            if not update.left_out:
                on_event(pace.progress(update))
            if text := foretold.heard(update):
                note(text)
            if update.micro_batch_size < room:
                room = update.micro_batch_size
                note(t("memory is full: {n} rows a forward pass now, batches as before",
                       "内存或显存不足：此后每次前向 {n} 行，批大小不变", n=room))
            asked = ranks.total(stop.asked) > 0
            if plan.validates(step) and not asked:
                asked = not _validate(job, plan, session, step, stop, on_event)
            if session.exhausted:
                note(t("stopped early: {n} validations without a better {m}",
                       "提前停止：{n} 次验证没有更好的 {m}", m=session.metric, n=session.patience))
                break
            if asked or plan.saves(step, session.seconds_unsaved):
                session.save(step)
            if asked:
                raise Interrupted(step, job.home.parent, stop.number or SIGTERM)
            if ample:  # only to be told: nobody has to wait for the first step because of it
                ample, foretold.needed = False, fits.weighed(job.recipe, session.engine, plan.steps, kind)
            foretold.go_on()
    if session.best is None:
        session.keep(Best(step, {}))
    session.save(step)
    return step, foretold.facts()


def _validate(job: Job, plan: Plan, session: Session, step: int, stop: Stop, on_event: OnEvent) -> bool:
    """The task's quick metrics on the validation rows, and the loss; False where a stop came in between."""
    engine = session.engine
    job.ranks.check_equal(engine.weights.masters.values(), step)
    try:
        with engine.weights.showing(session.average.values if session.average else None):
            said, loss = rows_and_loss(engine.model, job.task, job.validation, engine.device,
                                       most_tokens=engine.batches.micro_batch_tokens, ranks=engine.ranks, stop=stop)
    except Abandoned:
        return False
    metrics = {**job.task.quick(said, job.validation.targets), "loss": loss}
    on_event(Validated(step, plan.steps, metrics, best=session.judge(step, metrics)))
    return True


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
