"""The page of a plan: the recommendation, the candidates, the prices, what more labels would buy. From plan.json alone.

>>> html("reviews.csv", result)
'<!doctype html>...'
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from weitiao._version import __version__
from weitiao.core.i18n import t
from weitiao.metrics import LOWER_IS_BETTER, naming
from weitiao.planning import telling
from weitiao.report import charts, render
from weitiao.report.charts import Bar, Line

_TEMPLATE = Path(__file__).parent / "plan.html.j2"
_POINTS = 60


def html(name: str, result: Mapping[str, Any]) -> str:
    """One file without scripts that loads nothing."""
    return render(_TEMPLATE, escape=True, name=name, version=__version__, result=result,
                  advice=telling.advice(result), scores=scores(result), ranking=telling.ranking(result),
                  costs=telling.costs(result), notes=telling.notes(result), said=telling.curve(result),
                  curve=curve(result))


def scores(result: Mapping[str, Any]) -> Markup:
    """A dot with its interval for each candidate that has a score."""
    metric = result["metric"]
    bars = [Bar(telling.title(x["name"]), s["value"], s["low"], s["high"], naming.number(metric, s["value"]),
                naming.interval(metric, s["low"], s["high"]), main=x["name"] == result["advice"]["model"])
            for x in result["candidates"] if (s := x["score"])]
    return charts.intervals(bars, naming.tick(metric)) if bars else Markup("")


def curve(result: Mapping[str, Any]) -> Markup:
    """The measured points and the fitted curve up to twice the rows at hand, in the metric's own direction."""
    found = result["curve"]
    if not found:
        return Markup("")
    a, b, c = found["power"]
    lower = result["metric"] in LOWER_IS_BETTER
    factor = 1 if naming.kind(result["metric"]) == "plain" else 100

    def shown(error: float) -> float:
        return factor * (error if lower else 1 - error)

    rows = np.geomspace(found["sizes"][0], found["rows"] + found["step"], _POINTS)
    return charts.curves([
        Line(t("measured", "实测"), "validation",
             [(n, shown(e)) for n, e in zip(found["sizes"], found["errors"], strict=True)]),
        Line(t("fitted", "拟合"), "train", [(float(n), shown(a + b * n**-c)) for n in rows])],
        float(found["rows"]), best_name=t("rows at hand", "现有数据"), x_name=t("training rows", "训练行数"))
