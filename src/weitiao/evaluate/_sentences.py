"""The verdict in one plain sentence, in both languages, and the lines for the screen.

>>> sentence(score, paired, "tfidf")["en"]
'fine-tuning beats TF-IDF by 4.1 ± 0.6 points (n=1,200, p=0.001)'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weitiao.core.i18n import language, t
from weitiao.evaluate import baselines
from weitiao.metrics import LOWER_IS_BETTER, Score, naming
from weitiao.metrics.paired import Paired


def sentence(score: Score, paired: Paired | None, baseline: str) -> dict[str, str]:
    """`{"en", "zh", "outcome"}` of the tuned model's primary score and its comparison with the best baseline.

    The outcome is better, worse, open (no difference is established) or alone (there is no baseline).
    """
    if paired is None:
        value = naming.number(score.name, score.value) + _interval(score.name, score.low, score.high)
        en, zh = naming.both(score.name)
        return {"outcome": "alone",
                "en": f"{en} {value} on {score.n:,} rows; there is no baseline to compare it with",
                "zh": f"{score.n:,} 条数据上{zh} {value}；没有可比较的基线"}
    en, zh = baselines.load(baseline).TITLE
    p = "p<0.001" if paired.p < 0.001 else f"p={paired.p:.3f}"
    rows_en, rows_zh = f"(n={paired.n:,}, {p})", f"（n={paired.n:,}，{p}）"
    unit_en, unit_zh = _units(paired.metric)
    if paired.verdict == 0:
        gap = naming.bare(paired.metric, paired.difference, sign=True)
        span = _interval(paired.metric, paired.low, paired.high, plain=True)
        return {"outcome": "open",
                "en": f"not established: fine-tuning and {en} differ by {gap}{span}{unit_en} {rows_en}",
                "zh": f"尚不能断定：微调与 {zh} 相差 {gap}{span}{unit_zh}{rows_zh}"}
    assert paired.low is not None and paired.high is not None
    around = naming.bare(paired.metric, (paired.high - paired.low) / 2)
    gap = f"{naming.bare(paired.metric, abs(paired.difference))} ± {around}"
    more = "低" if paired.metric in LOWER_IS_BETTER else "高"
    if paired.verdict > 0:
        return {"outcome": "better", "en": f"fine-tuning beats {en} by {gap}{unit_en} {rows_en}",
                "zh": f"微调比 {zh} {more} {gap}{unit_zh}{rows_zh}"}
    return {"outcome": "worse",
            "en": f"{en} is better than fine-tuning by {gap}{unit_en} {rows_en}: use it, or tune on more rows",
            "zh": f"{zh} 比微调{more} {gap}{unit_zh}{rows_zh}：建议直接用它，或增加训练数据"}


def verdict(scores: Mapping[str, Any]) -> str:
    """The verdict's sentence in the user's language."""
    return str(scores["verdict"][language()])


def summary(scores: Mapping[str, Any]) -> list[str]:
    """Lines for the screen: the score with its interval, those of the baselines on the same rows, the sentence."""
    lines = [t("{x} on {n:,} rows", "{n:,} 条数据上{x}", n=scores["n"], x=_line(scores["metrics"][0]))]
    lines += [t("  {b}: {x}", "  {b}：{x}", b=got["title"][language()], x=_line(got["metrics"][0]))
              for got in scores["baselines"]]
    without = scores["without_leaks"]
    if without:
        rest = _line(without["metrics"][0]) if without["metrics"] else t("no row is left", "没有剩余数据")
        lines.append(t("{k:,} test rows also stand in train; without them: {x}",
                       "{k:,} 条测试数据也在训练集中；去掉后：{x}", k=without["leaked"], x=rest))
    if scores["not_drawn"]:
        lines.append(t("{k:,} test rows were not scored: evaluate.rows draws {n:,} of them",
                       "{k:,} 条测试数据未评分：evaluate.rows 只抽取其中 {n:,} 条", k=scores["not_drawn"],
                       n=scores["n"]))
    if scores["unknown_labels"]:
        lines.append(t("{k:,} rows were left out: their label is none of the training rows'",
                       "{k:,} 行未计入：其标签不在训练数据中", k=scores["unknown_labels"]))
    if scores["verdict"]["outcome"] != "alone":
        lines.append(verdict(scores))
    return lines


def _line(score: Mapping[str, Any]) -> str:
    name, low, high = score["name"], score["low"], score["high"]
    return f"{naming.metric(name)} {naming.number(name, score['value'])}{_interval(name, low, high)}"


def _interval(metric: str, low: float | None, high: float | None, *, plain: bool = False) -> str:
    if low is None or high is None:
        return ""
    show = naming.bare if plain else naming.number
    return f" [{naming.bare(metric, low)}, {show(metric, high)}]"


def _units(metric: str) -> tuple[str, str]:
    """What stands behind a difference."""
    en, zh = naming.both(metric)
    units = {"share": (" points", " 个百分点"), "points": (f" {en}", f" {zh}"), "plain": (f" in {en}", f"（{zh}）")}
    return units[naming.kind(metric)]
