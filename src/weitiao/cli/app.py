"""The list of commands. Each command is one file; all of them import what is heavy only when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from weitiao import screen
from weitiao._version import __version__
from weitiao.cli import (
    bench,
    certify,
    check,
    evaluate,
    models,
    plan,
    predict,
    recipe,
    reproduce,
    runs,
    search,
    show,
    tune,
)
from weitiao.cli.options import Lang
from weitiao.core.i18n import t

_SETTINGS = {"help_option_names": ["-h", "--help"]}

# Plain help instead of rich's boxes: it is ready in a third of the time and reads the same in every terminal.
app = typer.Typer(name="weitiao", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=False,
                  context_settings=_SETTINGS)
shows = typer.Typer(rich_markup_mode=None, context_settings=_SETTINGS)
recipes = typer.Typer(rich_markup_mode=None, context_settings=_SETTINGS)


def _print_version(wanted: bool) -> None:
    if wanted:
        screen.print_text(f"weitiao {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, help=t(
    "A labelled file in, a fine-tuned language model out.", "输入一个带标签的文件，得到一个微调好的语言模型。"))
def _root(ctx: typer.Context,
          version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                                help=t("Show the version.", "显示版本。"))] = False,
          lang: Lang = None) -> None:
    if ctx.invoked_subcommand is None:
        screen.print_text(ctx.get_help())


_COMMANDS = (
    (app, "tune", tune.tune, t("Fine-tune a model on labelled text and judge it.", "用带标签的文本微调模型并评估。")),
    (app, "check", check.check, t("Look for what is wrong with the data.", "检查数据有什么问题。")),
    (app, "plan", plan.plan, t("Compare base models and prices before anything is tuned.",
                               "微调前比较基座模型与代价。")),
    (app, "search", search.search, t("Look for better settings within a budget of time.",
                                     "在给定时间内寻找更好的设置。")),
    (app, "predict", predict.predict, t("Predict a file or a text with a tuned model.", "用微调好的模型预测。")),
    (app, "evaluate", evaluate.evaluate, t("Score a tuned model on a labelled file.", "用带标签的文件给模型打分。")),
    (app, "certify", certify.certify, t("Measure on a finished run what must be equal.",
                                        "在已完成的运行上测量应当相等之处。")),
    (app, "reproduce", reproduce.reproduce, t("Run it again and compare.", "重新运行并比较结果。")),
    (app, "bench", bench.bench, t("Measure the machine, and how near a run comes to its limits.",
                                  "测量本机，以及一次运行离其极限有多近。")),
    (app, "runs", runs.runs, t("List the runs of a folder.", "列出目录中的运行。")),
    (app, "models", models.models, t("List the base models that are at hand.", "列出可用的基座模型。")),
    (shows, "data", show.data, t("Rows as they are read, and what is learnt of them.",
                                 "显示读入的数据，以及其中要学习的部分。")),
    (recipes, "new", recipe.new, t("Write a recipe with every setting explained.", "生成带说明的完整设置。")),
    (recipes, "show", recipe.show, t("Show the complete settings of a run or a file.", "显示运行或文件的完整设置。")),
    (recipes, "check", recipe.check, t("Check a recipe without running it.", "只检查设置，不运行。")),
    (recipes, "schema", recipe.schema, t("JSON Schema for editors.", "供编辑器使用的 JSON Schema。")),
)
for _group, _name, _function, _help in _COMMANDS:
    _group.command(_name, help=_help)(_function)
app.add_typer(shows, name="show", help=t("Look at the data.", "查看数据。"))
app.add_typer(recipes, name="recipe", help=t("Write, show and check settings.", "生成、查看和检查设置。"))
