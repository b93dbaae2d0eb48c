"""How metrics are called and how their values are written, in both languages: one table for screen, verdict and report.

>>> metric("recall_macro"), number("recall_macro", 0.8731), number("bleu", 0.273)
('recall, macro', '87.3 %', '27.3')
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from weitiao.core.i18n import language

Kind = Literal["share", "points", "plain"]
"""In per cent; in hundredths without a sign, as papers write BLEU; with three decimals."""

_TABLE: dict[str, tuple[str, str, Kind]] = {
    "accuracy": ("accuracy", "准确率", "share"),
    "subset_accuracy": ("all labels right", "全部标签正确", "share"),
    "token_accuracy": ("words with the right tag", "逐词准确率", "share"),
    "f1": ("F1", "F1", "share"),
    "f1_micro": ("micro-F1", "微平均 F1", "share"),
    "f1_macro": ("macro-F1", "宏平均 F1", "share"),
    "precision": ("precision", "精确率", "share"),
    "recall": ("recall", "召回率", "share"),
    "span_f1": ("span F1", "实体 F1", "share"),
    "span_precision": ("span precision", "实体精确率", "share"),
    "span_recall": ("span recall", "实体召回率", "share"),
    "exact_match": ("exact match", "完全匹配率", "share"),
    "exact_match_answerable": ("exact match, with an answer", "完全匹配率（有答案的问题）", "share"),
    "f1_answerable": ("F1, with an answer", "F1（有答案的问题）", "share"),
    "accuracy_unanswerable": ("accuracy, without an answer", "准确率（无答案的问题）", "share"),
    "numeric_match": ("the same number", "数值一致", "share"),
    "stopped": ("ended by themselves", "自行结束", "share"),
    "hamming_loss": ("wrong label decisions", "标签判断错误率", "share"),
    "ece": ("calibration error", "校准误差", "share"),
    "bleu": ("BLEU", "BLEU", "points"),
    "chrf": ("chrF", "chrF", "points"),
    "ter": ("TER", "TER", "points"),
    "rouge1": ("ROUGE-1", "ROUGE-1", "points"),
    "rouge2": ("ROUGE-2", "ROUGE-2", "points"),
    "rougeL": ("ROUGE-L", "ROUGE-L", "points"),
    "mcc": ("Matthews correlation", "马修斯相关系数", "plain"),
    "roc_auc": ("ROC-AUC", "ROC-AUC", "plain"),
    "pr_auc": ("PR-AUC", "PR-AUC", "plain"),
    "lrap": ("ranking precision", "排序平均精度", "plain"),
    "loss": ("loss", "损失", "plain"),
    "log_loss": ("log loss", "对数损失", "plain"),
    "spearman": ("Spearman correlation", "Spearman 相关", "plain"),
    "pearson": ("Pearson correlation", "Pearson 相关", "plain"),
    "r2": ("R²", "R²", "plain"),
    "mae": ("mean absolute error", "平均绝对误差", "plain"),
    "rmse": ("root mean square error", "均方根误差", "plain"),
    "distinct1": ("distinct-1", "distinct-1", "plain"),
    "distinct2": ("distinct-2", "distinct-2", "plain"),
    "length_ratio": ("length beside the reference", "与参考的长度比", "plain"),
    "perplexity": ("perplexity", "困惑度", "plain"),
    "bits_per_byte": ("bits per byte", "每字节比特数", "plain"),
}
_AVERAGES = {"macro": ("macro", "宏平均"), "micro": ("micro", "微平均"), "weighted": ("weighted", "加权")}


def _found(name: str) -> tuple[str, str, Kind]:
    """Names and kind; a metric that is not known here has its own name and is a plain number."""
    if name in _TABLE:
        return _TABLE[name]
    if name.startswith("top") and name.endswith("_accuracy"):
        k = name.removeprefix("top").removesuffix("_accuracy")
        return f"among the first {k}", f"前 {k} 命中", "share"
    base, _, average = name.rpartition("_")
    if base in _TABLE and average in _AVERAGES:
        (en, zh, kind), how = _TABLE[base], _AVERAGES[average]
        return f"{en}, {how[0]}", f"{zh}（{how[1]}）", kind
    return name, name, "plain"


def both(name: str) -> tuple[str, str]:
    """The name in English and Chinese."""
    en, zh, _ = _found(name)
    return en, zh


def metric(name: str) -> str:
    """The name in the user's language."""
    return both(name)[0 if language() == "en" else 1]


def kind(name: str) -> Kind:
    """How its value is written."""
    return _found(name)[2]


def bare(name: str, value: float, *, sign: bool = False) -> str:
    """The value without a unit; `sign`: with a plus."""
    plus = "+" if sign else ""
    return f"{value:{plus}.3f}" if kind(name) == "plain" else f"{100 * value:{plus}.1f}"


def number(name: str, value: float) -> str:
    """The value: per cent for shares, hundredths for BLEU and its like, three decimals else."""
    return bare(name, value) + _unit(name)


def interval(name: str, low: float | None, high: float | None) -> str:
    """`[84.9, 88.6] %`, or nothing where none is defined."""
    if low is None or high is None:
        return ""
    return f"[{bare(name, low)}, {bare(name, high)}]{_unit(name)}"


def tick(name: str) -> Callable[[float], str]:
    """How an axis of that metric is written."""
    factor, unit = 1 if kind(name) == "plain" else 100, _unit(name)
    return lambda v: f"{factor * v:.3g}{unit}"


def _unit(name: str) -> str:
    return " %" if kind(name) == "share" else ""
