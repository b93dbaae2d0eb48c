"""Which columns hold question, passage and answer, by their names (English and Chinese) and by what stands in them.

>>> guess(profile, {}).columns          # a table with the columns id, 段落, 问题, 答案
{'question': '问题', 'context': '段落', 'answer': '答案'}
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from weitiao.core.i18n import t
from weitiao.tasks import ColumnProfile, Guess, TableProfile
from weitiao.tasks._columns import BY_NAME, ONLY_IF_ASKED, kind_of

# Within each list the more telling word stands first: it wins where several columns bear such a name.
_WORDS = {
    "question": ("question", "query", "问题", "问句", "提问"),
    "context": ("context", "passage", "paragraph", "document", "article", "上下文", "段落", "篇章", "文段", "文章",
                "原文", "材料", "正文"),
    "answer": ("answers", "answer", "答案", "回答"),
}
_START = ("answer_start", "answerstart", "start", "offset", "答案位置", "起始位置", "答案起始位置")
_SURE, _LIKELY = BY_NAME + 0.05, BY_NAME + 0.02  # such a table also has texts and often something like a label


def guess(profile: TableProfile, named: Mapping[str, str]) -> Guess | None:
    """A claim on a table with all three, with the roles that the user `named` kept; None where one is missing."""
    if set(named) - {*_WORDS, "start"}:
        return None
    found: dict[str, ColumnProfile] = {}
    for role in _WORDS:
        taken = {c.name for c in found.values()} | set(named.values()) - {named.get(role, "")}
        column = profile.get(named[role]) if role in named else _named_like(role, profile, taken)
        if column is None:
            return None
        found[role] = column
    columns = {role: column.name for role, column in found.items()}
    if start := named.get("start") or _start(profile, found["answer"]):
        columns["start"] = start
    return Guess(_strength(profile, found, named), columns,
                 t("“{q}” asks about “{c}”, and “{a}” stands in it: extractive question answering",
                   "“{q}”针对“{c}”提问，“{a}”出现在其中：抽取式问答", q=columns["question"], c=columns["context"],
                   a=columns["answer"]))


def _named_like(role: str, profile: TableProfile, taken: set[str]) -> ColumnProfile | None:
    """The column that is called most like the role."""
    fits = [(rank, i, c) for i, c in enumerate(profile.columns) if c.name not in taken and c.filled > 0
            and (rank := _rank(c.name, _WORDS[role])) is not None]
    return min(fits)[2] if fits else None


def _rank(name: str, words: tuple[str, ...]) -> int | None:
    """How clearly the name speaks of one of the words (smaller is clearer): alone, or as the head of a phrase."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unicodedata.normalize("NFKC", name)).casefold().strip()
    parts = re.findall(r"[a-z]+|[㐀-鿿]+", plain)
    for rank, word in enumerate(words):
        if parts in ([word], [word, "text"]):
            return rank
        if parts and (parts[-1] == word if word.isascii() else parts[-1].endswith(word)):
            return rank + len(words)
    return None


def _start(profile: TableProfile, answer: ColumnProfile) -> str:
    """The column with the offsets of plain answers."""
    if answer.kind not in ("text", "number"):
        return ""
    return next((c.name for name in _START for c in profile.columns
                 if c.name.casefold().strip() == name and c.kind == "number" and c.integral), "")


def _strength(profile: TableProfile, found: Mapping[str, ColumnProfile], named: Mapping[str, str]) -> float:
    context, answer = found["context"], found["answer"]
    if set(named) >= set(_WORDS) or answer.kind == "object" or any(
            x.startswith(("[{", "{")) for x in answer.examples):
        return _SURE
    # Yes and no, or a few names, are the labels of a pair; and an answer is much shorter than what it stands in.
    varied = answer.distinct > max(2, profile.rows // 5)
    inside = context.kind == "text" and answer.kind != "empty" and answer.mean_chars * 2 <= context.mean_chars
    if not (varied and inside):
        return ONLY_IF_ASKED
    labelled = any(kind_of(c.name)[0] == "label" and c.name not in {f.name for f in found.values()}
                   and kind_of(c.name)[2] in ("label", "标签") for c in profile.columns)
    return BY_NAME if labelled else _LIKELY
