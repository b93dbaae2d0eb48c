"""Does it fit? Refused before anything is loaded, or at the latest before the first update, with a way that fits.

>>> bound(recipe, base, run.folder, kind="sequence")          # weights and optimiser alone, by formula
>>> needed = weighed(recipe, engine, steps=100)               # the longest pass, measured; later where room is `ample`

Raises TrainingError `plan.no_memory` or `plan.no_disk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from weitiao import footprint, models
from weitiao.core import memory, room
from weitiao.core.errors import TrainingError
from weitiao.core.i18n import t
from weitiao.core.room import Room
from weitiao.footprint import Spot
from weitiao.models import Base, needs
from weitiao.models.needs import Shape
from weitiao.recipe import Recipe
from weitiao.tuning import speed
from weitiao.tuning.batches import Batches
from weitiao.tuning.loop import Engine, NonFinite, OutOfMemory, accumulate
from weitiao.tuning.ranks import ALONE
from weitiao.tuning.rungs import Rung, rungs
from weitiao.tuning.sharded import numbers

_LOOKED_AT = 400  # updates among which the longest pass is looked for
_AMPLE = 4.0  # times what the formula says, which knows nothing of holes and of a family's peculiarities
_TIMES = 2  # the shortest pass at least, to see how memory grows
_SHORT = 64  # tokens of a pass without which nothing is learnt
_ROOT = Path("/")


def bound(recipe: Recipe, base: Base, folder: Path, kind: str, root: Path = _ROOT, *, share: float = 1.0) -> None:
    """Refuse what cannot fit by its weights, gradients and moments alone, and by its files.

    Args:
        folder: the run's, whose disk counts.
        kind: `HeadSpec.kind`.
        root: "/" but in tests.
        share: of the weights that this machine or GPU holds, 1 where they are not parted.
    """
    shape, there = footprint.shape_of(base, kind), _room(recipe, root)
    length = min(int(recipe.model.max_length), _SHORT)
    spot = Spot(length, length, 4 if recipe.tune.precision == "fp32" else 2, kind)
    if there and (certain := share * _certain(recipe, shape, kind)) > there.bytes:
        raise refusal(recipe, base, spot, certain + (memory.resident() or 0), there)
    disk = room.disk(folder)
    files = footprint.disk(recipe, shape, kind)
    if files > disk.bytes:
        raise TrainingError(
            "plan.no_disk", t("the run's files need {n:.1f} GB of disk, {m:.1f} GB are free",
                              "运行文件需要磁盘 {n:.1f} GB，剩余 {m:.1f} GB", n=files / 1e9, m=disk.bytes / 1e9),
            where=disk.source,
            expected=t("free space, or a method of which little is saved", "足够的空间，或保存量小的方法"),
            fix=t("choose a folder on another disk with --out, or --set method.name=lora",
                  "请用 --out 换到另一块磁盘，或 --set method.name=lora"))


def _certain(recipe: Recipe, shape: Shape, kind: str) -> float:
    """Bytes without which it cannot be: precision "auto" may become float32, which needs no second copy; qlora holds
    half a byte of a number; how much else moves, a method's options say."""
    if recipe.method["name"] == "qlora":
        return shape.parameters / 2
    if recipe.method["name"] != "full":
        return needs.weights(shape, needs.FLOAT)
    return footprint.standing(recipe, shape, Spot(1, 1, needs.FLOAT, kind))


def _room(recipe: Recipe, root: Path) -> Room | None:
    """Of the device that will compute."""
    name = recipe.tune.device
    if name.startswith("cuda") or (name == "auto" and torch.cuda.is_available()):
        free, _ = torch.cuda.mem_get_info(name if name != "auto" else "cuda")
        return Room(free, t("the GPU's free memory", "显存余量"))
    return room.memory(root)


def longest_and_shortest(batches: Batches, steps: int) -> tuple[list[int], list[int]]:
    """The pass with the most work and that with the least, of updates at equal distances among the first `steps`."""
    chosen = np.unique(np.linspace(0, max(0, min(steps, batches.per_epoch) - 1), _LOOKED_AT).round().astype(int))
    every = [one for step in chosen.tolist() for one in batches(step)]

    def size(one: list[int]) -> tuple[float, float]:
        work = speed.work([one], batches.sizes)
        return float(work[3]), float(work[2])

    return max(every, key=size), min(every, key=size)


def ample(recipe: Recipe, engine: Engine, steps: int, kind: str, root: Path = _ROOT) -> bool:
    """Is there many times the memory that the longest pass and the optimiser need by the formula? Then nobody has to
    wait for its measurement before the first update."""
    there = _room(recipe, root)
    if there is None or engine.device.type != "cpu":
        return False
    config = engine.model.base.config.get_text_config()  # type: ignore[union-attr,operator]
    shape = Shape(0, 0, config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.vocab_size)
    _, _, tokens, squares = speed.work([longest_and_shortest(engine.batches, steps)[0]], engine.rows.sizes)
    logits = tokens if kind in ("language", "corpus") else 0.0
    held = needs.activations(shape, tokens, squares / tokens, needs.FLOAT, logits=logits)
    moved = sum(p.numel() for p in engine.weights.masters.values())
    return _AMPLE * (held + needs.state(moved, recipe.tune.optimizer)) < there.bytes


