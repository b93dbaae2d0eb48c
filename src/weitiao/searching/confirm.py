"""The best trial and the default again, with other seeds than the search's, on the same rows.

    confirm/plan.json  confirm/default-2/  confirm/best-2/  confirm/default-3/ …

>>> confirm(found).gain
Gain(value=0.012, low=0.003, high=0.021, p=0.02, seeds=5, rows=1000, ...)

A search picks the luckiest of many trials, so its own number is too good; what both reach with fresh seeds is not.
As many seeds as the time allows; a pair that does not come to its end in time is left out, whichever half is missing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from weitiao import events
from weitiao.core import files
from weitiao.core.i18n import t
from weitiao.recipe import Recipe
from weitiao.searching.budget import MOST_SEEDS
from weitiao.searching.gain import LEAST, Gain, gain
from weitiao.searching.session import OutOfTime, Search, Timed
from weitiao.searching.trial import Judged, forget, judge, read

_WHICH = ("default", "best")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What confirming found.

    Args:
        trial: the best trial's number.
        gain: over the default, None where nothing was compared.
        why: then "default" (no trial was better), "time", or "rows" (all of one group: nothing can be told of others).
    """

    trial: int
    gain: Gain | None
    why: str


def confirm(found: Search) -> Confirmed:
    """Tune and judge both with several seeds, here and in other processes. Reads back what is there already."""
    best = found.study.best
    assert best is not None, "the default has come to its end"
    if best.number == 0:
        return Confirmed(0, None, "default")
    if len(set(found.bench.groups.values())) < 2:
        return Confirmed(best.number, None, "rows")
    recipes = {"default": found.recipe, "best": found.recipe_of(best)}
    seeds, until = _plan(found, recipes)
    if len(seeds) >= LEAST:
        found.on_event(events.StageStarted("confirm", str(found.run.folder)))
        # Again after the others have ended: one of them may have died over its part.
        while sum(_one(found, which, recipes[which], seed, until) for seed in seeds for which in _WHICH):
            found.wait(lambda: not _busy(found))
        found.wait(lambda: not _busy(found))
    pairs = [pair for seed in seeds if (pair := _pair(found, seed)) is not None]
    if len(pairs) < LEAST:
        return Confirmed(best.number, None, "time")
    return Confirmed(best.number, gain(found.bench.metric, *(list(x) for x in zip(*pairs, strict=True))), "")


def _plan(found: Search, recipes: dict[str, Recipe]) -> tuple[list[int], float]:
    """The seeds, and until when; written once, by whoever comes first."""
    path = found.run.folder / "confirm" / "plan.json"
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.with_name(".lock")):
        if not path.is_file():
            speeds = found.speeds()
            assert speeds is not None, "the default has come to its end"
            until = found.shares(speeds).confirm_until
            pair = sum(found.seconds(speeds, r) for r in recipes.values())
            count = min(MOST_SEEDS, int((until - found.clock.spent) / pair))
            seeds = [found.recipe.seed + 1 + i for i in range(max(0, count))]
            files.write_json(path, {"seeds": seeds if count >= LEAST else [], "until": round(until, 1)})
    plan = files.read_json(path)
    return plan["seeds"], plan["until"]


def _one(found: Search, which: str, recipe: Recipe, seed: int, until: float) -> bool:
    """One recipe with one seed, unless another process is at it or the time is over; was it judged now?"""
    folder = _folder(found, which, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(Timeout, OutOfTime), FileLock(folder / ".lock", timeout=0):
        if read(folder) is None and found.clock.spent < until:
            try:  # rows and folds stay as they are prepared: only tuning sees the seed
                judged = judge(recipe.updated({"seed": seed}), folder, found.bench, Timed(found, until), [],
                               grouped=True)
            except OutOfTime:
                forget(folder)
                raise
            name = t("the default", "默认设置") if which == "default" else t("the best trial", "最佳试验")
            found.on_event(events.Note(t("{n}, seed {s}: {m} {v:.4f}", "{n}，种子 {s}：{m} {v:.4f}", n=name, s=seed,
                                         m=found.bench.metric, v=judged.value)))
            return True
    return False


def _pair(found: Search, seed: int) -> tuple[Judged, Judged] | None:
    both = [read(_folder(found, which, seed)) for which in _WHICH]
    return (both[0], both[1]) if both[0] and both[1] and both[0].defined and both[1].defined else None


def _busy(found: Search) -> bool:
    for path in found.run.folder.glob("confirm/*-*/.lock"):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
    return False


def _folder(found: Search, which: str, seed: int) -> Path:
    return found.run.folder / "confirm" / f"{which}-{seed}"
