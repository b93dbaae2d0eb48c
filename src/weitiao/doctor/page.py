"""The findings as one self-contained HTML page: a verdict for each section, and the rows behind each finding.

>>> render(checkup, recipe).startswith("<!doctype html>")
True

It holds no script and loads nothing; every value is escaped by the template. The style is that of a run's report.
"""

from __future__ import annotations

from pathlib import Path

from weitiao._version import __version__
from weitiao.core.i18n import t
from weitiao.doctor import VERDICTS, Checkup
from weitiao.recipe import Recipe
from weitiao.report import render as filled

_TEMPLATE = Path(__file__).parent / "page.html.j2"


def render(found: Checkup, recipe: Recipe) -> str:
    """The page in the user's language."""
    said = {"good": t("good", "良好"), "look": t("look", "注意"), "stop": t("stop", "停止")}
    headline = {"good": t("Nothing stands in the way of tuning on this data", "数据没有问题，可以用于微调"),
                "look": t("Read these rows before you tune on this data", "微调之前请先看这些数据"),
                "stop": t("Do not tune on this data yet", "请先不要用这份数据微调")}[found.verdict]
    sections = [(section, sorted(section.findings, key=lambda f: -VERDICTS.index(f.verdict)))
                for section in found.sections.values()]
    return filled(_TEMPLATE, escape=True, found=found, said=said, headline=headline, sections=sections,
                  name=", ".join(recipe.data.train), version=__version__)