def weighed(recipe: Recipe, engine: Engine, steps: int, kind: str, root: Path = _ROOT) -> float | None:
    """Bytes that the process will hold at most while it tunes, from the shortest and the longest pass: gradients are
    computed, nothing moves. None where the system does not say what a process holds, and on GPUs, whose loop makes
    passes smaller by itself.

    Raises TrainingError `plan.no_memory` before the longest pass is tried, where the shortest says that it will not
    fit, or after it.
    """
    if engine.device.type != "cpu" or memory.resident() is None:
        return None
    long, short = longest_and_shortest(engine.batches, steps)
    moved_bytes = numbers(engine.weights.masters.values()) * needs.FLOAT
    there = any(optimizer.state for optimizer in engine.optimizers)
    moments = 0.0 if there else moved_bytes * needs.MOMENTS[recipe.tune.optimizer]
    training = engine.model.training
    engine.model.train()
    try:
        check_pass(recipe, engine, short, long, moments, kind, root)
        most = held(engine, long)
        memory.release()
        needed = most + footprint.holes(most, mapped(engine, long, kind)) + moments + (memory.resident() or 0)
    finally:
        engine.weights.clear()
        engine.model.train(training)
    _refuse_above(recipe, engine, long, needed, kind, root)
    return needed


def check_pass(recipe: Recipe, engine: Engine, short: Sequence[int], long: Sequence[int], moments: float, kind: str,
               root: Path = _ROOT) -> None:
    """Make the short pass and refuse the long one where it would not fit: memory grows with the padded tokens.

    What every pass takes and gives back however short it is (the gradient of 262,000 words is most of a short pass of
    Gemma's) does not grow. Where a refusal may hang on it, a pass of the same rows several times tells it apart.
    """
    sizes = engine.rows.sizes
    held(engine, short)  # gradients and libraries' own memory come with the first pass and do not grow with the tokens
    once, ratio = held(engine, short), speed.work([long], sizes)[2] / speed.work([short], sizes)[2]
    there, rest = _room(recipe, root), moments + (memory.resident() or 0)
    most = once * ratio
    if there is not None and most + moments > there.bytes and ratio > _TIMES and 0 < once < np.inf:
        times = max(_TIMES, min(int(ratio) // _TIMES, int((there.bytes - moments) / once)))
        several = held(engine, [*short] * times)
        most = several + (several - once) / (times - 1) * (ratio - times)
    _refuse_above(recipe, engine, long, most + rest, kind, root)


def mapped(engine: Engine, rows: Sequence[int], kind: str) -> float:
    """Bytes of a pass that are logits over the vocabulary (see `footprint.holes`)."""
    if kind not in ("language", "corpus"):
        return 0.0
    words = engine.model.base.config.get_text_config().vocab_size  # type: ignore[union-attr,operator]
    return needs.vocabulary(float(speed.work([rows], engine.rows.sizes)[2]), words)


def held(engine: Engine, rows: Sequence[int]) -> float:
    """Bytes that a pass over these rows, forwards and backwards, adds at most to what the process holds."""
    memory.release()
    memory.restart_peak()
    before = memory.resident() or 0
    alone = replace(engine, ranks=ALONE)  # each process weighs for itself: another may refuse at another time
    try:
        accumulate(alone, 0, [rows])
    except NonFinite:  # what becomes of it the loop decides; only its backward pass was not made
        pass
    except OutOfMemory as e:  # of a GPU: the loop makes passes smaller by itself
        return 0.0 if isinstance(e.__cause__, torch.OutOfMemoryError) else float("inf")
    return max(0.0, float(memory.peak() or 0) - before)


def _refuse_above(recipe: Recipe, engine: Engine, long: Sequence[int], needed: float, kind: str, root: Path) -> None:
    there = _room(recipe, root)
    if there is None or needed <= there.bytes + (memory.resident() or 0):
        return
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    shape, work = footprint.shape_of(base, kind), speed.work([long], engine.rows.sizes)
    each = 4 if recipe.tune.precision == "fp32" else 2
    spot = Spot(int(work[2]), round(work[3] / work[2]), each, kind)
    # The forecasts of the rungs begin where this one was measured, as far as it was.
    process = spot.process + (needed - footprint.gigabytes(recipe, shape, spot) * 1e9 if np.isfinite(needed) else 0.0)
    measured = Spot(spot.tokens, spot.length, each, kind, max(spot.process / 2, process))
    raise refusal(recipe, base, measured, needed, there)


def refusal(recipe: Recipe, base: Base, spot: Spot, needed: float, there: Room) -> TrainingError:
    """The error that names the first rung which fits into what the process holds (bytes, as in `needed`) and the
    room beside it."""
    free = (there.bytes + (memory.resident() or 0)) / 1e9
    fitting = [rung for rung in rungs(recipe, base, spot) if rung.gigabytes <= free]
    said = t("more", "更多") if not np.isfinite(needed) else f"{needed / 1e9:.1f} GB"
    return TrainingError(
        "plan.no_memory", t("tuning {b} needs at least {n} of memory, there are {m:.1f} GB ({s})",
                            "微调 {b} 至少需要内存 {n}，可用 {m:.1f} GB（{s}）", b=base.name, n=said, m=free,
                            s=there.source),
        expected=_way(fitting[0]) if fitting else t("a machine with more memory, or a simpler system",
                                                    "内存更大的机器，或更简单的系统"),
        fix=_command(fitting[0]) if fitting else t(
            "no smaller setting of this base fits: TF-IDF with a linear model needs a tenth of it and is the honest "
            "answer here", "该基座没有更小的可行设置：TF-IDF 加线性模型只需十分之一内存，是这里诚实的选择"))


def _way(rung: Rung) -> str:
    return t("{w}: about {g:.1f} GB", "{w}：约 {g:.1f} GB", w=rung.text, g=rung.gigabytes)


def _command(rung: Rung) -> str:
    return t("add {s}", "请加上 {s}", s=" ".join(f"--set {x}" for x in rung.settings))
