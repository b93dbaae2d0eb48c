"""`weitiao recipe new | show | check | schema`: settings as TOML in which every key is explained.

    # Peak rate.
    learning_rate = "auto"
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from weitiao.cli.options import Json, Lang, Quiet
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.screen import Screen, print_text

if TYPE_CHECKING:
    from pydantic import BaseModel

    from weitiao.recipe import Recipe

_WIDTH = 100

Source = Annotated[Path | None, typer.Argument(metavar="RUN|FILE", show_default=False, help=t(
    "A run's folder or a recipe in TOML; else the defaults.", "运行目录或 TOML 设置文件；默认显示缺省值。"))]
Task = Annotated[str, typer.Option(metavar="NAME", help=t("Show this task's options too.", "同时列出该任务的选项。"))]
Method = Annotated[str, typer.Option(metavar="NAME", help=t("Show this method's options.", "列出该方法的选项。"))]


def new(out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help=t(
            "Where to write it; else it is printed.", "写入的文件；默认打印。"))] = None,
        task: Task = "", method: Method = "", as_json: Json = False, quiet: Quiet = False, lang: Lang = None) -> None:
    """Every setting with its default and its explanation."""
    from weitiao.core.files import write_text
    from weitiao.recipe import Recipe

    given = {k: {"name": v} for k, v in (("task", task), ("method", method)) if v}
    recipe = Recipe.build(given)
    if out is None:
        _print(recipe, as_json)
        return
    if out.exists():
        raise RecipeError("recipe.exists", t("this file exists", "文件已存在"), where=str(out),
                          fix=t("choose another name with -o", "请用 -o 换一个文件名"))
    write_text(out, explained(recipe))
    Screen(quiet=quiet, as_json=as_json).result({"recipe": str(out)}, str(out))


def show(source: Source = None, as_json: Json = False, quiet: Quiet = False, lang: Lang = None) -> None:
    """The complete settings, defaults included."""
    from weitiao.recipe import Recipe

    _print(_read(source) if source else Recipe(), as_json)


def check(source: Annotated[Path, typer.Argument(metavar="FILE", help=t("A recipe in TOML.", "TOML 设置文件。"))],
          as_json: Json = False, quiet: Quiet = False, lang: Lang = None) -> None:
    """Ends with exit code 2 and the nearest right key where something is wrong."""
    recipe = _read(source)
    screen = Screen(quiet=quiet, as_json=as_json)
    if as_json:
        screen.result({"ok": True, "hash": recipe.hash})
    else:
        screen.say(t("{f}: every setting is right (recipe {h})", "{f}：设置全部正确（编号 {h}）", f=source,
                     h=recipe.hash))


def schema(as_json: Json = False, quiet: Quiet = False, lang: Lang = None) -> None:
    """For editors: completion and checks while a recipe is written."""
    from weitiao.recipe import Recipe

    Screen(as_json=True).result(Recipe.json_schema())


def explained(recipe: Recipe) -> str:
    """Complete TOML with the sentence that explains each key above it; reads back as the same recipe."""
    from weitiao import methods, tasks
    from weitiao.recipe import Recipe as Model

    values = json.loads(recipe.model_dump_json())
    lines = list(_keys({"seed": values["seed"]}, Model))
    for name, value in values.items():
        if name == "seed":
            continue
        lines += ["", f"[{name}]"]
        if name in ("task", "method"):
            package: Any = tasks if name == "task" else methods
            lines += [f"# {', '.join(package.names())}" + (", auto" if name == "task" else ""),
                      *_pair("name", value.pop("name"))]
            if value:
                lines += _keys(value, package.load(getattr(recipe, name)["name"]).Options)
        else:
            lines += _keys(value, type(getattr(recipe, name)), name)
    return "\n".join(lines) + "\n"


def _keys(values: dict[str, Any], model: type[BaseModel], section: str = "") -> Iterator[str]:
    """Comment and value of each key."""
    for key, value in values.items():
        field = model.model_fields[key]
        words = _choices(field.annotation)
        text = field.description or ""
        if any(w not in text for w in words):
            text += f" {'Any' if get_origin(field.annotation) is tuple else 'One'} of: {', '.join(words)}."
        yield from textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield from _pair(key, value)


def _choices(annotation: Any) -> list[str]:
    """The words that a setting accepts, where it accepts only some."""
    if get_origin(annotation) is Literal:
        return [str(x) for x in get_args(annotation)]
    return [w for x in get_args(annotation) for w in _choices(x) if w != "auto"]


def _pair(key: str, value: Any) -> Iterator[str]:
    """`key = value` on one line; a table is written inline, so that it can stand between other keys."""
    import tomli_w

    if isinstance(value, dict):
        inside = ", ".join(line for k, v in value.items() for line in _pair(k, v))
        yield f"{_bare(key)} = {{{inside}}}"
    elif isinstance(value, list) and value:
        yield f"{_bare(key)} = [{', '.join(_value(v) for v in value)}]"
    else:
        yield tomli_w.dumps({key: value}).rstrip("\n")


def _bare(key: str) -> str:
    import tomli_w

    return tomli_w.dumps({key: 0}).partition(" = ")[0]


def _value(value: Any) -> str:
    import tomli_w

    return tomli_w.dumps({"x": value}).rstrip("\n").partition(" = ")[2]


def _read(source: Path) -> Recipe:
    from weitiao.recipe import Recipe

    return Recipe.read(source / "recipe.toml" if source.is_dir() else source)


def _print(recipe: Recipe, as_json: bool) -> None:
    if as_json:
        Screen(as_json=True).result(json.loads(recipe.model_dump_json()))
    else:
        print_text(explained(recipe), end="")
