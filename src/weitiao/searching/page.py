"""The page of a search: the verdict, its history, what decided, every trial. Made from result.json alone.

>>> html("reviews-1", files.read_json(folder / "result.json"))
'<!doctype html>...'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from weitiao._version import __version__
from weitiao.core.i18n import language, t
from weitiao.metrics import naming
from weitiao.report import charts, render, words
from weitiao.report.charts import WIDTH, dot, rule, scale, svg, text, ticks

_TEMPLATE = Path(__file__).parent / "search.html.j2"
_LEFT, _RIGHT, _TOP = 64.0, WIDTH - 16.0, 18.0
_ROW = 26
_KINDS = {"done": "main", "pruned": "base", "cut": "base", "failed": "base"}


def html(name: str, result: Mapping[str, Any]) -> str:
    """One file without scripts that loads nothing."""
    trials = [x for x in result["trials"] if x["value"] is not None]
    return render(
        _TEMPLATE, escape=True, name=name, version=__version__, result=result,
        verdict=result["verdict"][language()], metric=naming.metric(result["metric"]), cards=_cards(result),
        history=history(trials, result), importances=importances(result["importances"]),
        parallel=parallel(trials, result), keys=[_short(k) for k in result["trials"][0]["settings"]],
        rows=[_line(x, result) for x in _ranked(result)], states=_states(),
        final=result["final"]["verdict"][language()] if result["final"] else "")


def _cards(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and note of each."""
    name, first = result["metric"], result["trials"][0]
    best = next(x for x in result["trials"] if x["number"] == result["best"])
    states = [x["state"] for x in result["trials"]]
    return [
        (t("default", "默认设置"), naming.number(name, first["value"]), naming.metric(name)),
        (t("best trial", "最佳试验"), naming.number(name, best["value"]),
         t("trial {n}; the luckiest of {k}: see the gain", "试验 {n}；{k} 次中最幸运的一次，请看增益",
           n=best["number"], k=len(states))),
        (t("trials", "试验次数"), str(len(states)), t("{d} to the end, {p} stopped early", "{d} 次完成，{p} 次提前停止",
                                                  d=states.count("done"), p=len(states) - states.count("done"))),
        (t("time", "用时"), words.duration(result["budget"]["spent"]),
         t("budget {b}", "预算 {b}", b=result["budget"]["asked"])),
    ]


