"""The model card: a README.md for whoever gets the folder. Names and texts of the user are escaped for Markdown.

>>> escape("a|b <script>")
'a\\\\|b &lt;script&gt;'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from weitiao.core import files
from weitiao.core.i18n import language, t
from weitiao.metrics import naming
from weitiao.recipe import Recipe
from weitiao.report import data, scoring, words
from weitiao.report.artefacts import Artefacts
from weitiao.report.view import MetricRow

_MOST_LABELS = 30
_HEADS = {
    "ForSequenceClassification": ("text-classification", "AutoModelForSequenceClassification"),
    "ForTokenClassification": ("token-classification", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question-answering", "AutoModelForQuestionAnswering"),
    "ForMaskedLM": ("fill-mask", "AutoModelForMaskedLM"),
    "ForCausalLM": ("text-generation", "AutoModelForCausalLM"),
    "LMHeadModel": ("text-generation", "AutoModelForCausalLM"),
    "": ("text2text-generation", "AutoModelForSeq2SeqLM"),
}
"""How the name of transformers' class ends: the hub's word for what it does, and the class that loads it."""


class Card(NamedTuple):
    """What stands on the card, as plain text."""

    title: str
    tag: str
    auto: str
    leave: str
    verdict: str
    model: str
    reads: str
    answers: str
    use: str
    scored: str
    metric: str
    metrics: tuple[MetricRow, ...]
    baselines: tuple[MetricRow, ...]
    data: tuple[str, ...]
    limits: tuple[str, ...]
    licence: str


def escape(text: object) -> str:
    """Text as Markdown that shows it as it is, on one line."""
    shown = re.sub(r"([\\`*_\[\]|#])", r"\\\1", " ".join(str(text).split()))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def reads(task: Mapping[str, Any], language: str) -> str:
    """What goes in."""
    languages = {"zh": t("Chinese", "中文"), "en": t("English", "英文"), "other": t("other languages", "其他语言")}
    what = (t("a pair of texts", "一对文本") if "text_a" in task["columns"] else
            t("a question and a passage", "一个问题和一段文字") if "context" in task["columns"] else
            t("a text", "一段文本"))
    return t("{w}, tuned on {l}", "{w}，在{l}数据上微调", w=what, l=languages[language])


def answers(labels: Sequence[str], multi: bool, columns: Mapping[str, str], *, places: bool = False) -> str:
    """What comes out: an answer, a number, labels, or with `places` entities of so many kinds."""
    if "context" in columns:
        return t("the piece of the passage that answers the question, and where it stands",
                 "段落中回答该问题的片段及其位置")
    if not labels:
        return t("a number", "一个数值")
    shown = ", ".join(labels[:_MOST_LABELS]) + (" …" if len(labels) > _MOST_LABELS else "")
    if places:
        kind = t("where in the text something of {k} kinds stands", "文本中 {k} 类实体及其位置", k=len(labels))
        return f"{kind}: {shown}"
    kind = t("any number of {k} labels", "{k} 个标签中的任意几个", k=len(labels)) if multi else t(
        "one of {k} labels", "{k} 个标签之一", k=len(labels))
    return f"{kind}: {shown}"


def limits(report: Mapping[str, Any], cuts: Mapping[str, Any], max_length: int) -> tuple[str, ...]:
    """What the card's reader must not expect."""
    found = [
        t("The scores hold for texts like those of the test rows; other sources and times may do worse.",
          "得分只适用于与测试数据相似的文本；换了来源、时间或语言，效果可能变差。"),
        t("Texts are read up to {n} tokens.", "文本最多读取 {n} 个词元。", n=max_length),
    ]
    if report["rare"] or report["missing"]["test"]:
        few = sorted({*report["rare"], *report["missing"]["test"]})
        found.append(t("Not judged for want of rows: {x}.", "数据太少，未能评估：{x}。",
                       x=", ".join(few[:_MOST_LABELS])))
    if cuts["train"]["rows_cut"]:
        found.append(t("{s:.1%} of the training tokens were cut off.", "训练词元中有 {s:.1%} 被截去。",
                       s=cuts["train"]["share_cut"]))
    return tuple(found)


def metric_row(name: str, score: Mapping[str, Any]) -> MetricRow:
    """The score of the system called `name`."""
    metric = score["name"]
    return MetricRow(name, naming.number(metric, score["value"]), naming.interval(metric, score["low"], score["high"]),
                     f"{score['n']:,}", score["signature"])


def build(found: Artefacts, recipe: Recipe) -> Card:
    """The card of a run, in the user's language."""
    scores, base, task = found.scores, found.decision["base"], found.report["task"]
    first = scores["metrics"][0]
    config = files.read_json(found.folder / "model" / "config.json")
    tag, auto = next(known for end, known in _HEADS.items() if config["architectures"][0].endswith(end))
    leave = ", trust_remote_code=True" if "auto_map" in config else ""  # a family whose code lies beside the weights
    return Card(
        title=found.folder.name, tag=tag, auto=auto, leave=leave, verdict=scores["verdict"][language()],
        model=_model(found, recipe),
        reads=reads(task, found.report["language"]),
        answers=_answers(found),
        use=t("Texts of the kind that it was tuned on. Look at report.html before you rely on it.",
              "用于与训练数据同类的文本。使用前请先看 report.html。"),
        scored=t("On {n:,} test rows that training has not seen.", "在训练中未见过的 {n:,} 条测试数据上。",
                 n=scores["n"]),
        metric=naming.metric(first["name"]), metrics=scoring.rows(scores["metrics"]),
        baselines=tuple(metric_row(b["title"][language()], b["metrics"][0]) for b in scores["baselines"]),
        data=(*data.understood(found.report), *data.verdict(found.report, found.cuts),
              *data.checked(found.check)),
        limits=limits(found.report, found.cuts, found.bundle["max_length"]), licence=_licence(base))


def _answers(found: Artefacts) -> str:
    task, places = found.report["task"], found.scores["metric"].startswith("span_")
    if not (places or found.confusion or found.numbers or "context" in task["columns"]):
        return t("a text", "一段文本")
    labels = list(found.report["targets"]["train"]) if places else found.confusion["labels"] if found.confusion else []
    return answers(labels, bool(task["options"].get("multi_label")), task["columns"], places=places)


def _model(found: Artefacts, recipe: Recipe) -> str:
    base = found.decision["base"]
    return t("{n} ({f}, {p}; {s}), tuned with the method {m}.", "{n}（{f}，{p}；{s}），微调方法 {m}。", n=base["name"],
             f=base["family"], p=words.parameters(base["parameters"]), s=base["source"], m=recipe.method["name"])


def _licence(base: Mapping[str, Any]) -> str:
    if not base["licence"]:
        return t("The licence of {n} is stated where it came from: {s}. It applies to this model as well.",
                 "{n} 的许可见其来源：{s}，同样适用于本模型。", n=base["name"], s=base["source"])
    return t("Licence of the base model: {l}. It applies to this model as well.",
             "基座模型许可：{l}，同样适用于本模型。", l=base["licence"])
