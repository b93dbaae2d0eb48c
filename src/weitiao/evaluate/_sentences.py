"""The verdict in one plain sentence, in both languages, and the lines for the screen.

>>> sentence(score, paired, "tfidf")["en"]
'fine-tuning beats TF-IDF by 4.1 ± 0.6 points (n=1,200, p=0.001)'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weitiao.core.i18n import language, t
from weitiao.evaluate import baselines
from weitiao.metrics import LOWER_IS_BETTER, Score
from weitiao.metrics.paired import Paired

_NO_SHARES = ("spearman", "pearson", "r2", "mcc", "mae", "mse", "rmse", "log_loss", "length_ratio",
              "perplexity", "bits_per_byte", "distinct1", "distinct2")
_POINTS = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2",
           "rougeL": "ROUGE-L"}  # written in hundredths without a sign, as papers do
_NAMES = {"accuracy": ("accuracy", "准确率"), "f1_micro": ("micro-F1", "微平均 F1"),
          "f1_macro": ("macro-F1", "宏平均 F1"), "spearman": ("Spearman correlation", "Spearman 相关"),
          "f1": ("F1", "F1"), "exact_match": ("exact match", "完全匹配率"), "span_f1": ("span F1", "实体 F1"),
          "numeric_match": ("the same number", "数值一致"),
          "perplexity": ("perplexity", "困惑度"), "bits_per_byte": ("bits per byte", "每字节比特数"),
          **{name: (title, title) for name, title in _POINTS.items()}}


def sentence(score: Score, paired: Paired | None, baseline: str) -> dict[str, str]:
    """`{"en", "zh", "outcome"}` of the tuned model's primary score and its comparison with the best baseline.

    The outcome is better, worse, open (no difference is established) or alone (there is no baseline).
    """
    if paired is None:
        value = _number(score.name, score.value) + _interval(score.name, score.low, score.high)
        return {"outcome": "alone",
                "en": f"{_name(score.name)[0]} {value} on {score.n:,} rows; there is no baseline to compare it with",
                "zh": f"{score.n:,} 条数据上{_name(score.name)[1]} {value}；没有可比较的基线"}
    en, zh = baselines.load(baseline).TITLE
    p = "p<0.001" if paired.p < 0.001 else f"p={paired.p:.3f}"
    rows_en, rows_zh = f"(n={paired.n:,}, {p})", f"（n={paired.n:,}，{p}）"
    unit_en, unit_zh = _units(paired.metric)
    if paired.verdict == 0:
        gap = _plain(paired.metric, paired.difference, sign=True)
        span = _interval(paired.metric, paired.low, paired.high, plain=True)
        return {"outcome": "open",
                "en": f"not established: fine-tuning and {en} differ by {gap}{span}{unit_en} {rows_en}",
                "zh": f"尚不能断定：微调与 {zh} 相差 {gap}{span}{unit_zh}{rows_zh}"}
    assert paired.low is not None and paired.high is not None
    gap = f"{_plain(paired.metric, abs(paired.difference))} ± {_plain(paired.metric, (paired.high - paired.low) / 2)}"
    more = "低" if paired.metric in LOWER_IS_BETTER else "高"
    if paired.verdict > 0:
        return {"outcome": "better", "en": f"fine-tuning beats {en} by {gap}{unit_en} {rows_en}",
                "zh": f"微调比 {zh} {more} {gap}{unit_zh}{rows_zh}"}
    return {"outcome": "worse",
            "en": f"{en} is better than fine-tuning by {gap}{unit_en} {rows_en}: use it, or label more rows",
            "zh": f"{zh} 比微调{more} {gap}{unit_zh}{rows_zh}：建议直接用它，或多标注一些数据"}


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
    name = _name(score["name"])[0 if language() == "en" else 1]
    return f"{name} {_number(score['name'], score['value'])}{_interval(score['name'], score['low'], score['high'])}"


def _name(metric: str) -> tuple[str, str]:
    return _NAMES.get(metric, (metric, metric))


def _number(metric: str, value: float) -> str:
    return _plain(metric, value) + ("" if metric in _NO_SHARES or metric in _POINTS else " %")


def _plain(metric: str, value: float, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{value:{plus}.3f}" if metric in _NO_SHARES else f"{100 * value:{plus}.1f}"


def _interval(metric: str, low: float | None, high: float | None, *, plain: bool = False) -> str:
    if low is None or high is None:
        return ""
    show = _plain if plain else _number
    return f" [{_plain(metric, low)}, {show(metric, high)}]"


def _units(metric: str) -> tuple[str, str]:
    """What stands behind a difference."""
    if metric in _POINTS:
        return f" {_POINTS[metric]}", f" {_POINTS[metric]}"
    return (f" in {_name(metric)[0]}", f"（{_name(metric)[1]}）") if metric in _NO_SHARES else (" points", " 个百分点")
