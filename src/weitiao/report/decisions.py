"""What was decided and why, and what it takes to get the same result again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from weitiao.core.i18n import t
from weitiao.recipe import Recipe
from weitiao.report import words
from weitiao.report.view import Decision, Fact


def decisions(recipe: Recipe, decision: Mapping[str, Any], plan: Mapping[str, Any], seconds: float,
              costs: Mapping[str, Any]) -> tuple[Decision, ...]:
    """One line a decision, from select/decision.json and tune/plan.json; time and memory beside their forecast (the
    measured one of tune/costs.json where the run was long enough for it)."""
    return (*_decisions(recipe, decision, plan), *_costs(decision["forecast"], seconds, costs))


def _decisions(recipe: Recipe, decision: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[Decision]:
    base = decision["base"]
    name = f"{base['name']} ({words.parameters(base['parameters'])})"
    yield Decision(t("base model", "基座模型"), name, base["reason"])
    yield Decision(t("method", "方法"), str(recipe.method["name"]), _options(recipe.method))
    length = decision["max_length"]
    yield Decision(words.setting("max_length"), str(length["value"]), length["reason"])
    reasons = decision["tune"]["reasons"]
    for name, value in decision["tune"]["values"].items():
        yield Decision(words.setting(name), _plain(value), reasons.get(name, ""))
    for name in ("precision", "device"):
        yield Decision(words.setting(name), str(plan[name]), plan["reasons"].get(name, ""))


def _costs(planned: Mapping[str, Any], seconds: float, costs: Mapping[str, Any]) -> Iterator[Decision]:
    told = costs["forecast"] or planned
    yield Decision(t("time", "时间"), words.duration(seconds),
                   t("forecast: {f}", "预计：{f}", f=words.duration(told["seconds"])))
    if costs["took"]["memory_gb"] is not None:
        yield Decision(t("memory", "内存"), f"{costs['took']['memory_gb']:.1f} GB",
                       t("forecast: {f}", "预计：{f}", f=f"{told['memory_gb']:.1f} GB"))


def _options(plugin: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} = {v}" for k, v in plugin.items() if k != "name" and v is not None)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def facts(recipe: Recipe, manifest: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Versions, hashes and hardware that the result depends on."""
    machine = manifest["machine"]
    libraries = ", ".join(f"{k} {v}" for k, v in machine["libraries"].items())
    threads = t(", {n} threads", "，{n} 线程", n=machine["threads"]) if "threads" in machine else ""
    rows = [
        Fact(t("recipe", "配方"), f"{recipe.hash}  (recipe.toml)"),
        Fact(t("data", "数据"), report["fingerprint"]["all"]),
        *(Fact(name, f"SHA-256 {digest}") for name, digest in report["fingerprint"]["files"].items()),
        Fact("weitiao", manifest["weitiao"]),
        Fact(t("libraries", "库"), libraries),
        Fact(t("machine", "机器"), f"{machine['processor']}, {machine['cpus']} CPU{threads}; {machine['platform']}; "
                                   f"Python {machine['python']}"),
        Fact(t("seed", "随机种子"), str(recipe.seed)),
    ]
    return tuple(rows)


def next_commands(folder: Path, recipe: Recipe) -> str:
    """How to predict with the model and score it on other rows, from the shell and from Python."""
    run, example = shlex.quote(str(folder)), shlex.quote((recipe.data.test or recipe.data.train)[0])
    return "\n".join([
        f"weitiao predict {run} {example} -o predictions.csv",
        f"weitiao evaluate {run} {example}",
        f'python -c "import weitiao; print(weitiao.load({str(folder)!r}).predict([…]))"',
    ])


def again(folder: Path) -> str:
    """The command that repeats the run."""
    recipe, out = shlex.quote(str(folder / "recipe.toml")), shlex.quote(f"{folder}-again")
    return f"weitiao tune --recipe {recipe} --out {out}"
