"""A plan in sentences and tables, in the user's language. Made from plan.json alone.

>>> advice(result)
'take e5-small, full: its frozen features beat TF-IDF by 6.1 ± 1.2 points; about 4 min and 1.6 GB of memory here'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weitiao.core.i18n import t
from weitiao.evaluate import baselines
from weitiao.metrics import naming
from weitiao.planning.advice import priced
from weitiao.report.words import duration

LEAST = 0.003  # of the metric: a gain below that is nothing

Result = Mapping[str, Any]


def title(name: str) -> str:
    """A candidate's name for a person: a rung's title, else the base's own name."""
    return t(*baselines.load(name).TITLE) if name in baselines.names() else name


def advice(result: Result) -> str:
    """The recommendation with its reason."""
    found = result["advice"]
    if found["outcome"] == "none":
        return t("nothing that was looked at can be tuned here: name another base with --model",
                 "所考察的基座都无法在此微调：请用 --model 指定其他基座")
    chosen = _one(result, found["model"])
    if found["outcome"] == "rung":
        return _rung(result, chosen)
    price = priced(chosen)
    assert price is not None, "only what can be had is recommended"
    return t("take {m}, {w}: {y}; about {s} and {g:.1f} GB of memory here", "采用 {m}，{w}：{y}；本机约需 {s}、"
             "内存 {g:.1f} GB", m=found["model"], w=found["method"], y=_why(result, chosen),
             s=duration(price["seconds"]), g=price["memory_gb"])


def _one(result: Result, name: str) -> Mapping[str, Any]:
    one: Mapping[str, Any] = next(x for x in result["candidates"] if x["name"] == name)
    return one


def _rung(result: Result, chosen: Mapping[str, Any]) -> str:
    name, rival = title(chosen["name"]), result["advice"]["rival"]
    if not rival:
        return t("{n} is the honest answer: no base can be tuned here", "{n} 就是合适的答案：本机无法微调任何基座",
                 n=name)
    return t("{n} is the honest answer: it is ahead of the best frozen base, {b}, by {d}, more than tuning mostly adds",
             "{n} 就是合适的答案：它比最好的冻结基座 {b} 高出 {d}，超过微调通常带来的提升", n=name, b=rival,
             d=_difference(chosen["against"][rival]))


def _why(result: Result, chosen: Mapping[str, Any]) -> str:
    found = result["advice"]
    if not chosen["score"]:
        return t("this task is not ranked without tuning, and it is the smallest that suits it",
                 "该任务无法在不微调的情况下排序，它是适用的基座中最小的")
    parts = [_beside(chosen["against"][found["rival"]], title(found["rival"]))] if found["rival"] else []
    if found["best"] != chosen["name"]:
        parts.append(t("{b} is not established to be better ({d}) and costs more",
                       "{b} 未被证实更好（{d}），代价却更高",
                       b=found["best"], d=_difference(_one(result, found["best"])["against"][chosen["name"]])))
    return "; ".join(parts) or t("the best of those looked at", "所考察的基座中最好")


def _beside(pair: Mapping[str, Any], rival: str) -> str:
    """How the frozen base stands beside the best classical rung."""
    difference = _difference(pair)
    if pair["p"] >= 0.05 or pair["low"] is None or pair["low"] * pair["high"] <= 0:
        return t("frozen it is as good as {r} ({d}), and tuning adds to that", "冻结时与 {r} 相当（{d}），微调还会提升",
                 r=rival, d=difference)
    if pair["difference"] > 0:
        return t("its frozen features beat {r} by {d}", "其冻结特征比 {r} 高 {d}", r=rival, d=difference)
    return t("frozen it is behind {r} ({d}), which tuning may or may not make up",
             "冻结时不及 {r}（{d}），微调未必能弥补",
             r=rival, d=difference)


def _difference(pair: Mapping[str, Any], *, size: bool = False) -> str:
    """`6.1 ± 1.2 points`; the interval's half width stands for it. `size`: without its sign."""
    name, value = pair["metric"], abs(pair["difference"]) if size else pair["difference"]
    half = "" if pair["low"] is None else f" ± {naming.bare(name, (pair['high'] - pair['low']) / 2)}"
    return f"{naming.bare(name, value)}{half}{_unit(name)}"


def _unit(name: str) -> str:
    return t(" points", " 个百分点") if naming.kind(name) == "share" else ""


