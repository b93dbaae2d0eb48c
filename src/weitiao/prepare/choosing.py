"""Which task a table is for: each task makes its claim, the strongest wins, and its reason is kept.

>>> choose(recipe, profile).name
'classify'
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weitiao import tasks
from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.recipe import Recipe
from weitiao.tasks import Guess, TableProfile

_CLAIM = 0.5  # a weaker claim counts only when the user names the task


@dataclass(frozen=True, slots=True)
class Choice:
    """A task made for the table, and why this one."""

    name: str
    task: tasks.Task
    reason: str


def choose(recipe: Recipe, profile: TableProfile) -> Choice:
    """The task of the recipe, or the one with the strongest claim.

    Raises DataError: `data.missing_column` for a column that the user named and the table has not, `data.no_task`
    when no task can read the table, or two claim it alike.
    """
    named = recipe.data.columns
    require([c.name for c in profile.columns], list(named.values()))
    fixed = recipe.task["name"]
    claims: dict[str, Guess] = {}
    for name in tasks.names() if fixed == "auto" else (fixed,):
        guess = tasks.load(name).Task.guess(profile, named)
        if guess is not None and (fixed != "auto" or guess.strength >= _CLAIM):
            claims[name] = guess
    best = max((g.strength for g in claims.values()), default=0.0)
    winners = [name for name, g in claims.items() if g.strength == best]
    if len(winners) != 1:
        raise _no_task(fixed, winners, profile)
    name, guess = winners[0], claims[winners[0]]
    return Choice(name, tasks.make(name, _options(recipe, name, guess), guess.columns), guess.reason)


def _options(recipe: Recipe, name: str, guess: Guess) -> Mapping[str, object]:
    """What the recipe says where it says more than the default, else what the table says."""
    given = {k: v for k, v in recipe.task.items() if k != "name"}
    default = tasks.load(name).Options().model_dump(mode="json")
    said = {k: v for k, v in given.items() if k not in default or v != default[k]}
    # Through the recipe, so that a wrong option ends in its own message.
    checked = recipe.updated({"task": {"name": name, **guess.options, **said}}).task
    return {k: v for k, v in checked.items() if k != "name"}


def require(there: Sequence[str], wanted: Sequence[str], where: str = "") -> None:
    """Raise DataError `data.missing_column` for the first wanted column that is not there, with the nearest name."""
    for column in wanted:
        if column in there:
            continue
        close = difflib.get_close_matches(column, there, n=1, cutoff=0.4)
        raise DataError("data.missing_column", t("there is no column {c!r}", "没有名为 {c!r} 的列", c=column),
                        where=where, expected=", ".join(there[:30]),
                        fix=t("did you mean {x!r}?", "是不是 {x!r}？", x=close[0]) if close else
                        t("name the right columns with --columns", "请用 --columns 指明各列"))


def _no_task(fixed: str, winners: Sequence[str], profile: TableProfile) -> DataError:
    kinds = {"text": t("text", "文本"), "number": t("numbers", "数值"), "list": t("lists", "列表"),
             "object": t("objects", "对象"), "empty": t("empty", "空")}
    columns = "; ".join(
        t("{n} ({k}, {d} different, e.g. {e})", "{n}（{k}，{d} 种取值，例如 {e}）", n=c.name, k=kinds[c.kind],
          d=c.distinct, e=" / ".join(c.examples) or "-") for c in profile.columns[:20])
    if winners:
        return DataError("data.no_task", t("several tasks fit this table: {w}", "这张表适合多种任务：{w}",
                                           w=", ".join(winners)),
                         expected=columns, fix=t("name one with --task {w}", "请用 --task {w} 指明", w=winners[0]))
    if fixed == "auto":
        roles = {name: ",".join(f"{r}=…" for r in tasks.load(name).SAMPLES[0].columns) for name in tasks.names()}
        return DataError(
            "data.no_task", t("no task can be read off this table; its columns are: {c}",
                              "看不出这张表是做什么任务的；现有各列：{c}", c=columns),
            expected="; ".join(f"{name}: {asked}" for name, asked in roles.items()),
            fix=t("name the task and its columns: --task generate --columns {c}",
                  "请指明任务和各列：--task generate --columns {c}", c=roles["generate"]))
    asked = tasks.load(fixed).SAMPLES[0].columns
    return DataError("data.no_task", t("the table does not fit the task {n}; its columns are: {c}",
                                       "这张表不适合任务 {n}；现有各列：{c}", n=fixed, c=columns),
                     expected=t("columns for {r}", "以下各列：{r}", r=", ".join(asked)),
                     fix=t("say which is which: --columns {c}", "请指明各列：--columns {c}",
                           c=",".join(f"{r}=…" for r in asked)))
