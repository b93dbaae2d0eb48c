"""`weitiao plan`: which base model and method, at what price, and what more labels would buy. Nothing is tuned.

    prepare  →  a sample of the training rows  →  candidates judged frozen  →  priced  →  a recommendation

>>> found = plan("reviews.csv")
>>> found.advice
'take e5-small, full: its frozen features beat TF-IDF by 6.1 ± 1.2 points; about 4 min and 1.6 GB of memory here'

The data are read as `weitiao tune` reads them, and the test rows are left alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao import splits
from weitiao.core import files, room
from weitiao.core.errors import RecipeError, RunError
from weitiao.core.i18n import t
from weitiao.events import Download, Event
from weitiao.metrics import LOWER_IS_BETTER
from weitiao.models import Base
from weitiao.pipeline import OnEvent, Paths, prepared, shorthands
from weitiao.planning import advice, candidates, prices, telling
from weitiao.recipe import Recipe
from weitiao.run import Run

if TYPE_CHECKING:
    from weitiao.planning.judging import Judged, Scene

__all__ = ["Planned", "plan", "start"]

ROWS = 2000  # training rows that candidates are judged on, where nothing else is asked for
PLAN, PAGE = "plan.json", "plan.html"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """What `plan` found.

    Args:
        result: the content of plan.json.
        folder: where plan.json and plan.html lie; None where nothing was written.
    """

    result: dict[str, Any]
    folder: Path | None

    @property
    def advice(self) -> str:
        """The recommendation in the user's language."""
        return telling.advice(self.result)


def plan(data: Paths, *, validation: Paths = (), test: Paths = (), recipe: Recipe | None = None,
         models: Sequence[str] = (), sample: int = ROWS, out: str | Path | None = None,
         on_event: OnEvent | None = None, **settings: Any) -> Planned:
    """Compare base models and methods on labelled data before anything is tuned.

    Args:
        data, validation, test, recipe, settings: as in `weitiao.tune`.
        models: bases to compare beside the starters: names on the hub, local folders.
        sample: training rows that candidates are judged on.
        out: a new or empty folder, or that of an earlier plan.
        on_event: called with each `weitiao.events.Event`.

    Raises:
        WeitiaoError: see docs/errors.md.
    """
    base = recipe or Recipe()
    return start(base.updated(shorthands(data, validation, test, settings)), models=models, sample=sample,
                 out=None if out is None else Path(out), on_event=on_event)


def start(recipe: Recipe, *, models: Sequence[str] = (), sample: int = ROWS, out: Path | None = None,
          on_event: OnEvent | None = None, say: Say = lambda line: None) -> Planned:
    """A plan for a whole recipe; `say` gets a line whenever another candidate is begun."""
    if not recipe.data.train:
        raise RecipeError("recipe.no_data", t("no training file is named", "没有指定训练文件"), where="data.train",
                          expected="weitiao plan reviews.csv")
    if out is not None:
        _ours(out)
    listen = on_event or _silent
    with tempfile.TemporaryDirectory(prefix="weitiao-plan-") as scratch:
        run = Run.create(Path(scratch) / "run", recipe.to_toml(), recipe.hash, {"asked": recipe.hash})
        prepared(recipe, run, listen)
        result = _work(run, recipe, models, sample, say, listen)
    if out is not None:
        from weitiao.planning import page

        with files.new_folder(out) as folder:
            files.write_json(folder / PLAN, result)
            files.write_text(folder / PAGE, page.html(", ".join(recipe.data.train), result))
    return Planned(result, out)


