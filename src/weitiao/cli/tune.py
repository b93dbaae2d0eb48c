"""`weitiao tune reviews.csv`: flags become a recipe, the pipeline does the rest."""

from __future__ import annotations

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
from weitiao.core.launcher import may_restart, rank
from weitiao.core.stopping import exit_code, raising
from weitiao.screen import Screen, program, quoted

if TYPE_CHECKING:
    from weitiao.pipeline import Result


def tune(
    data: Annotated[list[str] | None, typer.Argument(metavar="DATA", show_default=False, help=t(
        "Files or folders with labelled rows.", "带标签的文件或目录。"))] = None,
    validation: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows for choosing the best step; else a part of DATA.", "用于挑选最佳步数的数据；默认从 DATA 划出。"))] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows for the final score; else a part of DATA.", "用于最终评分的数据；默认从 DATA 中划出。"))] = None,
    model: Model = "",
    task: Task = "",
    source: Source = "",
    target: Target = "",
    method: Method = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help=t(
        "A new folder for the run; else runs/NAME-1.", "运行目录（须为新目录）；默认 runs/名字-1。"))] = None,
    columns: Roles = "",
    format: Format = "auto",
    encoding: Encoding = "auto",
    recipe: RecipeFile = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=t(
        "Any setting: tune.learning_rate=3e-5.", "任意设置：tune.learning_rate=3e-5。"))] = None,
    time: Annotated[str, typer.Option(metavar="TIME", help=t("A budget: 20m, 1h30m.", "时间预算：20m、1h30m。"))] = "",
    seed: Seed = None,
    device: Device = "",
    hub: Hub = "",
    nproc: Annotated[int, typer.Option("--nproc", metavar="N", min=1, help=t(
        "Processes on this machine that tune together.", "在本机上共同训练的进程数。"))] = 1,
    max_restarts: Annotated[int, typer.Option("--max-restarts", metavar="K", min=0, help=t(
        "Start again from the last checkpoint when a process of --nproc is lost, at most K times.",
        "--nproc 的某个进程失联时，从最近的检查点重新开始，最多 K 次。"))] = 0,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help=t(
        "Continue a run that was stopped.", "继续被中断的运行。"))] = None,
    allow_inexact: Annotated[bool, typer.Option("--allow-inexact", help=t(
        "Resume although this machine or version gives other bytes.",
        "机器或版本不同、结果无法逐字节一致时也继续。"))] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> int:
    """One parameter a flag; see `weitiao tune --help`."""
    if rank() > 0:  # started by torchrun or its like: the first does all but tuning
        from weitiao.together import assist

        assist()
        return 0
    _restartable(nproc, max_restarts, kept=out is not None or resume is not None)
    asked = {"data": {"train": data, "validation": validation, "test": test,
                      "columns": pairs(columns, "--columns"),
                      "format": named(format), "encoding": named(encoding)},
             "model": {"name": model, "hub": hub}, "tune": {"time": time, "device": device},
             "task": task, "method": method, "seed": seed}
    languages = {"source": source, "target": target}
    if resume is not None:
        _only_resume({**asked, **languages}, recipe, set_, out)
        from weitiao import pipeline

        return _work(lambda show: pipeline.resume(resume, show, allow_inexact=allow_inexact, processes=nproc,
                                                  max_restarts=max_restarts), resume, quiet, as_json)
    settings = spoken(recipe_of(recipe, asked, set_ or []), languages)
    from weitiao import pipeline

    return _work(lambda show: pipeline.start(settings, out, show, processes=nproc, max_restarts=max_restarts), None,
                 quiet, as_json)


def _work(go: Callable[[Callable[[events.Event], None]], Result], resumed: Path | None, quiet: bool,
          as_json: bool) -> int:
    """Run the pipeline with a screen; after a stop say how to go on."""
    reached: list[events.StageStarted] = []
    with Screen(quiet=quiet, as_json=as_json) as screen, raising():

        def show(event: events.Event) -> None:
            if isinstance(event, events.StageStarted):
                reached.append(event)
            screen.show(event)

        try:
            result = go(show)
        except KeyboardInterrupt as e:
            return exit_code(e, kept=_interrupted(screen, reached, resumed))
        screen.result({"folder": str(result.folder), "verdict": result.verdict, "scores": result.scores},
                      *((result.verdict, str(result.folder)) if quiet else ()))
        train, test = _files(result.folder)
        screen.next_steps(result.folder, test or train, test)
    return 0


def _interrupted(screen: Screen, reached: list[events.StageStarted], resumed: Path | None) -> bool:
    """Say what was kept; False where that is nothing."""
    began = bool(reached) and reached[-1].stage in ("tune", "evaluate", "report")
    folder = reached[-1].folder if began else resumed and str(resumed)
    if folder:
        command = quoted([program(), "tune", "--resume", folder])
        text = t("Interrupted. Continue with: {c}", "已中断。继续请运行：{c}", c=command)
    else:
        text = t("Interrupted before tuning began: nothing was kept.", "在训练开始前中断，没有留下任何文件。")
    screen.result({"interrupted": True, "folder": folder}, text)
    return folder is not None


def _files(folder: Path) -> tuple[str, str]:
    """The first training file and the first test file ("" without one) of a run, as the user named them."""
    from weitiao.recipe import Recipe

    data = Recipe.read(folder / "recipe.toml").data
    return data.train[0], next(iter(data.test), "")


def _restartable(nproc: int, max_restarts: int, *, kept: bool) -> None:
    """Restarts need other processes of ours, and torchrun's own a folder whose name is known beforehand."""
    if max_restarts and nproc == 1:
        raise UsageError("cli.restarts_alone", t("without --nproc no other process can be lost",
                                                 "没有 --nproc 时，不存在会失联的其他进程"), where="--max-restarts",
                         expected="weitiao tune reviews.csv --nproc 2 --max-restarts 1",
                         fix=t("under torchrun give --max-restarts to torchrun itself",
                               "使用 torchrun 时，请把 --max-restarts 交给 torchrun"))
    if may_restart() and not kept:
        raise UsageError("cli.restarts_need_out", t("a job that torchrun starts again must find its run",
                                                    "torchrun 重新启动任务后须能找到原来的运行"), where="--out",
                         expected="torchrun --max-restarts 1 … -m weitiao tune reviews.csv --out runs/reviews",
                         fix=t("give the run's folder with --out", "请用 --out 指定运行目录"))


def _only_resume(asked: dict[str, Any], *others: object) -> None:
    """A resumed run takes no other settings: they would make it another run."""
    if anything(asked, *others):
        raise UsageError("cli.resume_takes_no_settings",
                         t("--resume continues a run as it was begun: it takes no data and no settings",
                           "--resume 按原设置继续运行，不能再给数据或设置"), where="--resume",
                         expected="weitiao tune --resume RUN [--allow-inexact]",
                         fix=t("drop them, or start a new run without --resume",
                               "请去掉它们，或不用 --resume 重新开始"))
