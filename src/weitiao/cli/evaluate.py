"""`weitiao evaluate RUN other.csv`: the tuned model's scores on another labelled file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weitiao.cli.options import Encoding, Format, Json, Lang, Quiet, pairs
from weitiao.core.i18n import t
from weitiao.screen import Screen


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=t("A run's or a model's folder.", "运行目录或模型目录。"))],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help=t("Labelled rows.", "带标签的文件。"))],
    format: Format = "auto",
    encoding: Encoding = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> None:
    """One parameter a flag; see `weitiao evaluate --help`."""
