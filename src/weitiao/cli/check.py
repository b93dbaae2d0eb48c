"""`weitiao check reviews.csv`: what is wrong with the data, section by section, before anything is tuned.

Exit codes: 0 good or look (1 for look with --strict), 3 stop, and those of any command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weitiao.cli.guard import UsageError
from weitiao.cli.options import Encoding, Format, Json, Lang, Quiet, RecipeFile, Roles, pairs
from weitiao.cli.settings import named, recipe_of
from weitiao.core.i18n import t
from weitiao.screen import Screen

if TYPE_CHECKING:
    from weitiao.doctor import Checkup, Finding

LOOK, STOP = 1, 3
_SPOTS = 3  # of each finding on the screen
_STYLES = {"good": "green", "look": "yellow", "stop": "bold red"}


def check(
    data: Annotated[list[str], typer.Argument(metavar="DATA", show_default=False, help=t(
        "Files or folders with labelled rows.", "带标签的文件或目录。"))],
    validation: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows for choosing the best step.", "用于挑选最佳步数的数据。"))] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="FILE", help=t(
        "Rows for the final score.", "用于最终评分的数据。"))] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help=t(
        "Whose tokens are counted; else the one that tune would choose.",
        "用谁的分词器；默认与 tune 的选择相同。"))] = "",
    no_tokenizer: Annotated[bool, typer.Option("--no-tokenizer", help=t(
        "Do not count tokens.", "不统计词元。"))] = False,
    task: Annotated[str, typer.Option(metavar="NAME", help=t("Else guessed.", "默认自动判断。"))] = "",
    columns: Roles = "",
    format: Format = "auto",
    encoding: Encoding = "auto",
    recipe: RecipeFile = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=t(
        "Any setting: data.id=number.", "任意设置：data.id=number。"))] = None,
    section: Annotated[list[str] | None, typer.Option(metavar="NAME", help=t(
        "Only this section: shape, labels, forms, …", "只检查这一部分：shape、labels、forms 等。"))] = None,
    threshold: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help=t(
        "From where on something counts: labels.rare=20.", "调整阈值：labels.rare=20。"))] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help=t(
        "A folder for report.json, findings.jsonl, plan.toml and page.html; with --fix for the mended copy.",
        "输出目录：report.json、findings.jsonl、plan.toml、page.html；与 --fix 合用时存放修正后的副本。"))] = None,
    fix: Annotated[Path | None, typer.Option(metavar="PLAN", help=t(
        "Write a mended copy of the data to --out, as plan.toml says.",
        "按 plan.toml 把修正后的副本写到 --out。"))] = None,
    strict: Annotated[bool, typer.Option("--strict", help=t(
        "Exit with 1 where something is worth a look.", "有需要注意之处时退出码为 1。"))] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> int:
    """One parameter a flag; see `weitiao check --help`."""
    if fix is not None and out is None:
        raise UsageError("cli.fix_needs_out", t("--fix writes a copy: where to?", "--fix 会写出副本：写到哪里？"),
                         where="--fix", expected="weitiao check DATA --fix plan.toml --out DIR")
    whole = recipe_of(recipe, {
        "data": {"train": data, "validation": validation, "test": test, "columns": pairs(columns, "--columns"),
                 "format": named(format), "encoding": named(encoding)},
        "model": {"name": model}, "task": task}, set_ or [])
    limits = _thresholds(threshold or [])
    from weitiao import doctor

    with Screen(quiet=quiet, as_json=as_json) as screen:
        def progress(line: str) -> None:
            screen.say(line, style="dim")

        if fix is not None and out is not None:
            done = doctor.fix(whole, fix, out, thresholds=limits, tokenizer=not no_tokenizer, progress=progress)
            screen.result(done.as_dict(), *done.lines())
            return 0
        found = doctor.check(whole, out=out, sections=section or (), thresholds=limits, tokenizer=not no_tokenizer,
                             progress=progress)
        _show(screen, found)
        screen.result(found.as_dict(), *_last(found, quiet=quiet))
    return STOP if found.verdict == "stop" else LOOK if strict and found.verdict == "look" else 0


def _thresholds(given: list[str]) -> dict[str, dict[str, Any]]:
    """`labels.rare=20` as {"labels": {"rare": "20"}}. Raises UsageError `cli.bad_pairs`."""
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        path, eq, value = text.partition("=")
        section, dot, key = path.strip().partition(".")
        if not (eq and dot and section and key):
            raise UsageError("cli.bad_pairs", t("cannot read {p!r}", "无法解析 {p!r}", p=text), where="--threshold",
                             expected="--threshold labels.rare=20")
        found.setdefault(section, {})[key] = value.strip()
    return found


# -- the screen ----------------------------------------------------------------------------------------------------

def _verdict(verdict: str) -> str:
    return {"good": t("good", "良好"), "look": t("look", "注意"), "stop": t("STOP", "停止")}[verdict]


def _show(screen: Screen, found: Checkup) -> None:
    for section in found.sections.values():
        screen.say(f"{section.title}: {_verdict(section.verdict)}", style=_STYLES[section.verdict])
        for finding in section.findings:
            _finding(screen, finding)


def _finding(screen: Screen, finding: Finding) -> None:
    good = finding.verdict == "good"
    screen.say(f"  {_verdict(finding.verdict):<5} {finding.said}", style=None if good else _STYLES[finding.verdict])
    if good:
        return
    for spot in finding.spots[:_SPOTS]:
        place = f"{spot.source}:{spot.field}" if spot.field else spot.source
        screen.say(f"          {place}: {spot.text}" + (f"  [{spot.note}]" if spot.note else ""))
    if len(finding.spots) > _SPOTS:
        # Of some findings `count` counts other things than rows.
        more = max(finding.count, len(finding.spots)) - _SPOTS
        screen.say(t("          … and {n:,} more", "          …… 另有 {n:,} 处", n=more))
    if finding.threshold:
        screen.say(f"          ({finding.threshold})", style="dim")
    if finding.do:
        screen.say(t("          to do: {x}", "          请：{x}", x=finding.do))


def _last(found: Checkup, *, quiet: bool) -> list[str]:
    """The verdict, and where everything lies."""
    counts = ", ".join(f"{s.name} {_verdict(s.verdict)}" for s in found.sections.values())
    lines = [f"{_verdict(found.verdict)}: {counts}"]
    if found.folder is not None:
        lines.append(str(found.folder))
        if not quiet:
            lines[-1] = t("every row concerned: {f}; a page: {p}; what could be done: {m}",
                          "全部相关行：{f}；网页：{p}；可做的修正：{m}", f=found.folder / "findings.jsonl",
                          p=found.folder / "page.html", m=found.folder / "plan.toml")
    return lines
