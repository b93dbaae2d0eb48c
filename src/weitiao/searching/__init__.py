"""`weitiao search`: better settings within a budget, held against the default, judged on validation rows only.

    searches/reviews-1/
      recipe.toml  manifest.json  prepare/  select/     the default recipe, resolved; the data, read once
      space.toml                                        what may move; change a copy and give it with --space
      journal.log  clock.json  workers/                 trials and time, shared by all processes
      trials/<n>/                                       a run each; 0 is the default
      confirm/<default|best>-<seed>/                    both again with other seeds
      best/                                             the chosen recipe tuned in full, on the test rows
      result.json  report.html

>>> found = search("reviews.csv", model="e5-small", budget="1h")
>>> found.verdict
'the search gained +0.4 ± 0.5 points on 1,000 validation rows, 3 seeds (p=0.091): keep the default'

A search that was stopped or killed goes on with `resume`, also in several processes at once (`workers`). What two of
them try is not what one would: trial 0 and the settings of the first trials, which are drawn at random, follow from the
seed alone; which trials are stopped early, what the sampler draws after them, and how many fit into the budget depend
on what has ended by then. A trial with the same settings and as many threads has the same value.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weitiao.core import files
from weitiao.core.errors import DataError, MissingExtra, RecipeError, RunError
from weitiao.core.i18n import t
from weitiao.events import Event
from weitiao.pipeline import OnEvent, Paths, begin, next_folder, shorthands
from weitiao.recipe import Recipe, budget_seconds
from weitiao.run import Run
from weitiao.splits import load_task

__all__ = ["Found", "resume", "search", "start"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended with.

    Args:
        folder: the search's.
        recipe: the chosen one, resolved: the best trial's where its gain is established, else the default.
        verdict: one sentence in the user's language.
        result: the content of result.json.
        best: the folder of the full run, None with `final=False`.
    """

    folder: Path
    recipe: Recipe
    verdict: str
    result: dict[str, Any]
    best: Path | None


def search(data: Paths, *, budget: str, validation: Paths = (), test: Paths = (), recipe: Recipe | None = None,
           space: str | Path | None = None, out: str | Path | None = None, final: bool = True, workers: int = 1,
           on_event: OnEvent | None = None, **settings: Any) -> Found:
    """Look for better settings than the default's within a budget of time.

    Args:
        data, validation, test, recipe, settings: as in `weitiao.tune`.
        budget: wall time in all, such as "40m" or "1h30m"; kept within 5 %.
        space: an edited space.toml; by default the task's and the method's own.
        out: a new folder; by default `searches/<name of the file>-<number>`.
        final: tune the chosen recipe in full at the end and judge it on the test rows.
        workers: processes that try at once; they share out the processor's threads.
        on_event: called with each `weitiao.events.Event`.

    Raises:
        WeitiaoError: see docs/errors.md; `search.bad_space`, `search.budget_too_small`.
    """
    base = recipe or Recipe()
    return start(base.updated(shorthands(data, validation, test, settings)), budget,
                 space=None if space is None else Path(space), out=None if out is None else Path(out), final=final,
                 workers=workers, on_event=on_event)


