"""`weitiao search reviews.csv --budget 1h`: better settings than the defaults, if there are any, within a budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weitiao import events
from weitiao.cli.guard import UsageError
from weitiao.cli.options import (
    Device,
    Encoding,
    Format,
    Hub,
    Json,
    Lang,
    Method,
    Model,
    Quiet,
    RecipeFile,
    Roles,
    Seed,
    Source,
    Target,
    Task,
    pairs,
)
from weitiao.cli.settings import anything, named, recipe_of, spoken
from weitiao.core.i18n import t
from weitiao.core.stopping import exit_code, raising
from weitiao.screen import Screen, opener, program, quoted

if TYPE_CHECKING:
    from weitiao.searching import Found

_BEGAN = time.monotonic()  # the budget also pays for the imports that follow


def search(
    data: Annotated[list[str] | None, typer.Argument(metavar="DATA", show_default=False, help=t(
        "Files or folders with labelled rows.", "带标签的文件或目录。"))] = None,
    budget: Annotated[str, typer.Option(metavar="TIME", help=t(
        "Time for all of it: 40m, 1h30m.", "总时间：40m、1h30m。"))] = "",
    validation: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows that trials are judged on; else a part of DATA, or folds of it where it is small.",
        "评估试验所用的数据；默认从 DATA 划出，数据少时做交叉验证。"))] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows for the final score, which no trial reads; else a part of DATA.",
        "用于最终评分的数据，试验不会读取；默认从 DATA 中划出。"))] = None,
    model: Model = "",
    task: Task = "",
    source: Source = "",
    target: Target = "",
    method: Method = "",
    space: Annotated[Path | None, typer.Option(metavar="FILE", help=t(
        "What may move: a changed copy of a search's space.toml.", "可变动的设置：修改过的 space.toml。"))] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help=t(
        "A new folder for the search; else searches/NAME-1.",
        "搜索目录（须为新目录）；默认 searches/名字-1。"))] = None,
    no_final: Annotated[bool, typer.Option("--no-final", help=t(
        "Leave out the full run with the chosen settings, and its score on the test rows.",
        "省去最后用选定设置的完整训练及其测试评分。"))] = False,
    columns: Roles = "",
    format: Format = "auto",
    encoding: Encoding = "auto",
    recipe: RecipeFile = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=t(
        "Any setting of the default: tune.learning_rate=3e-5.",
        "默认设置中的任意一项：tune.learning_rate=3e-5。"))] = None,
    seed: Seed = None,
    device: Device = "",
    hub: Hub = "",
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help=t(
        "Processes on this machine that try at once.", "在本机上同时试验的进程数。"))] = 1,
    resume: Annotated[Path | None, typer.Option(metavar="SEARCH", help=t(
        "Continue a search, or help with it: several processes may.", "继续一次搜索；也可多个进程同时参与。"))] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> int:
    """One parameter a flag; see `weitiao search --help`."""
    asked = {"data": {"train": data, "validation": validation, "test": test,
                      "columns": pairs(columns, "--columns"),
                      "format": named(format), "encoding": named(encoding)},
             "model": {"name": model, "hub": hub}, "tune": {"device": device},
             "task": task, "method": method, "seed": seed}
    languages = {"source": source, "target": target}
    if resume is not None:
        _only_resume(asked, languages, recipe, set_, out, space, budget, no_final)
        from weitiao import searching

        return _work(lambda show: searching.resume(resume, show, workers=workers, began=_BEGAN), resume, quiet,
                     as_json)
    if not budget:
        raise UsageError("cli.no_budget", t("how long may it take?", "缺少时间预算"), where="--budget",
                         expected="weitiao search reviews.csv --budget 1h",
                         fix=t("give the time for all of it with --budget", "请用 --budget 给出总时间"))
    settings = spoken(recipe_of(recipe, asked, set_ or []), languages)
    from weitiao import searching

    return _work(lambda show: searching.start(settings, budget, space=space, out=out, final=not no_final,
                                              workers=workers, on_event=show, began=_BEGAN), None, quiet, as_json)


def _work(go: Callable[[Callable[[events.Event], None]], Found], resumed: Path | None, quiet: bool,
          as_json: bool) -> int:
    """Search with a screen; after a stop say how to go on."""
    reached = [str(resumed)] if resumed else []
    with Screen(quiet=quiet, as_json=as_json) as screen, raising():

        def show(event: events.Event) -> None:
            if isinstance(event, events.StageStarted) and event.stage == "search":
                reached.append(event.folder)
            screen.show(event)

        try:
            found = go(show)
        except KeyboardInterrupt as e:
            return exit_code(e, kept=_interrupted(screen, reached))
        screen.result({"folder": str(found.folder), "verdict": found.verdict, **found.result},
                      *((found.verdict, str(found.folder)) if quiet else ()))
        _next(screen, found)
    return 0


def _interrupted(screen: Screen, reached: list[str]) -> bool:
    """Say what was kept; False where that is nothing."""
    if reached:
        command = quoted([program(), "search", "--resume", reached[-1]])
        text = t("Interrupted. Continue with: {c}", "已中断。继续请运行：{c}", c=command)
    else:
        text = t("Interrupted before the first trial: nothing was kept.", "在第一次试验前中断，没有留下任何文件。")
    screen.result({"interrupted": True, "folder": reached[-1] if reached else None}, text)
    return bool(reached)


def _next(screen: Screen, found: Found) -> None:
    """Where it lies and what to do with it."""
    from weitiao.searching.tell import lines

    screen.part(t("Search", "搜索"), lines(found.result))
    screen.part(t("Folder", "目录"), [str(found.folder)])
    commands = [[*opener(), str(found.folder / "report.html")]]
    if found.best:
        commands.append([program(), "predict", str(found.best), found.recipe.data.train[0], "-o", "predictions.csv"])
    else:
        commands.append([program(), "tune", "--recipe", str(found.folder / "chosen.toml")])
    screen.part(t("Next", "下一步"), [quoted(c) for c in commands])


def _only_resume(*given: Any) -> None:
    """A resumed search takes no other settings: its trials could not be compared any more."""
    if anything(*given):
        raise UsageError("cli.resume_takes_no_settings",
                         t("--resume continues a search as it was begun: it takes no data and no settings",
                           "--resume 按原设置继续搜索，不能再给数据或设置"), where="--resume",
                         expected="weitiao search --resume SEARCH",
                         fix=t("drop them, or start a new search without --resume",
                               "请去掉它们，或不用 --resume 重新开始"))
