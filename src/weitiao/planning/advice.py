"""From scores and prices to one recommendation: which base, which method, or the classical rung.

>>> advise(result)
{'outcome': 'base', 'model': 'e5-small', 'method': 'full', 'rival': 'tfidf', 'best': 'e5-small', 'judge': 'e5-small'}

- The best base is the one whose frozen features score best. Where another is not established to be worse, is at most a
  point behind and costs less, that one is taken: the cheaper of two that nothing tells apart.
- The dearest method that fits the machine is taken (full, then lora, then the head alone).
- A classical rung is the answer where no base fits, or where it is ahead of every frozen base by more than tuning
  mostly adds. Not of pairs: how two texts stand to one another is what a frozen base has not learnt to say, and what
  tuning adds most to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weitiao.metrics import LOWER_IS_BETTER

NEAR = 0.01  # of the metric: a point
TUNING_ADDS = 0.1  # of the metric, beside a rung on the same rows: seldom more (benchmarks/results/ranking.md)

One = Mapping[str, Any]  # a candidate of plan.json


def advise(result: Mapping[str, Any]) -> dict[str, str]:
    """`outcome`: base (tune `model` by `method`), rung (`model` is a classical one) or none. `best`: the base with the
    best score; `rival`: what `model` is held against (the best rung, for a rung the best base; "" where there is none);
    `judge`: the best of all that have a score."""
    sign = -1 if result["metric"] in LOWER_IS_BETTER else 1
    found: Sequence[One] = result["candidates"]
    rungs = _ranked([x for x in found if x["rung"] and x["score"]], sign)
    scored = _ranked([x for x in found if not x["rung"] and x["score"] and method(x)], sign)
    judges = _ranked([*rungs, *scored], sign)
    judge = judges[0]["name"] if judges else ""
    if not scored:
        return {**_unranked(found, rungs), "judge": judge}
    best = scored[0]
    if rungs and not result["pairs"] and _ahead(rungs[0], best, sign) > TUNING_ADDS:
        return {"outcome": "rung", "model": rungs[0]["name"], "method": "", "rival": best["name"],
                "best": best["name"], "judge": judge}
    taken = min([best, *(x for x in scored[1:] if _near(best, x, sign))], key=seconds)
    return {"outcome": "base", "model": taken["name"], "method": method(taken),
            "rival": rungs[0]["name"] if rungs else "", "best": best["name"], "judge": judge}


def order(result: Mapping[str, Any]) -> list[One]:
    """The bases that can be priced: best score first, then those without one."""
    sign = -1 if result["metric"] in LOWER_IS_BETTER else 1
    found = [x for x in result["candidates"] if not x["rung"]]
    return [*_ranked([x for x in found if x["score"]], sign), *(x for x in found if not x["score"])]


def leader(result: Mapping[str, Any], one: One) -> str:
    """Name of the best base that is known to fit, where `one` is so far behind it that it will not be taken whatever
    it costs; else ""."""
    sign = -1 if result["metric"] in LOWER_IS_BETTER else 1
    best = next((x for x in order(result) if x["score"] and method(x)), None)
    return "" if best is None or not one["score"] or best is one or _near(best, one, sign) else str(best["name"])


def _unranked(found: Sequence[One], rungs: Sequence[One]) -> dict[str, str]:
    """Where no base has a score: the smallest that can be tuned at all, else the best rung."""
    able = sorted((x for x in found if not x["rung"] and method(x)), key=lambda x: (x["unfit"] != "", x["parameters"]))
    if able:
        return {"outcome": "base", "model": able[0]["name"], "method": method(able[0]), "rival": "", "best": ""}
    if rungs:
        return {"outcome": "rung", "model": rungs[0]["name"], "method": "", "rival": "", "best": ""}
    return {"outcome": "none", "model": "", "method": "", "rival": "", "best": ""}


def _ranked(found: Sequence[One], sign: int) -> list[One]:
    return sorted(found, key=lambda x: -sign * float(x["score"]["value"]))


def _ahead(first: One, second: One, sign: int) -> float:
    return sign * float(first["against"][second["name"]]["difference"])


def _near(best: One, other: One, sign: int) -> bool:
    """Is it not established that `best` is better, and by a point at most?"""
    pair = best["against"][other["name"]]
    established = pair["p"] < 0.05 and pair["low"] is not None and sign * pair["low"] > 0 and sign * pair["high"] > 0
    return not established and _ahead(best, other, sign) <= NEAR


def priced(one: One) -> Mapping[str, Any] | None:
    """The price of the first method that can be had; None where there is none."""
    return next((p for p in one["prices"] if not p["unfit"]), None)


def method(one: One) -> str:
    """The first method that can be had, "" where there is none."""
    found = priced(one)
    return found["method"] if found else ""


def seconds(one: One) -> float:
    """Of tuning by that method."""
    found = priced(one)
    return float(found["seconds"]) if found else float("inf")
