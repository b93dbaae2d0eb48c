"""The stage report: a run's files in, one page that a person shows, and a model card; reads artefacts only.

    prepare/ select/ tune/ evaluate/ model/weitiao.json manifest.json  →  report.html  README.md  model/README.md

>>> report(recipe, run)

The page is one file without scripts that loads nothing. It is made by a template that escapes every value: a text of
the user is shown, never run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weitiao.core import files
from weitiao.core.i18n import language, t
from weitiao.recipe import Recipe
from weitiao.report import card, page
from weitiao.report.artefacts import read
from weitiao.run import Run

_HERE = Path(__file__).parent


def report(recipe: Recipe, run: Run) -> None:
    """Write report.html and README.md into the run's folder, and the card beside the weights as well.

    Raises RunError `run.unreadable` for a run that misses one of its files.
    """
    found = read(run)
    html = render(_HERE / "page.html.j2", escape=True, page=page.build(found, recipe))
    markdown = render(_HERE / "card.md.j2", escape=False, card=card.build(found, recipe))
    files.write_text(run.folder / "report.html", html)
    files.write_text(run.folder / "README.md", markdown)
    files.write_text(run.folder / "model" / "README.md", markdown)


def render(template: Path, *, escape: bool, **values: Any) -> str:
    """A template with its values, and beside them `t`, `lang` and `style`, the page's CSS; `escape`: it is HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    # Markdown is not HTML: the card escapes by its own filter.
    env = Environment(loader=FileSystemLoader(template.parent), autoescape=escape, undefined=StrictUndefined,  # noqa: S701
                      trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    env.filters["md"] = card.escape
    style = Markup((_HERE / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return env.get_template(template.name).render(t=t, lang=language(), style=style, **values)
