"""What several commands share: the options that every command takes, and the reading of `a=b,c=d`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from weitiao.cli.guard import UsageError
from weitiao.core.i18n import t

Json = Annotated[bool, typer.Option("--json", help=t("One JSON object for programs.", "输出 JSON 对象，供程序读取。"))]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help=t("Only the result.", "只输出结果。"))]
# Its value is read before the commands are built (cli/__init__.py): it also decides the language of the help.
Lang = Annotated[Literal["en", "zh"] | None,
                 typer.Option("--lang", metavar="en|zh", help=t("Language; by default the locale's.",
                                                                "语言；默认随系统。"))]
Format = Annotated[str, typer.Option("--format", metavar="NAME", help=t(
    "Form of the input; else by its ending.", "输入格式；默认按扩展名。"))]
Encoding = Annotated[str, typer.Option("--encoding", metavar="NAME", help=t(
    "Encoding of the input; else found out.", "输入编码；默认自动识别。"))]
Columns = Annotated[str, typer.Option("--columns", metavar="ROLE=COLUMN,…", help=t(
    "Where this file's columns have other names: text=comment.", "该文件列名不同时指定：text=评论。"))]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")]
# What tuning and searching ask alike.
Model = Annotated[str, typer.Option("--model", metavar="NAME", help=t(
    "A starter, a folder or a name on the hub; see `weitiao models`.",
    "内置模型名、目录或模型站上的名字；见 `weitiao models`。"))]
Task = Annotated[str, typer.Option("--task", metavar="NAME", help=t(
    "classify, regress, …", "classify、regress 等。"))]
Source = Annotated[str, typer.Option("--source", metavar="LANGUAGE", help=t(
    "Translation: the language translated from: en, zh, …", "翻译：源语言，如 en、zh。"))]
Target = Annotated[str, typer.Option("--target", metavar="LANGUAGE", help=t(
    "Translation: the language translated into.", "翻译：目标语言。"))]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help=t(
    "full, lora, head, freeze, …", "full、lora、head、freeze 等。"))]
Roles = Annotated[str, typer.Option("--columns", metavar="ROLE=COLUMN,…", help=t(
    "Which column is what: text=comment,label=stars.", "指定各列：text=评论,label=星级。"))]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help=t(
    "Settings in TOML; flags override them.", "TOML 设置文件；命令行选项优先。"))]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help=t(
    "Decides every random choice.", "随机种子。"))]
Hub = Annotated[str, typer.Option("--hub", metavar="NAME", help="huggingface, modelscope.")]


def pairs(text: str, option: str) -> dict[str, str]:
    """`text=comment,label=stars` as a dict. Raises UsageError `cli.bad_pairs`."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, eq, value = (x.strip() for x in part.partition("="))
        if not (key and eq and value):
            raise UsageError("cli.bad_pairs", t("cannot read {p!r}", "无法解析 {p!r}", p=part), where=option,
                             expected=f"{option} text=comment,label=stars")
        found[key] = value
    return found