def start(recipe: Recipe, budget: str, *, space: Path | None = None, out: Path | None = None, final: bool = True,
          workers: int = 1, on_event: OnEvent | None = None, began: float | None = None) -> Found:
    """A new search around a whole recipe. `began` (`time.monotonic()`) is when the budget begins; now by default."""
    from weitiao.searching.space import Space

    _needs_optuna()
    began = time.monotonic() if began is None else began
    budget_seconds(budget, "--budget")
    if recipe.tune.time:
        raise RecipeError("search.no_time", t("tune.time would cut each trial short", "tune.time 会截短每次试验"),
                          where="tune.time", expected='""',
                          fix=t("give the time with --budget", "请用 --budget 给出时间"))
    if not recipe.data.train:
        raise RecipeError("recipe.no_data", t("no training file is named", "没有指定训练文件"), where="data.train",
                          expected="weitiao search reviews.csv --budget 1h")
    run = Run.create(out or next_folder(recipe, "searches"), recipe.to_toml(), recipe.hash, {"asked": recipe.hash})
    with run.lock():
        resolved = begin(recipe, run, on_event or _silent)
        try:
            _testable(run, final=final)
            head = load_task(run)[1].head().outputs > 0
            chosen = Space.read(space, resolved) if space else Space.default(resolved, head=head)
            files.write_text(run.folder / "space.toml", chosen.write(resolved))
            run.note(search={"budget": budget, "final": final, "space": files.sha256(run.folder / "space.toml")})
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
    return _work(run, on_event or _silent, began, workers)


def resume(folder: str | Path, on_event: OnEvent | None = None, *, workers: int = 1,
           began: float | None = None) -> Found:
    """Go on with a search, or help other processes that work on it; one that has ended is left as it is.

    Raises RunError: `search.missing`; `run.changed` when its recipe, its space or its data are no longer those it began
    with.
    """
    _needs_optuna()
    began = time.monotonic() if began is None else began
    run = Run(Path(folder))
    if not (run.folder / "manifest.json").is_file() or "search" not in run.manifest:
        raise RunError("search.missing", t("there is no search here, or it has only just begun",
                                           "这里没有搜索，或刚刚开始"), where=str(folder),
                       fix=t("begin one with: weitiao search DATA --budget 1h",
                             "用 weitiao search 数据 --budget 1h 开始"))
    return _work(run, on_event or _silent, began, workers)


def _testable(run: Run, *, final: bool) -> None:
    """That the full run has no rows to be judged on must not come out at the end."""
    if final and not files.read_json(run.folder / "prepare" / "report.json")["rows"]["test"]:
        raise DataError("data.no_test_rows", t("there are no test rows for the full run at the end",
                                               "没有测试数据，无法做最后的完整运行"), where="split.test",
                        fix=t("give some with --test, set split.test above 0, or leave that run out with --no-final",
                              "请用 --test 提供，或把 split.test 设为大于 0，或用 --no-final 省去该运行"))


def _needs_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as e:
        raise MissingExtra("optuna", "search", t("the search", "搜索")) from e


def _work(run: Run, on_event: Callable[[Event], None], began: float, count: int) -> Found:
    from weitiao.searching.gain import spoken
    from weitiao.searching.work import work
    from weitiao.searching.workers import workers

    _unchanged(run)
    default = Recipe.read(run.folder / "recipe.toml")
    if not (run.folder / "result.json").is_file():
        with workers(run.folder, count, on_event):
            work(run, default, on_event, began)
    result = files.read_json(run.folder / "result.json")
    chosen = Recipe.read(run.folder / "chosen.toml")
    return Found(run.folder, chosen, spoken(result["verdict"]), result,
                 run.folder / "best" if result["final"] else None)


def _unchanged(run: Run) -> None:
    manifest = run.manifest
    known = {"space.toml": manifest["search"]["space"],
             **{f"{s}/{name}": digest for s in ("prepare", "select")
                for name, digest in manifest["stages"][s]["files"].items()}}
    changed = [name for name, digest in known.items()
               if not (run.folder / name).is_file() or files.sha256(run.folder / name) != digest]
    if Recipe.read(run.folder / "recipe.toml").hash != manifest["resolved"]:
        changed.insert(0, "recipe.toml")
    if changed:
        raise RunError("run.changed", t("changed since the search began: its trials could not be compared any more",
                                        "自搜索开始后已被修改，各次试验不再可比"), where=str(run.folder / changed[0]),
                       fix=t("start a new one with: weitiao search … --space {f}",
                             "请重新开始：weitiao search … --space {f}", f=run.folder / "space.toml"))


def _silent(_: Event) -> None:
    """Where nobody listens."""
