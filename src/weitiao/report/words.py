"""How names and numbers of the artefacts read to a person.

>>> metric("recall_macro"), number("recall_macro", 0.8731)
('recall, macro', '87.3 %')
"""

from __future__ import annotations

from collections.abc import Callable

from weitiao.core.i18n import t

_BASE = {
    "accuracy": ("accuracy", "准确率"), "f1": ("F1", "F1"), "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"), "mcc": ("Matthews correlation", "马修斯相关系数"),
    "roc_auc": ("ROC-AUC", "ROC-AUC"),
    "pr_auc": ("PR-AUC", "PR-AUC"), "log_loss": ("log loss", "对数损失"), "ece": ("calibration error", "校准误差"),
    "subset_accuracy": ("all labels right", "全部标签正确"),
    "hamming_loss": ("wrong label decisions", "标签判断错误率"),
    "lrap": ("ranking precision", "排序平均精度"), "spearman": ("Spearman correlation", "Spearman 相关"),
    "pearson": ("Pearson correlation", "Pearson 相关"), "r2": ("R²", "R²"),
    "mae": ("mean absolute error", "平均绝对误差"),
    "span_f1": ("span F1", "实体 F1"), "span_precision": ("span precision", "实体精确率"),
    "span_recall": ("span recall", "实体召回率"), "token_accuracy": ("words with the right tag", "逐词准确率"),
    "rmse": ("root mean square error", "均方根误差"), "loss": ("loss", "损失"),
    "bleu": ("BLEU", "BLEU"), "chrf": ("chrF", "chrF"), "ter": ("TER", "TER"), "rouge1": ("ROUGE-1", "ROUGE-1"),
    "rouge2": ("ROUGE-2", "ROUGE-2"), "rougeL": ("ROUGE-L", "ROUGE-L"),
    "stopped": ("ended by themselves", "自行结束"),
    "exact_match": ("exact match", "完全匹配率"), "f1_answerable": ("F1, with an answer", "F1（有答案的问题）"),
    "exact_match_answerable": ("exact match, with an answer", "完全匹配率（有答案的问题）"),
    "accuracy_unanswerable": ("accuracy, without an answer", "准确率（无答案的问题）"),
    "numeric_match": ("the same number", "数值一致"),
    "distinct1": ("distinct-1", "distinct-1"), "distinct2": ("distinct-2", "distinct-2"),
    "length_ratio": ("length beside the reference", "与参考的长度比"), "perplexity": ("perplexity", "困惑度"),
    "bits_per_byte": ("bits per byte", "每字节比特数"),
}
_AVERAGES = {"macro": ("macro", "宏平均"), "micro": ("micro", "微平均"), "weighted": ("weighted", "加权")}
_SHARES = ("accuracy", "f1", "precision", "recall", "subset_accuracy", "hamming_loss", "ece",
           "exact_match", "numeric_match", "stopped", "span", "token_accuracy")
_POINTS = ("bleu", "chrf", "ter", "rouge1", "rouge2", "rougeL")  # written in hundredths without a sign, as papers do


def metric(name: str) -> str:
    """A metric's name in the user's language; the name itself where a new task brings one that is not known here."""
    if name in _BASE:
        return t(*_BASE[name])
    if name.startswith("top") and name.endswith("_accuracy"):
        k = name.removeprefix("top").removesuffix("_accuracy")
        return t("among the first {k}", "前 {k} 命中", k=k)
    base, _, average = name.rpartition("_")
    if base in _BASE and average in _AVERAGES:
        return t("{b}, {a}", "{b}（{a}）", b=t(*_BASE[base]), a=t(*_AVERAGES[average]))
    return name


def is_share(name: str) -> bool:
    """Is it a share of rows or labels, shown in per cent?"""
    return name.startswith((*_SHARES, "top"))


def number(name: str, value: float) -> str:
    """A metric's value: per cent for shares, hundredths for BLEU and its like, three decimals else."""
    return _plain(name, value) + (" %" if is_share(name) else "")


def tick(name: str) -> Callable[[float], str]:
    """How an axis of that metric is written."""
    sign = " %" if is_share(name) else ""
    return (lambda v: f"{100 * v:.3g}{sign}") if sign or name in _POINTS else (lambda v: f"{v:.3g}")


def interval(name: str, low: float | None, high: float | None) -> str:
    """`[84.9, 88.6] %`, or nothing where none is defined."""
    if low is None or high is None:
        return ""
    return f"[{_plain(name, low)}, {_plain(name, high)}]" + (" %" if is_share(name) else "")


def _plain(name: str, value: float) -> str:
    return f"{100 * value:.1f}" if is_share(name) or name in _POINTS else f"{value:.3f}"


def setting(name: str) -> str:
    """A recipe key as a person says it."""
    names = {
        "epochs": ("epochs", "轮数"), "steps": ("steps", "步数"), "batch_size": ("batch size", "批大小"),
        "micro_batch_size": ("rows of a forward pass", "每次前向的行数"),
        "learning_rate": ("learning rate", "学习率"),
        "head_learning_rate": ("learning rate of the head", "分类头学习率"),
        "embeddings": ("word embeddings", "词嵌入"), "precision": ("precision", "精度"), "device": ("device", "设备"),
        "max_length": ("tokens of a text", "最长词元数"), "metric": ("metric of the best step", "选择最佳步的指标"),
    }
    return t(*names[name]) if name in names else name


def parameters(count: int) -> str:
    """The size of a model."""
    return t("{m:.0f} million parameters", "{w:,.0f} 万参数", m=count / 1e6, w=count / 1e4)


def duration(seconds: float) -> str:
    """`48 s`, `3.2 min`, `1.4 h`."""
    if seconds < 90:
        return t("{s:.0f} s", "{s:.0f} 秒", s=seconds)
    if seconds < 5400:
        return t("{m:.1f} min", "{m:.1f} 分钟", m=seconds / 60)
    return t("{h:.1f} h", "{h:.1f} 小时", h=seconds / 3600)
