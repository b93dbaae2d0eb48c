"""What a run will cost, from a few measured steps of the very recipe: time by part, peak memory, disk, energy.

>>> cost = price(resolved, task, {"train": train, "validation": validation, "test": test})
>>> cost.total, cost.memory_gb, cost.disk_gb
(48.3, 2.4, 1.2)

    python -m weitiao.tuning.costs runs/reviews          # the prepared and selected run in a process of its own: JSON

The model is built, the method attached, and short, middling and the longest forward passes of the true schedule are
made, forwards and backwards; so are updates, validation passes, a checkpoint, the bundle's saving and loading, and
answers for test rows. From them times are told for all that the run will do (`speed.Speed`). Peak memory is only as
good as the process is fresh: call it in a child. What is modelled and not measured is said in `Cost.how`.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from weitiao import bundle, footprint, methods, models, tasks
from weitiao.core import energy, memory
from weitiao.core.i18n import t
from weitiao.example import Example
from weitiao.models import needs
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.splits import load, load_task
from weitiao.tasks import Task
from weitiao.tuning import measuring
from weitiao.tuning.speed import Seconds, Stopwatch
from weitiao.tuning.stage import Ready, ready

_ROWS = {"train": 4000, "validation": 1000, "test": 500}  # of each part that are encoded; the rest is like them
_LONGEST = 32  # rows besides, by characters: the longest pass decides the memory
_WRITTEN = 300  # test rows that are answered in writing (evaluate.rows)
_READ = 200_000  # tokens of training rows that a frozen encoder reads
# Seconds of a processor beside the passes over rows: linear baselines, resampling, pages (docs/log.md).
_JUDGING = 3.0
_SCIKIT = ("sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.svm")  # what the linear ones take in
_WORD = 9e-4  # seconds of a processor for each word that linear taggers learn from, their strengths tried (docs/log.md)
_ANSWERING = ("untouched", "zero_shot", "few_shot")  # baselines that answer as the tuned model does


@dataclass(frozen=True, slots=True)
class Cost:
    """A run's forecast.

    Args:
        seconds: by part: load, head, weigh, tune, validate, save, judge, baselines.
        cpu_seconds: the same of a processor: what holds where others keep the machine busy.
        total, cpu_total: all of it.
        memory_gb, disk_gb: at most (10⁹ bytes); memory by part in `memory`.
        energy_wh: of the processor; None where it does not say.
        steps, tokens_per_row: updates, and mean tokens of a training row.
        how: how it was measured, in the user's language.
    """

    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    total: float
    cpu_total: float
    memory_gb: float
    memory: dict[str, float]
    disk_gb: float
    energy_wh: float | None
    steps: int
    tokens_per_row: float
    how: str


def price(recipe: Recipe, task: Task, parts: Mapping[str, Sequence[Example]], resident: int | None = None) -> Cost:
    """The cost of a resolved recipe on such rows ("train", "validation", "test"), without prepare and select.

    `resident`: bytes that the process which tunes holds when it has prepared and selected (manifest.json says it); by
    default what this one holds.

    Raises what building the model raises, and TrainingError `plan.no_memory` where one pass cannot be made.
    """
    watch, meter, task = Stopwatch(), energy.Meter(), copy.deepcopy(task)  # the caller's meets another base
    beside = max(0, (resident or 0) - _after_selecting(recipe))
    counts = {part: len(parts.get(part, ())) for part in _ROWS}
    rows = _judged_rows(recipe, task, counts["test"])
    some = {part: sampled(parts.get(part, ()), most, _LONGEST) for part, most in _ROWS.items() if part != "test"}
    some["test"] = sampled(parts.get("test", ()), min(rows, _ROWS["test"]), 0)
    made = ready(recipe, task, some)
    load_time = watch.read()
    with tempfile.TemporaryDirectory(prefix="weitiao-price-") as name:
        home = Path(name)
        with ExitStack() as stack:
            course = measuring.course(recipe, home, task, made, stack, counts)
        took, judged = _judged(recipe, task, made, some["test"], home, course)
    joules, spent = meter.joules(), watch.read()
    most = {part: peak + beside for part, peak in course.memory.items()}
    answered = judged * (rows / max(1, len(some["test"])))
    parts_took = {"load": load_time, **course.took, "save": course.saving + took["save"],
                  "judge": took["load"] + took["scikit"] + answered + Seconds(_JUDGING, _JUDGING),
                  "baselines": _baselines(recipe, task, course, took["load"], judged, counts, rows, len(some["test"]))}
    total = sum(parts_took.values(), Seconds(0.0, 0.0))
    return Cost(
        {k: round(v.wall, 2) for k, v in parts_took.items()}, {k: round(v.cpu, 2) for k, v in parts_took.items()},
        round(total.wall, 1), round(total.cpu, 1), round(max(most.values()) / 1e9, 3),
        {k: round(v / 1e9, 3) for k, v in most.items()}, round(course.disk / 1e9, 3),
        None if joules is None else round(joules / spent.wall * total.wall / 3600, 3), course.steps,
        round(course.tokens_per_row, 1), _how(course, tasks.baselines(task, recipe.evaluate.baselines)))


def _after_selecting(recipe: Recipe) -> int:
    """Bytes that this process holds once it has met the base's tokenizer and config, as select does."""
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    models.tokenizer(base.folder)
    needs.shape(base)
    memory.release()
    return memory.resident() or 0


