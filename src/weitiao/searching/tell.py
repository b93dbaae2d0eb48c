"""A search's result as a person reads it in the terminal.

>>> lines(files.read_json(folder / "result.json"))
['41 trials, 17 of them to the end; the default reached 86.4 %, the best (trial 23) 87.9 %', ...]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weitiao.core.i18n import language, t
from weitiao.metrics import naming

_SHOWN = 3  # settings by importance


def lines(result: Mapping[str, Any]) -> list[str]:
    """How many trials there were, what moved most, what was chosen and why, and the time."""
    name, trials = result["metric"], result["trials"]
    best = next(x for x in trials if x["number"] == result["best"])
    out = [t("{n} trials, {d} of them to the end; the default reached {a}, the best (trial {b}) {v}",
             "{n} 次试验，其中 {d} 次完成；默认设置 {a}，最佳（试验 {b}）{v}", n=len(trials),
             d=sum(x["state"] == "done" for x in trials), a=naming.number(name, trials[0]["value"]), b=best["number"],
             v=naming.number(name, best["value"]))]
    if best["number"]:
        moved = [f"{k} = {_plain(v)} ({_plain(trials[0]['settings'][k])})" for k, v in best["settings"].items()
                 if v != trials[0]["settings"][k]]
        out.append(t("the best has (in brackets the default): {m}", "最佳设置（括号内为默认值）：{m}",
                     m=", ".join(moved)))
    if result["importances"]:
        shown = list(result["importances"].items())[:_SHOWN]
        out.append(t("what decided most: {m}", "影响最大的设置：{m}",
                     m=", ".join(f"{k} {100 * v:.0f} %" for k, v in shown)))
    out.append(result["verdict"][language()])
    budget = result["budget"]
    out.append(t("time: {s} of {b} s", "用时：{s} / {b} 秒", s=round(budget["spent"]), b=round(budget["seconds"])))
    return out


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
