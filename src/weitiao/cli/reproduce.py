"""`weitiao reproduce RUN`: the run once more, and whether the same came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weitiao.cli.certify import FAILED, table
from weitiao.cli.options import Json, Lang, Quiet
from weitiao.core.i18n import t
from weitiao.screen import Screen


def reproduce(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=t("A finished run's folder.", "已完成的运行目录。"))],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help=t(
        "Folder of the second run; by default RUN-again.", "第二次运行的目录；默认 RUN-again。"))] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> int:
    """One parameter a flag; see `weitiao reproduce --help`."""
    from weitiao import reproducing

    with Screen(quiet=quiet, as_json=as_json) as screen:
        def before(different: list[str]) -> None:
            if different:
                screen.say(t("bytes cannot be equal here ({x}): compared with room for other last digits",
                             "此处无法逐字节相同（{x}）：比较时容许末位差异", x="; ".join(different)), style="yellow")
            else:
                screen.say(t("the same machine, libraries and threads: bytes must be equal",
                             "机器、库版本和线程数相同：应逐字节相同"))

        again = reproducing.reproduce(run, out or run.with_name(f"{run.name}-again"), on_event=screen.show,
                                      before=before)
        failed = [x for x in again.lines if not x.passed]
        if not (as_json or quiet):
            table(screen, again.lines)
        screen.result({"run": str(run), "again": str(again.folder), "passed": again.passed,
                       "otherwise": again.otherwise, "lines": [x.as_dict() for x in again.lines]},
                      t("reproduced", "已重现") if not failed else
                      t("not reproduced: {x}", "未能重现：{x}", x="; ".join(x.said for x in failed)))
    return FAILED if failed else 0