def _judged_rows(recipe: Recipe, task: Task, rows: int) -> int:
    """Test rows that are scored (evaluate.rows)."""
    most = recipe.evaluate.rows
    if most == "auto":
        return min(rows, _WRITTEN) if task.head().kind == "language" else rows
    return min(rows, most)


def sampled(examples: Sequence[Example], most: int, longest: int) -> list[Example]:
    """At most so many, at equal distances, and so many of the longest beside them."""
    if len(examples) <= most:
        return list(examples)
    by_length = sorted(range(len(examples)), key=lambda i: -len(str(examples[i].inputs)))
    chosen = {round(i * len(examples) / most) for i in range(most)} | set(by_length[:longest])
    return [examples[i] for i in sorted(chosen)]


def _judged(recipe: Recipe, task: Task, made: Ready, test: Sequence[Example], home: Path,
            course: measuring.Course) -> tuple[dict[str, Seconds], Seconds]:
    """Seconds of saving and loading the bundle, and of answering so many test rows; what both take in memory."""
    method = methods.load(recipe.method["name"])
    memory.release()
    memory.restart_peak()
    watch = Stopwatch()
    bundle.save(home / "model", method.merge(made.model), made.tokenizer, recipe.task["name"], task,
                made.settings, {})
    took = {"save": watch.read()}
    course.memory["save"] = max(course.memory["save"], memory.peak() or 0)
    course.disk += sum(p.stat().st_size for p in (home / "model").rglob("*") if p.is_file())
    made.model.to("meta")  # the run forgets it before it judges
    memory.release()
    memory.restart_peak()
    watch = Stopwatch()
    tuned = bundle.load(home, device=course.device)
    took["load"] = watch.read()
    for name in _SCIKIT:
        importlib.import_module(name)
    took["scikit"] = watch.read() + took["load"] * -1
    told = measuring.answers(tuned, test) if test else Seconds(0.0, 0.0)
    course.memory["judge"] = measuring.judging_memory(recipe, task, made.base, course)
    shutil.rmtree(home / "model")
    return took, told


def _baselines(recipe: Recipe, task: Task, course: measuring.Course, loading: Seconds, judged: Seconds,
               counts: Mapping[str, int], rows: int, asked: int) -> Seconds:
    """Those that ask the base; the others are in the judging's fixed seconds."""
    total, answering = Seconds(0.0, 0.0), judged * (rows / max(1, asked))
    learnt = min(_READ, counts["train"] * course.tokens_per_row)
    for name in tasks.baselines(task, recipe.evaluate.baselines):
        if name in ("frozen", "frozen_words"):
            total += loading + course.reading * (learnt + rows * course.tokens_per_row)
        if name == "frozen_words":
            total += Seconds(_WORD, _WORD) * learnt
        if name in _ANSWERING:
            total += loading + answering
        if name == "few_shot":
            total += course.reading * (footprint.SHOTS * rows * course.tokens_per_row)
    return total


def _how(course: measuring.Course, names: Sequence[str]) -> str:
    return t("measured: {p} passes, {u} updates, {v} validation passes, a checkpoint, saving, loading, some answers; "
             "modelled: memory for holes that grow later ({m:g} times the longest pass), {j:g} s for linear baselines "
             "and intervals, the base's own answers ({b}) from the tuned model's speed",
             "实测：{p} 次前后向、{u} 次更新、{v} 次验证前向、一次检查点、保存与载入、部分回答；推算：之后增长的内存"
             "碎片（最长一次前后向的 {m:g} 倍）、线性基线与区间 {j:g} 秒，基座自身的回答（{b}）按微调模型的速度计",
             p=course.passes, u=course.updates, v=course.validations, m=measuring.HOLES, j=_JUDGING,
             b=", ".join(n for n in names if n in footprint.BASE_READERS) or "–")


def main(arguments: Sequence[str] | None = None) -> None:
    """Price a prepared run (with `--recipe FILE`: another resolved recipe on its rows) and print the cost as JSON."""
    parser = argparse.ArgumentParser(prog="python -m weitiao.tuning.costs")
    parser.add_argument("run", type=Path)
    parser.add_argument("--recipe", type=Path)
    asked = parser.parse_args(arguments)
    run = Run.open(asked.run)
    recipe = Recipe.read(asked.recipe or run.folder / "recipe.toml")
    _, task = load_task(run)
    cost = price(recipe, task, {part: load(run, part) for part in _ROWS}, run.manifest["resident"])
    sys.stdout.write(json.dumps(asdict(cost), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
