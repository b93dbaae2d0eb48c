"""`weitiao plan reviews.csv`: what to tune and what it will cost, before anything is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weitiao.cli.options import (
    Device,
    Encoding,
    Format,
    Hub,
    Json,
    Lang,
    Quiet,
    RecipeFile,
    Roles,
    Seed,
    Source,
    Target,
    Task,
    pairs,
)
from weitiao.cli.settings import named, recipe_of, spoken
from weitiao.core.i18n import t
from weitiao.screen import Screen, opener, program, quoted


def plan(
    data: Annotated[list[str] | None, typer.Argument(metavar="DATA", show_default=False, help=t(
        "Files or folders with labelled rows.", "带标签的文件或目录。"))] = None,
    validation: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows that tune would validate on.", "tune 将用于验证的数据。"))] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows for tune's final score: not read here, but known to be no training rows.",
        "tune 最终评分用的数据：此处不评分，只用于排除训练数据。"))] = None,
    model: Annotated[list[str] | None, typer.Option(metavar="NAME", help=t(
        "Another base to compare: a folder, a starter or a name on the hub; may be given again.",
        "另一个要比较的基座：目录、内置模型名或模型站上的名字；可重复。"))] = None,
    task: Task = "",
    source: Source = "",
    target: Target = "",
    sample: Annotated[int, typer.Option(metavar="N", min=50, help=t(
        "Training rows that candidates are judged on.", "考察候选所用的训练数据行数。"))] = 2000,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help=t(
        "A folder for plan.json and plan.html.", "存放 plan.json 和 plan.html 的目录。"))] = None,
    columns: Roles = "",
    format: Format = "auto",
    encoding: Encoding = "auto",
    recipe: RecipeFile = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=t(
        "Any setting: tune.epochs=3.", "任意设置：tune.epochs=3。"))] = None,
    seed: Seed = None,
    device: Device = "",
    hub: Hub = "",
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> int:
    """One parameter a flag; see `weitiao plan --help`."""
    asked = {"data": {"train": data, "validation": validation, "test": test,
                      "columns": pairs(columns, "--columns"),
                      "format": named(format), "encoding": named(encoding)},
             "model": {"hub": hub}, "tune": {"device": device}, "task": task, "seed": seed}
    settings = spoken(recipe_of(recipe, asked, set_ or []), {"source": source, "target": target})
    from weitiao import planning
    from weitiao.planning import telling

    with Screen(quiet=quiet, as_json=as_json) as screen:
        found = planning.start(settings, models=model or (), sample=sample, out=out, on_event=screen.show,
                               say=lambda line: screen.say(line, style="dim"))
        result = found.result
        if not (quiet or as_json):
            screen.part(t("Candidates, not tuned", "候选（未微调）"), ())
            screen.table(*telling.ranking(result))
            screen.part(t("Price here", "本机代价"), ())
            screen.table(*telling.costs(result))
            screen.part(t("Notes", "说明"), telling.notes(result))
            screen.part(t("More labels", "增加标注"), telling.curve(result))
        screen.result(result, *(() if quiet else (t("Advice", "建议"),)), found.advice)
        if not quiet:
            _next(screen, result["advice"], _flags(data, validation, test, task, source, target, columns, recipe), out)
    return 0


def _flags(data: list[str] | None, validation: list[str] | None, test: list[str] | None, task: str, source: str,
           target: str, columns: str, recipe: Path | None) -> list[str]:
    """What was said of the data, as `weitiao tune` wants it."""
    words = list(data or ())
    for name, values in (("--validation", validation), ("--test", test)):
        words += [x for value in values or () for x in (name, value)]
    for name, value in (("--task", task), ("--source", source), ("--target", target), ("--columns", columns),
                        ("--recipe", str(recipe or ""))):
        words += [name, value] if value else []
    return words


def _next(screen: Screen, advice: dict[str, str], flags: list[str], out: Path | None) -> None:
    """The next commands."""
    commands = []
    if advice["outcome"] == "base":
        commands.append([program(), "tune", *flags, "--model", advice["model"],
                         *(["--method", advice["method"]] if advice["method"] != "full" else [])])
    if out is not None:
        commands.append([*opener(), str(out / "plan.html")])
    screen.part(t("Next", "下一步"), [quoted(words) for words in commands])