def _ours(out: Path) -> None:
    """What lies in the folder is replaced: it must be ours."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / PLAN).is_file())):
        raise RunError("run.exists", t("this folder holds other files", "该目录中有其他文件"), where=str(out),
                       fix=t("choose another --out", "请换一个 --out"))


def _work(run: Run, recipe: Recipe, named: Sequence[str], sample: int, say: Say, listen: OnEvent) -> dict[str, Any]:
    from weitiao.planning import judging

    report = files.read_json(run.folder / "prepare" / "report.json")
    task_name, task = splits.load_task(run)
    kind = task.head().kind
    scene, rows = judging.scene(run, recipe, sample)
    known = [judging.rung(scene, x) for x in _told(candidates.rungs(task), say)]
    asked = () if recipe.model.name == "auto" else (recipe.model.name,)
    bases = candidates.bases(report["language"], task_name, task, (*asked, *named))
    for name in _told(bases, say):
        # Whoever names a base wants to know how good it is.
        ahead = None if name in (*asked, *named) else _best(known)
        known.append(judging.judge(scene, name, lambda n, done, total: listen(Download(n, done, total)), ahead))
    there = room.memory()
    memory = there.bytes / 1e9 if there else None
    result: dict[str, Any] = {
        "task": task_name, "kind": kind, "language": report["language"], "rows": rows, "sample": len(scene.rows),
        "folds": len(scene.folds), "seed": recipe.seed, "memory_gb": memory,
        "pairs": kind == "sequence" and len(scene.rows[0].inputs) > 1,
        "metric": next((x.score.name for x in known if x.score), ""),
        "candidates": [_candidate(scene, x, known) for x in known],
        "usual": list(candidates.usual(report["language"], task, recipe.model.hub)),
    }
    pay = _Till(run, recipe, kind, memory, say)
    had = {x.name: x.base for x in known if x.base is not None}
    by_name = {x["name"]: x for x in result["candidates"]}
    for name in [x["name"] for x in advice.order(result) if x["name"] in had]:
        one = by_name[name]
        if name not in (*asked, *named):
            one["behind"] = one["behind"] or advice.leader(result, one)
        if not one["behind"]:
            one["prices"] = pay.first(had[name])
    result["advice"] = advice.advise(result)
    if (chosen := result["advice"]["model"]) in had:
        by_name[chosen]["prices"] += pay.others(had[chosen], by_name[chosen]["prices"])
    leader = next((x for x in known if x.name == result["advice"]["judge"]), None)
    result["curve"] = _curve(scene, leader, rows, say)
    return result


@dataclass(frozen=True, slots=True)
class _Till:
    """Prices bases: each measurement takes a process and some of the person's time, so no more than needed."""

    run: Run
    recipe: Recipe
    kind: str
    memory: float | None
    say: Say

    def first(self, base: Base) -> list[dict[str, Any]]:
        """The methods, the dearest first, up to one that can be had."""
        found: list[dict[str, Any]] = []
        for method in prices.methods(base, self.kind):
            found.append(self._price(base, method))
            if not found[-1]["unfit"]:
                break
        return found

    def others(self, base: Base, known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The methods that are not known yet."""
        return [self._price(base, m) for m in prices.methods(base, self.kind) if m not in {x["method"] for x in known}]

    def _price(self, base: Base, method: str) -> dict[str, Any]:
        self.say(t("The price of {n}, {m} …", "正在估算 {n}、{m} 的代价……", n=base.name, m=method))
        return asdict(prices.price(self.run, self.recipe, base.name, method, self.memory))


def _told(names: Sequence[str], say: Say) -> Iterator[str]:
    for name in names:
        say(t("Looking at {n} …", "正在考察 {n}……", n=telling.title(name)))
        yield name


def _candidate(scene: Scene, judged: Judged, known: Sequence[Judged]) -> dict[str, Any]:
    """As it stands in plan.json; `against` compares it with each other judged one, where it was left after a first look
    with the one that it was left for."""
    from weitiao.planning import judging

    others = [x for x in known if x.score and x is not judged] if judged.score else []
    against = {x.name: judging.compare(scene, judged, x) for x in others}
    if judged.beside is not None:
        against[judged.behind] = judged.beside
    return {
        "name": judged.name, "rung": judged.rung, "unfit": judged.unfit, "seconds": round(judged.seconds, 1),
        "parameters": judged.base.parameters if judged.base else 0,
        "score": judged.score.as_dict() if judged.score else None,
        "logme": judged.logme,
        "against": {name: pair.as_dict() for name, pair in against.items()},
        "prices": [], "behind": judged.behind,
    }


def _best(known: Sequence[Judged]) -> Judged | None:
    """The base with the best score so far."""
    scored = [(x.score, x) for x in known if not x.rung and x.score]
    ranked = sorted(scored, key=lambda pair: pair[0].value * (-1 if pair[0].name in LOWER_IS_BETTER else 1))
    return ranked[-1][1] if ranked else None


def _curve(scene: Scene, leader: Judged | None, rows: int, say: Say) -> dict[str, Any] | None:
    """The learning curve of the best candidate, None where there is none to fit."""
    from weitiao.planning import curve

    if leader is None or leader.learn is None or leader.score is None or len(scene.rows) < 3 * curve.LEAST:
        return None
    say(t("What more labels would buy …", "正在估计增加标注的收益……"))
    task, metric = scene.task(), leader.score.name
    if metric not in task.watched:
        return None

    def error(outputs: Sequence[Any], numbers: Sequence[int]) -> float:
        value = task.quick(outputs, [scene.rows[i].target for i in numbers])[metric]
        return value if metric in LOWER_IS_BETTER else 1 - value

    points = curve.measure(leader.learn, scene.folds, scene.recipe.seed)
    found = curve.fitted(points, error, scene.judged, scene.recipe.seed)
    step = 1000 if rows >= 1000 else rows
    gain = found.gain(rows, rows + step)
    return {"judge": leader.name, "sizes": found.sizes.tolist(), "errors": found.errors.tolist(),
            "spread": found.spread.tolist(), "power": found.power.tolist(), "rows": rows, "step": step,
            "gain": asdict(gain), "least": telling.LEAST, "enough": found.enough(rows, step, telling.LEAST)}


def _silent(_: Event) -> None:
    """Where nobody listens."""


