"""The end of a search: which recipe is chosen and why, the full run with it, result.json and the page.

>>> end(found, confirmed)
>>> files.read_json(run.folder / "result.json")["verdict"]["en"]
'the search gained +1.2 ± 0.8 points on 1,000 validation rows, 5 seeds (p=0.008): take it'

`result.json` holds

- `metric`, `maximise`, `folded`, `parts` (tunings of a trial), `rows` (judged);
- `trials`: `[{number, state, value, settings, seconds, metrics}]`, trial 0 being the default;
- `best`: the best trial's number; `gain`: see `gain.Gain`, or null; `verdict`: `{outcome, en, zh}`;
- `chosen`: "best" or "default"; `importances`: share of each setting;
- `budget`: `{asked, seconds, spent, forecast_final}`; `final`: scores.json of the full run, or null.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weitiao import events, pipeline
from weitiao.core import files
from weitiao.core.i18n import t
from weitiao.recipe import Recipe
from weitiao.searching import page
from weitiao.searching.confirm import Confirmed
from weitiao.searching.gain import sentence, spoken
from weitiao.searching.session import Search
from weitiao.searching.space import lookup
from weitiao.searching.trial import branch
from weitiao.searching.trials import reached


def plan(found: Search) -> Iterator[str]:
    """What is going to happen, in plain lines."""
    asked = found.run.manifest["search"]["budget"]
    parts, name = found.bench.parts, found.bench.metric
    rows = sum(len(p.judged) for p in parts)
    if found.bench.folded:
        how = t("cross-validated on {r:,} training rows in {k} folds", "在 {r:,} 条训练数据上做 {k} 折交叉验证", r=rows,
                k=len(parts))
    else:
        how = t("judged on {r:,} validation rows", "在 {r:,} 条验证数据上评估", r=rows)
    yield t("budget {b}; each trial {h} by {m}; no trial reads the test rows",
            "预算 {b}；每次试验{h}，以 {m} 为准；任何试验都不读取测试数据", b=asked, h=how, m=name)
    moved = []
    for key, dimension in found.space.dimensions.items():
        bounds = dimension.choices or dimension.bounds(lookup(found.recipe, key))
        sign = ", " if dimension.choices else "–"
        moved.append(f"{key.partition('.')[2]} {sign.join(_plain(x) for x in bounds)}")
    yield t("what moves (space.toml): {m}", "可变动的设置（space.toml）：{m}", m="; ".join(moved))


def end(found: Search, confirmed: Confirmed) -> None:
    """Say what was found, tune the chosen recipe in full, write everything down."""
    verdict = sentence(confirmed.gain, confirmed.why, folded=found.bench.folded)
    take = verdict["outcome"] == "take"
    chosen = found.recipe_of(found.study.trials[confirmed.trial]) if take else found.recipe
    files.write_text(found.run.folder / "chosen.toml", chosen.to_toml())
    found.on_event(events.Verdict((spoken(verdict),), str(found.run.folder)))
    before = found.clock.spent
    scores = _full(found, chosen, confirmed.trial if take else None) if found.final else None
    result = _result(found, confirmed, verdict, scores, before)
    files.write_text(found.run.folder / "report.html", page.html(found.run.folder.name, result))
    files.write_json(found.run.folder / "result.json", result)


def _full(found: Search, chosen: Recipe, trial: int | None) -> dict[str, Any]:
    """An ordinary run with the chosen recipe on the search's rows; here the test rows are read."""
    folder = found.run.folder / "best"
    if not (folder / "manifest.json").is_file():
        run = branch(found.run, folder, chosen, test=True)
        if trial is not None:
            _explain(found, chosen, trial)
            run.finish("select", chosen.hash, run.manifest["stages"]["select"]["seconds"])
    return pipeline.resume(folder, found.on_event).scores


def _explain(found: Search, chosen: Recipe, trial: int) -> None:
    """The decision's values are now the search's, and say so."""
    path = found.run.folder / "best" / "select" / "decision.json"
    decision = files.read_json(path)
    tune = decision["tune"]
    for key in found.space.dimensions:
        section, _, name = key.partition(".")
        if section == "tune" and lookup(chosen, key) != lookup(found.recipe, key):
            tune["values"][name] = lookup(chosen, key)
            tune["reasons"][name] = t("found by the search (trial {n})", "由搜索得出（试验 {n}）", n=trial)
    files.write_json(path, decision)


def _result(found: Search, confirmed: Confirmed, verdict: dict[str, str], scores: dict[str, Any] | None,
            before: float) -> dict[str, Any]:
    speeds = found.speeds()
    assert speeds is not None, "the default has come to its end"
    return {
        "metric": found.bench.metric, "maximise": found.bench.maximise, "folded": found.bench.folded,
        "parts": len(found.bench.parts), "rows": sum(len(p.judged) for p in found.bench.parts),
        "trials": [_trial(found, x.number) for x in found.study.trials],
        "best": confirmed.trial, "gain": confirmed.gain.as_dict() if confirmed.gain else None, "verdict": verdict,
        "chosen": "best" if verdict["outcome"] == "take" else "default", "importances": found.study.importances(),
        "budget": {"asked": found.run.manifest["search"]["budget"], "seconds": found.clock.budget,
                   "spent": round(found.clock.spent, 1), "spent_before_final": round(before, 1),
                   "forecast_final": round(found.shares(speeds).final, 1)},
        "final": scores,
    }


def _trial(found: Search, number: int) -> dict[str, Any]:
    trial = found.study.trials[number]
    attributes = trial.user_attrs
    done = attributes.get("state") == "done"
    recipe = found.recipe_of(trial)
    return {"number": number, "state": attributes.get("state", "cut"),
            "value": trial.value if done else reached(found, number),
            "settings": {key: lookup(recipe, key) for key in found.space.dimensions},
            "seconds": attributes.get("seconds", 0.0), "metrics": attributes.get("metrics", {}),
            "why": attributes.get("why", "")}


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
