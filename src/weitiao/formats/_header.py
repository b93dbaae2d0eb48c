"""Is a table's first row its header? And names for the columns of a table that has none.

>>> is_header(["text", "label"], [["好吃", "1"], ["难吃", "0"]])
True
>>> is_header(["好吃", "1"], [["难吃", "0"], ["还行", "1"]])
False
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.formats import Source

# Words that name columns and hardly ever stand alone as a row's value.
_NAMES = frozenset((
    "text", "texts", "text_a", "text_b", "text1", "text2", "sentence", "sentence1", "sentence2", "sent", "content",
    "comment", "comments", "review", "reviews", "utterance", "premise", "hypothesis", "tweet", "message", "body",
    "question", "question1", "question2", "query", "title", "headline", "abstract", "summary", "document", "label",
    "labels", "class", "category", "target", "sentiment", "intent", "emotion", "score", "rating", "stars", "star",
    "similarity", "id", "uid", "guid", "idx", "index", "split", "source", "genre", "date", "time", "user", "user_id",
    "文本", "内容", "评论", "评论内容", "句子", "句子1", "句子2", "评价", "正文", "前提", "假设", "问题", "标题",
    "新闻", "摘要", "标签", "类别", "分类", "标注", "情感", "意图", "情绪", "评分", "得分", "星级", "编号", "序号",
    "时间", "日期", "用户",
))
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_SENTENCE = re.compile(r"[。！？，；,!?;]|\.\s|\S(\s+\S+){4}")
_LONGEST_NAME = 60


def is_header(first: Sequence[str], rest: Sequence[Sequence[str]], *, usual: bool = True) -> bool:
    """Does the first row name the columns? By known names, by numbers and repeated values below it, by its looks.

    `usual`: files of this kind mostly have a header; it decides where nothing else does.
    """
    known = sum(f.strip().casefold() in _NAMES for f in first)
    if known == len(first) or known > 1:
        return True
    below = [[row[i] for row in rest if len(row) == len(first)] for i in range(len(first))]
    for name, values in zip(first, below, strict=True):
        if name.strip() and (_NUMBER.fullmatch(name) or name in values):
            return False
    if known or any(values and all(map(_NUMBER.fullmatch, values)) for values in below):
        return True
    names = [f.strip() for f in first if f.strip()]
    return usual and len(first) > 1 and len(set(names)) == len(names) > 0 and all(map(_looks_like_name, names))


def _looks_like_name(field: str) -> bool:
    return len(field) <= _LONGEST_NAME and not _SENTENCE.search(field)


def column_names(source: Source, first: Sequence[str]) -> list[str]:
    """The header's names, white space around them dropped; unnamed columns become `column_3`.

    Raises DataError `data.duplicate_column`.
    """
    names = [f.strip() or f"column_{i}" for i, f in enumerate(first, 1)]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise DataError("data.duplicate_column",
                            t("two columns are called {n!r}: {a} and {b}", "有两列都叫 {n!r}：第 {a} 列和第 {b} 列",
                              n=name, a=names.index(name) + 1, b=i + 1),
                            where=source.shown, fix=t("rename one of them", "请改掉其中一个列名"))
    return names


def names_by_position(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """`text`; `text`, `label` (the label is the column of numbers, else of fewer values, else the second one);
    `column_1` … for more."""
    if width == 1:
        return ["text"]
    if width > 2:
        return [f"column_{i}" for i in range(1, width + 1)]
    columns = [[r[i] for r in rows if len(r) == 2] for i in (0, 1)]
    numbers = [bool(c) and all(map(_NUMBER.fullmatch, c)) for c in columns]
    distinct = [len(set(c)) for c in columns]
    first = numbers[0] if numbers[0] != numbers[1] else distinct[0] < distinct[1]
    return ["label", "text"] if first else ["text", "label"]