def _ranked(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that came to their end first, the best first."""
    sign = -1 if result["maximise"] else 1
    return sorted(result["trials"], key=lambda x: (x["state"] != "done", x["value"] is None,
                                                   sign * (x["value"] or 0.0), x["number"]))


def _line(trial: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    value = "" if trial["value"] is None else naming.number(result["metric"], trial["value"])
    return {"number": trial["number"], "value": value, "state": trial["state"],
            "seconds": words.duration(trial["seconds"]), "why": trial["why"],
            "settings": [_plain(v) for v in trial["settings"].values()]}


def _states() -> dict[str, str]:
    return {"done": t("to the end", "完成"), "pruned": t("stopped early", "提前停止"),
            "cut": t("out of time", "时间用完"), "failed": t("failed", "失败")}


# -- charts -----------------------------------------------------------------------------------------------------------


def history(trials: Sequence[Mapping[str, Any]], result: Mapping[str, Any], height: float = 240) -> Markup:
    """A dot a trial, the line of the best so far, the default dashed."""
    values = [x["value"] for x in trials]
    pad = 0.08 * (max(values) - min(values)) or 0.05
    last = max(1, trials[-1]["number"])
    x = scale(0, last, _LEFT + 8, _RIGHT - 8)
    y = scale(min(values) - pad, max(values) + pad, height - 34, _TOP)
    tick = naming.tick(result["metric"])
    parts = [rule(_LEFT, y(v), _RIGHT, y(v), "grid") + text(_LEFT - 8, y(v) + 4, tick(v), "tick", "end")
             for v in ticks(min(values) - pad, max(values) + pad, 4)]
    parts += [text(x(v), height - 16, f"{v:g}", "tick", "middle") for v in ticks(0, last, 8) if v == int(v)]
    parts.append(text(_RIGHT, height - 2, t("trial", "试验"), "tick", "end"))
    parts.append(rule(_LEFT, y(values[0]), _RIGHT, y(values[0]), "best"))
    better: Callable[..., Any] = max if result["maximise"] else min
    best, points = values[0], []
    for trial in trials:
        if trial["state"] == "done":
            best = better(best, trial["value"])
        points.append((trial["number"], best))
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    parts.append(Markup('<polyline points="{}" class="line validation"/>').format(path))
    parts += [dot(x(k["number"]), y(k["value"]), 4, f"dot {_KINDS[k['state']]}",
                  f"{k['number']}: {naming.number(result['metric'], k['value'])}") for k in trials]
    return svg(height, *parts)


def importances(shares: Mapping[str, float]) -> Markup:
    """A bar a setting, the largest first; nothing where they are not known."""
    if not shares:
        return Markup("")
    left = 210
    width = scale(0, max(shares.values()) or 1.0, 0, WIDTH - left - 80)
    parts = []
    for i, (name, share) in enumerate(shares.items()):
        top = 8 + i * _ROW
        parts.append(text(left - 14, top + 15, charts.shorten(_short(name), 30), "name", "end"))
        parts.append(Markup('<rect x="{}" y="{}" width="{:.1f}" height="{}" class="bar"/>').format(
            left, top, max(1.0, width(share)), _ROW - 8))
        parts.append(text(left + max(1.0, width(share)) + 8, top + 15, f"{100 * share:.0f} %", "tick"))
    return svg(16 + _ROW * len(shares), *parts)


def parallel(trials: Sequence[Mapping[str, Any]], result: Mapping[str, Any], height: float = 280) -> Markup:
    """A line a trial over an axis for each setting and one for the value; the best few stand out."""
    done = [x for x in trials if x["state"] == "done"]
    if len(done) < 2:
        return Markup("")
    keys = list(done[0]["settings"])
    x = scale(0, len(keys), 50, WIDTH - 40)
    columns = [[d["settings"][k] for d in done] for k in keys] + [[d["value"] for d in done]]
    axes = [_axis(column, 62, height - 26) for column in columns]
    parts: list[Markup] = []
    names = [*map(_short, keys), naming.metric(result["metric"])]
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        parts.append(rule(x(i), 62, x(i), height - 26, "grid"))
        # Neighbours' names stand on two lines, so that long ones do not meet.
        parts.append(text(x(i), 14 if i % 2 else 32, charts.shorten(name, 22), "name", "middle"))
        ordered = sorted(set(column), key=axes[i])
        parts += [text(x(i), 54, _plain(ordered[0]), "tick", "middle"),
                  text(x(i), height - 10, _plain(ordered[-1]), "tick", "middle")]
    sign = -1 if result["maximise"] else 1
    first = {d["number"] for d in sorted(done, key=lambda d: sign * d["value"])[:3]}
    for trial, values in zip(done, zip(*columns, strict=True), strict=True):
        path = " ".join(f"{x(i):.1f},{axes[i](v):.1f}" for i, v in enumerate(values))
        kind = "validation" if trial["number"] in first else "train thin"
        parts.append(Markup('<polyline points="{}" class="line {}"><title>{}</title></polyline>').format(
            path, kind, trial["number"]))
    return svg(height, *parts)


def _axis(column: Sequence[Any], top: float, bottom: float) -> Callable[[Any], float]:
    """Numbers on a scale, logarithmic where they span more than a factor of 4; names and mixtures by their order."""
    if all(isinstance(v, (int, float)) for v in column):
        low, high = min(column), max(column)
        if low > 0 and high > 4 * low:
            along = scale(math.log(low), math.log(high), bottom, top)
            return lambda v: along(math.log(v))
        return scale(low, high, bottom, top)
    order = sorted(set(map(str, column)))
    along = scale(0, max(1, len(order) - 1), bottom, top)
    return lambda v: along(order.index(str(v)))


def _short(key: str) -> str:
    """`tune.learning_rate` as it is called in its section: this is how it is found in space.toml."""
    return key.removeprefix("tune.")


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
