"""`weitiao models`: the starters, which need no model hub; a folder or a hub's name works as `--model` too."""

from __future__ import annotations

from typing import Any

from weitiao.cli.options import Json, Lang, Quiet
from weitiao.core.i18n import t
from weitiao.screen import Screen


def models(as_json: Json = False, quiet: Quiet = False, lang: Lang = None) -> None:
    """One parameter a flag; see `weitiao models --help`."""
    from weitiao.models import catalogue

    known = catalogue()
    screen = Screen(quiet=quiet, as_json=as_json)
    if as_json or quiet:
        screen.result({"models": known}, *(m["name"] for m in known))
        return
    screen.table((t("name", "名称"), t("kind", "类型"), t("languages", "语言"), t("parameters", "参数量"),
                  t("download", "下载"), t("licence", "许可证"), t("here", "本机")), [_row(m) for m in known])
    screen.say(t("Also: --model FOLDER, or --model NAME of a model hub (--hub modelscope for ModelScope).",
                 "还可以：--model 目录，或 --model 模型站上的名字（魔搭用 --hub modelscope）。"), style="dim")


def _row(m: dict[str, Any]) -> tuple[str, ...]:
    licence = m["licence"] + ("" if m["automatic"] else t(" (only when named)", "（须显式指定）"))
    return (m["name"], m["kind"], ", ".join(m["languages"]), f"{m['parameters'] / 1e6:.0f} M", f"{m['megabytes']} MB",
            licence, t("yes", "有") if m["here"] else t("no", "无"))
