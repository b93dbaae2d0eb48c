"""Forms: what is odd about rows for the task they are for. What that is each task says itself (`Task.faults`); pairs of
texts are compared with one another here.

    answers beside others that stand nowhere in their passages: 163                look
    12 of 29,000 (0.041 %) targets are in the language of the sources               look
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spots, judge, percent
from weitiao.doctor.sections import _text_pairs

TITLE = ("Forms of the task", "任务形式")

Share = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    faults: Share = 0.0
    """Look: faults that cost something, such as answers that stand nowhere or turns out of order, on more than this
    share of the rows."""
    thin: Share = 0.1
    """Look: more than this share of the targets is a single word."""
    faults_stop: Share = 0.3
    """Stop: as many faults of one kind as this share of the rows."""
    ratio: Annotated[float, Field(gt=1)] = 5.0
    """A pair whose lengths are to one another so many times more or less than usual is an outlier."""
    pairs: Share = 0.001
    """Look: more than this share of the pairs is an outlier, or is in the wrong language on one side."""


class Kind(NamedTuple):
    """Sentences for a fault: what was found (with {n} and {rows}), what to do; `thin`: judged by `Options.thin`."""

    said: tuple[str, str]
    do: tuple[str, str]
    thin: bool = False
    drop: bool = True


KINDS = {
    "answer_moved": Kind(("answers that were not at their place and are moved to where they stand: {n:,}",
                          "位置有误、已改到原文处的答案：{n:,} 个"),
                         ("check the tool that counted the places", "请检查计算位置的工具"), drop=False),
    "answer_missing": Kind(("answers beside others that stand nowhere in their passages: {n:,}",
                            "不在段落中的答案（另有其他答案）：{n:,} 个"),
                           ("they are not learnt; copy answers from the passage",
                            "这些答案不会被学习；答案应摘自原文"), drop=False),
    "tags_broken": Kind(("tags or spans that break the rules and are mended: {n:,}",
                         "不合规则、已修正的标签或区间：{n:,} 个"),
                        ("read them: a tag is missing or too many", "请查看：可能漏标或多标")),
    "off_border": Kind(("entities that begin or end within a word: {n:,}", "边界落在词内部的实体：{n:,} 个"),
                       ("such are learnt as whole words: move their ends", "按整词学习：请调整边界")),
    "out_of_turn": Kind(("conversations out of turn: {n:,}", "轮次混乱的对话：{n:,} 段"),
                        ("give each answer what it answers, or drop them", "请补上所回答的内容，或删去")),
    "turn_empty": Kind(("conversations with a turn in which nothing is said: {n:,}", "含有空轮的对话：{n:,} 段"),
                       ("drop them", "请删去")),
    "wordless": Kind(("targets with neither a letter nor a digit: {n:,}", "既无文字也无数字的目标：{n:,} 个"),
                     ("drop them unless it is meant", "若非有意，请删去")),
    "same": Kind(("targets that say what their source says: {n:,}", "与源文本相同的目标：{n:,} 个"),
                 ("drop them: they teach to copy", "请删去：只会教模型照抄")),
    "one_word": Kind(("targets of a single word: {n:,}", "只有一个词的目标：{n:,} 个"),
                     ("read them: is that the answer?", "请查看：答案确实如此吗？"), thin=True),
}
"""Of each code that a task's faults have (`label_space` is told by the section labels)."""


def look(seen: Seen, options: Options) -> Iterator[Finding]:
    """What tasks said while rows were read, then what pairs of texts show."""
    for code, kind in KINDS.items():
        if code in seen.faults:
            yield _finding(seen, code, kind, seen.faults[code], options)
    if seen.writes:
        yield from _text_pairs.findings(seen, options.ratio, options.pairs)


def _finding(seen: Seen, code: str, kind: Kind, spots: Spots, options: Options) -> Finding:
    limit = options.thin if kind.thin else options.faults
    part = spots.count / seen.total
    verdict = judge(part, limit, 1.0 if kind.thin else options.faults_stop)
    threshold = t("look: more than {p} of the rows", "注意：超过 {p} 的行", p=percent(limit)) if limit else t(
        "look: any", "注意：只要出现")
    if not kind.thin:
        threshold += t("; stop: more than {p} of the rows", "；停止：超过 {p} 的行", p=percent(options.faults_stop))
    return Finding(f"forms.{code}", verdict, t(*kind.said, n=spots.count), spots.count, seen.total, threshold,
                   spots.shown, t(*kind.do) if verdict != "good" else "",
                   fix={"drop": [f"forms.{code}"]} if kind.drop and verdict != "good" else {})
