"""`weitiao certify RUN`: a table of what must be equal and how far it is apart on this model and these rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weitiao.cli.options import Json, Lang, Quiet
from weitiao.core.i18n import t
from weitiao.screen import Screen

if TYPE_CHECKING:
    from weitiao.certifying import Line

FAILED = 1


def certify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=t("A finished run's folder.", "已完成的运行目录。"))],
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=2, help=t(
        "Rows of each part that are used at most.", "每部分最多使用的行数。"))] = 64,
    check: Annotated[list[str] | None, typer.Option("--check", metavar="NAME", help=t(
        "Only this check; may be given again.", "只做该项检查，可多次给出。"))] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> int:
    """One parameter a flag; see `weitiao certify --help`."""
    from weitiao import certifying

    with Screen(quiet=quiet, as_json=as_json) as screen:
        lines = certifying.certify(run, rows=rows, checks=tuple(check or ()),
                                   progress=lambda line: screen.say(line, style="dim"))
        failed = [x for x in lines if not x.passed]
        if not (as_json or quiet):
            table(screen, lines)
        screen.result({"run": str(run), "passed": not failed, "lines": [x.as_dict() for x in lines]},
                      t("{k} of {n} hold", "{n} 项中 {k} 项成立", k=len(lines) - len(failed), n=len(lines)))
    return FAILED if failed else 0


def table(screen: Screen, lines: Sequence[Line]) -> None:
    """What was measured, a line each."""
    screen.table((t("invariant", "不变性"), t("measured", "实测"), t("tolerance", "容差"), t("result", "结果")),
                 [_row(x) for x in lines])


def _row(line: Line) -> tuple[str, str, str, str]:
    exact = line.unit in ("answers", "files")
    shown = [f"{x:g}" if exact else f"{x:.1e}" for x in (line.measured, line.tolerance)]
    return line.said, shown[0], shown[1], t("pass", "通过") if line.passed else t("FAIL", "不成立")
