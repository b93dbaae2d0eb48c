"""A few steps of a recipe, timed and weighed: the measurements behind `costs.price`.

>>> with ExitStack() as stack:
...     course = course(recipe, home, task, made, stack, {"train": 9000, "validation": 1000, "test": 1200})
>>> course.took["tune"], course.memory["tune"]
(Seconds(wall=61.2, cpu=60.8), 2510816000)

Passes are those of the run's own schedule: the longest, the shortest, and then the first ones as they come. Allocators
keep holes between tensors of other sizes, which grow pass by pass; `HOLES` stands for what grows later than here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weitiao import footprint, tasks
from weitiao.bundle import Bundle, by_length, tokens_of_a_pass
from weitiao.core import memory
from weitiao.example import Example
from weitiao.models import Base, needs
from weitiao.recipe import Recipe
from weitiao.tasks import Task
from weitiao.tuning import fill, fits, probe, speed
from weitiao.tuning import plan as planning
from weitiao.tuning.batches import Batches, pack
from weitiao.tuning.loop import Engine, Rows, accumulate, updates
from weitiao.tuning.session import Best, Session
from weitiao.tuning.setup import Job, prepare
from weitiao.tuning.speed import Seconds, Speed, Stopwatch, Work
from weitiao.tuning.stage import Ready
from weitiao.tuning.validate import rows_and_loss

HOLES = 0.25  # times what the longest pass holds: what grows later than here (docs/log.md)
_PASSES = 40  # of the schedule
_BUDGET = 10.0  # seconds of a processor for them
_FEWEST = 4
_UPDATES = 3
_TOKEN = 50  # bytes of a token id in tuples of Python, and of its type
_ANSWERS = 8  # passes over test rows
_ANSWERED = 24  # rows that are answered in writing to see how long it takes


@dataclass(slots=True)
class Course:
    """What was measured, and what follows for the whole run.

    Args:
        took: head, weigh, tune, validate.
        saving: of all checkpoints.
        reading: per token of a pass without gradients in the training precision.
        memory: peak bytes by part.
        disk: bytes of what the run leaves.
    """

    took: dict[str, Seconds]
    saving: Seconds
    reading: Seconds
    memory: dict[str, float]
    disk: float
    steps: int
    tokens_per_row: float
    device: str
    precision: str
    passes: int
    updates: int
    validations: int


def course(recipe: Recipe, home: Path, task: Task, made: Ready, stack: ExitStack,
           counts: Mapping[str, int]) -> Course:
    """Measure a recipe's steps. `counts`: rows of each part in truth, of which `made` holds a sample."""
    rows, tune = made.rows["train"], recipe.tune
    scale, held_out = (_scale(made, part, counts[part]) for part in ("train", "validation"))
    judged_rows = round(held_out * len(made.rows["validation"].encoded))
    whole = Batches(rows.sizes, seed=recipe.seed, batch_size=int(tune.batch_size),
                    micro_batch_size=int(tune.micro_batch_size), micro_batch_tokens=int(tune.micro_batch_tokens))
    per_epoch = -(-round(scale * len(rows.encoded)) // int(tune.batch_size))
    most = per_epoch if tune.time else planning.steps(tune, per_epoch, 0.0, lambda: 0.0)
    chosen = _chosen(whole, min(most, whole.per_epoch))
    few = sorted({i for one in chosen for i in one})
    # All rows stand where those for validation do: of the word embeddings what they use is held, as in the run, while
    # the head is fitted on the few rows whose passes are timed.
    job = Job(recipe, home, made.model, task, _only(rows, few), _joined(rows, made.rows["validation"]))
    began = Stopwatch()
    plan, session = prepare(job, stack)
    prepared, engine = began.read(), session.engine
    memory.release()
    memory.restart_peak()
    here = [[few.index(i) for i in one] for one in chosen]
    longest, passes = _passes(recipe, engine, task.head().kind, here)
    made_updates, training = _updates(engine, here[1]), Speed()
    for amount, took in passes + made_updates:
        training.add(amount, took)
    later = footprint.holes(longest, fits.mapped(engine, here[0], task.head().kind), HOLES)
    peaks = {"tune": float(memory.peak() or 0) + later}
    validating, seen = _validations(engine, task, made.rows["validation"], rows, int(tune.micro_batch_tokens))
    if judged_rows:
        peaks["validate"] = float(memory.peak() or 0)
    memory.restart_peak()
    share = judged_rows / max(1, round(scale * len(rows.encoded)))
    steps = planning.steps(tune, per_epoch, share, lambda: training.seconds(_per_update(whole)).wall)
    # Updates of a few rows differ much: where all rows are encoded the schedule itself is priced, else its mean.
    everything = round(scale * len(rows.encoded)) == len(rows.encoded)
    tuned = training.seconds(speed.of_steps(whole, 0, steps) if everything else _per_update(whole) * steps)
    times = _times(tune.evaluate_every, steps, per_epoch, judged_rows)
    packed = speed.work(pack(range(len(rows.encoded)), rows.sizes, len(rows.encoded), int(tune.micro_batch_tokens)),
                        rows.sizes) / len(rows.encoded)
    validated = validating.seconds(packed * judged_rows) * times if times else Seconds(0.0, 0.0)
    tokens = float(np.mean([length * windows for length, windows in rows.sizes]))
    reading = validating.seconds(packed) * (1 / tokens)
    for part in peaks:
        peaks[part] += _not_encoded(made, counts, tokens)
    saving, kept = _saved(session, home, tuned.wall + validated.wall, times)
    peaks["save"] = float(memory.peak() or 0)
    head = _head(made, prepared, len(rows.encoded) * scale, tokens, reading, few, rows, recipe)
    weigh = _weighing(training, chosen, rows, plan.device)
    return Course({"head": head, "weigh": weigh, "tune": tuned, "validate": validated}, saving, reading, peaks, kept,
                  steps, tokens, plan.device, plan.precision, len(passes), len(made_updates), seen)


def _scale(made: Ready, part: str, count: int) -> float:
    """Rows of a part in truth, in times of those that were encoded (a document's blocks are rows, too)."""
    examples = len(set(made.rows[part].sources)) + made.left_out[part]
    return count / max(1, examples)


def _only(rows: Rows, chosen: Sequence[int]) -> Rows:
    return replace(rows, encoded=[rows.encoded[i] for i in chosen], sources=[rows.sources[i] for i in chosen],
                   targets=[rows.targets[i] for i in chosen])


def _not_encoded(made: Ready, counts: Mapping[str, int], tokens: float) -> float:
    """Bytes of the rows that the run will hold as token ids and were not encoded here."""
    missing = sum((_scale(made, part, counts[part]) - 1) * len(made.rows[part].encoded)
                  for part in ("train", "validation") if made.rows[part].encoded)
    return max(0.0, missing * tokens * _TOKEN)


def _joined(first: Rows, second: Rows) -> Rows:
    return replace(first, encoded=[*first.encoded, *second.encoded], sources=[*first.sources, *second.sources],
                   targets=[*first.targets, *second.targets])


def _per_update(batches: Batches) -> Work:
    return speed.of_steps(batches, 0, batches.per_epoch) / batches.per_epoch


def _chosen(batches: Batches, steps: int) -> list[list[int]]:
    """The longest pass of so many updates, the shortest, and the first ones as they come."""
    first: list[list[int]] = []
    for step in range(batches.per_epoch):
        first += batches(step)
        if len(first) >= _PASSES:
            break
    return [*fits.longest_and_shortest(batches, steps), *first[:_PASSES]]


def _passes(recipe: Recipe, engine: Engine, kind: str,
            chosen: Sequence[Sequence[int]]) -> tuple[float, list[tuple[Work, Seconds]]]:
    """Bytes that the longest pass holds, and passes with their time; the first two, not timed, warm up."""
    sizes, out = engine.rows.sizes, []
    engine.model.train()
    fits.check_pass(recipe, engine, chosen[1], chosen[0], 0.0, kind)
    longest, spent = fits.held(engine, chosen[0]), Stopwatch()
    for number, one in enumerate(chosen):
        if number >= _FEWEST and spent.read().cpu > _BUDGET:
            break
        watch = Stopwatch()
        accumulate(engine, number, [one])
        out.append((speed.work([one], sizes), watch.read()))
    engine.weights.clear()
    return longest, out


def _updates(engine: Engine, short: Sequence[int]) -> list[tuple[Work, Seconds]]:
    """Whole updates of the shortest pass: what the optimiser adds."""
    engine.batches = _One(list(short), engine.batches)  # type: ignore[assignment]
    out = []
    watch = Stopwatch()
    for update in updates(engine, 0, _UPDATES + 1):
        if update.step > 1:  # the first one makes the moments
            out.append((speed.work([short], engine.rows.sizes, 1), watch.read()))
        watch = Stopwatch()
    return out


def _weighing(training: Speed, chosen: Sequence[Sequence[int]], rows: Rows, device: str) -> Seconds:
    """Of the passes that the run makes to see whether it fits (`fits.weighed`)."""
    long, short = chosen[:2]
    passes = [] if device != "cpu" else [short, short, long]
    return training.seconds(speed.work(passes, rows.sizes))


class _One:
    """The same pass at each step."""

    def __init__(self, rows: list[int], like: Batches) -> None:
        self.rows, self.micro_batch_size, self.micro_batch_tokens = rows, like.micro_batch_size, like.micro_batch_tokens

    def __call__(self, step: int) -> list[list[int]]:
        return [self.rows]

    def halve(self) -> bool:
        """There is nothing smaller to try."""
        return False


def _validations(engine: Engine, task: Task, validation: Rows, train: Rows, most_tokens: int) -> tuple[Speed, int]:
    """Time validation passes: the longest, the shortest, two between. Without validation rows those of training rows
    tell what reading costs."""
    rows = validation if validation.encoded else train
    every = list(pack(range(len(rows.encoded)), rows.sizes, len(rows.encoded), most_tokens))
    chosen = [every[i] for i in sorted({len(every) - 1, 0, len(every) // 2, len(every) // 4}, reverse=True)]
    found = Speed()
    rows_and_loss(engine.model, task, _only(rows, chosen[-1]), engine.device, most_tokens=most_tokens)
    for numbers in chosen:
        watch = Stopwatch()
        rows_and_loss(engine.model, task, _only(rows, numbers), engine.device, most_tokens=most_tokens)
        found.add(speed.work([numbers], rows.sizes), watch.read())
    return found, len(chosen)


def _times(every: int | str, steps: int, per_epoch: int, rows: int) -> int:
    """How many validations."""
    if not rows:
        return 0
    pause = every if isinstance(every, int) else max(-(-per_epoch // 2), -(-steps // planning.MOST_VALIDATIONS))
    return steps // pause + (steps % pause > 0)


def _saved(session: Session, home: Path, seconds: float, validations: int) -> tuple[Seconds, float]:
    """Seconds of all checkpoints and best weights, and the bytes that stay."""
    watch = Stopwatch()
    session.save(1)
    one = watch.read()
    watch = Stopwatch()
    session.keep(Best(1, {}))
    best = watch.read()
    saves = 1 + min(validations, int(seconds / planning.PAUSE))
    size = {name: sum(p.stat().st_size for p in (home / name).rglob("*") if p.is_file())
            for name in ("checkpoints", "best")}
    return one * saves + best * max(1, validations / 2), size["checkpoints"] * min(2, saves) + size["best"]


def _head(made: Ready, prepared: Seconds, rows: float, tokens: float, reading: Seconds, few: Sequence[int],
          train: Rows, recipe: Recipe) -> Seconds:
    """Of the head that is fitted first: passes over its rows; measured on a few rows where masks are filled."""
    if made.model.probes and recipe.tune.head_start != "random":
        return reading * (min(rows, probe.MOST_ROWS) * tokens)
    if (made.base.kind == "encoder" and made.model.head_parameters()
            and recipe.task["name"] == "pretrain" and not made.model.probes):
        seen = sum(train.encoded[i].length for i in few)
        return prepared * (min(rows * tokens, fill.MOST_TOKENS) / max(1, min(seen, fill.MOST_TOKENS)))
    return Seconds(0.0, 0.0)


def answers(tuned: Bundle, test: Sequence[Example]) -> Seconds:
    """Seconds of answers for all of these rows, from some passes, the longest and the shortest among them; of written
    answers a few rows, whose time grows with the passes rather than with the rows."""
    rows = tuned.task.encode([replace(e, target=None) for e in test], tuned.tokenizer, tuned.settings.max_length,
                             windows=tuned.settings.windows)
    sizes = [(r.length, len(r.windows)) for r in rows]
    written = tuned.task.head().kind == "language"
    every = list(by_length(sizes, tokens_of_a_pass(str(tuned.model.device), written=written)))
    if written:
        return _written(tuned, test, every)
    found = Speed()
    tuned.outputs([test[every[0][0]]])
    for place in np.unique(np.linspace(0, len(every) - 1, _ANSWERS).round().astype(int)).tolist()[::-1]:
        numbers = every[place]
        watch = Stopwatch()
        tuned.outputs([test[i] for i in numbers])
        found.add(speed.work([numbers], sizes), watch.read())
    told = found.seconds(speed.work(every, sizes))
    return told * 2 if tuned.task.likelihood else told


def _written(tuned: Bundle, test: Sequence[Example], every: Sequence[Sequence[int]]) -> Seconds:
    found = Speed()
    middle = sorted({i for one in every for i in one})[:_ANSWERED]
    for numbers in (middle[: _ANSWERED // 4], middle):
        watch = Stopwatch()
        tuned.outputs([test[i] for i in numbers])
        found.add(np.array([0.0, 1.0, len(numbers), 0.0]), watch.read())
    return found.seconds(np.array([0.0, len(every), len(test), 0.0]))


def judging_memory(recipe: Recipe, task: Task, base: Base, course: Course) -> float:
    """The peak so far, or where a frozen base is asked, too, what it holds beside the tuned model: its weights in
    float32 and in the training precision (evaluate/baselines/frozen.py)."""
    here, peak = memory.resident() or 0, float(memory.peak() or 0)
    beside = needs.weights(footprint.shape_of(base, task.head().kind), 2 if course.precision == "bf16" else 4)
    asks = footprint.BASE_READERS.intersection(tasks.baselines(task, recipe.evaluate.baselines))
    return max(peak, here + beside) if asks else peak