def curve(result: Result) -> list[str]:
    """What more labels are expected to buy, and what that is judged by; nothing where there is no curve."""
    found = result["curve"]
    if not found:
        return []
    name, gain = result["metric"], found["gain"]
    far = max(gain["high"] - gain["value"], gain["value"] - gain["low"])  # the interval is not symmetric
    lines = [t("{k:,} more labels are expected to buy {g} ± {h}{u} (judged by {j} on {s:,} of {n:,} training rows, not "
               "by tuning)", "再增加 {k:,} 条标注预计提升 {g} ± {h}{u}（由{j}在 {n:,} 条训练数据中的 {s:,} 条上估计，"
               "并非微调结果）", k=found["step"], g=naming.bare(name, gain["value"]), u=_unit(name),
               h=naming.bare(name, far), j=_judge(result, found["judge"]), s=result["sample"], n=result["rows"])]
    least = f"{naming.bare(name, found['least'])}{_unit(name)}"
    lines.append(t("so many buy less than {l} after {n:,} rows", "达到 {n:,} 条之后，同样数量的提升不足 {l}", l=least,
                   n=found["enough"]) if found["enough"] else
                 t("no end of that is in sight within a hundred times the rows at hand",
                   "在现有数据量的一百倍以内看不到收益的尽头"))
    return lines


def _judge(result: Result, name: str) -> str:
    if _one(result, name)["rung"]:
        return title(name)
    return t("a linear model on frozen {n}", "冻结的 {n} 之上的线性模型", n=name)


def notes(result: Result) -> list[str]:
    """What a person should know about the comparison."""
    lines = [t("{n}: {w}", "{n}：{w}", n=x["name"], w=x["unfit"]) for x in result["candidates"] if x["unfit"]]
    # From benchmarks/results/ranking.md, the bases as they were published.
    if result["kind"] == "sequence" and sum(not x["rung"] and x["score"] is not None for x in result["candidates"]) > 1:
        lines.append(t("how far frozen features can be trusted: on 7 data sets the base that they put first was 2.6 "
                       "points behind the best tuned one in the mean (13.5 at most), the largest base 13; tuning may "
                       "turn ten points round",
                       "冻结特征的可信程度：在 7 个数据集上，由它排在首位的基座平均比微调后最好的低 2.6 个百分点"
                       "（最多 13.5），而直接取最大的基座平均低 13；微调可能扭转十个百分点的差距"))
    if result["pairs"]:
        lines.append(t("of pairs frozen features say little: what two texts are to one another is learnt by tuning, "
                       "which added some 50 points on one data set",
                       "对于文本对，冻结特征说明不了多少：两段文本之间的关系要靠微调学会，"
                       "在一个数据集上微调提升了约 50 个百分点"))
    if result["usual"]:
        lines.append(t("usual for this language on the hub, and not looked at: {u} (add with --model)",
                       "模型站上该语言常用、此次未考察：{u}（用 --model 加入）", u=", ".join(result["usual"])))
    else:
        lines.append(t("no model hub can be reached: only what is on this machine and in the package index was looked "
                       "at", "无法访问模型站：只考察了本机和包索引中的基座"))
    return lines


# -- tables --------------------------------------------------------------------------------------------------------

def ranking(result: Result) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each candidate with its scores and the seconds that it took."""
    name = result["metric"]
    how = t("{m}, {k} folds", "{m}，{k} 折", m=naming.metric(name), k=result["folds"]) if result["folds"] > 1 else \
        naming.metric(name) if name else t("score", "分数")
    head = [t("candidate", "候选"), t("parameters", "参数量"), how, "LogME", t("took", "用时")]
    rows = [[title(x["name"]), f"{x['parameters'] / 1e6:.0f} M" if x["parameters"] else "–", _score(x["score"]),
             _plain(x["logme"]), duration(x["seconds"])] for x in result["candidates"]]
    return head, rows


def _score(score: Mapping[str, Any] | None) -> str:
    if not score:
        return "–"
    name = score["name"]
    return f"{naming.number(name, score['value'])} {naming.interval(name, score['low'], score['high'])}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def costs(result: Result) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each base and method with its price."""
    head = [t("base", "基座"), t("method", "方法"), t("time", "时间"), t("memory", "内存"), t("disk", "磁盘"), ""]
    rows = [[x["name"], p["method"], *_price(p)] for x in result["candidates"] for p in x["prices"]]
    rows += [[x["name"], "–", "–", "–", "–", _behind(result, x)] for x in result["candidates"] if x["behind"]]
    return head, rows


def _behind(result: Result, one: Mapping[str, Any]) -> str:
    return t("not priced: frozen it is behind {b} by {d} (--model {n} prices it all the same)",
             "未估价：冻结时落后 {b} {d}（加 --model {n} 仍会估价）", b=one["behind"],
             d=_difference(one["against"][one["behind"]], size=True), n=one["name"])


def _price(price: Mapping[str, Any]) -> Sequence[str]:
    if not price["memory_gb"]:
        return ("–", "–", "–", price["unfit"])
    return (duration(price["seconds"]), f"{price['memory_gb']:.1f} GB", f"{price['disk_gb']:.1f} GB",
            t("does not fit: {w}", "放不下：{w}", w=price["unfit"]) if price["unfit"] else "")
