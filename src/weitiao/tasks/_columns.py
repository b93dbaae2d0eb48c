"""Which column is the text and which the label, by their names (English and Chinese) and by what stands in them.

>>> found = layout(profile, {})          # a table with the columns id, 评论内容, 情感
>>> found.texts, found.label.name
({'text': '评论内容'}, '情感')
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from weitiao.core.i18n import t
from weitiao.tasks import ColumnProfile, TableProfile

BY_NAME, BY_VALUE, ONLY_IF_ASKED = 0.9, 0.6, 0.1  # strengths of a claim; below 0.5: only when the user names the task
ROLES = ("text", "text_a", "text_b", "label")

# Within each list the more telling word stands first: it wins where several columns bear such a name.
_LABEL_EN = ("label", "class", "category", "categories", "target", "sentiment", "intent", "emotion", "stance",
             "polarity", "topic", "tag", "star", "rating", "score", "similarity", "relation", "y", "gold", "toxic",
             "spam", "genre", "type")
_LABEL_ZH = ("标签", "类别", "标注", "分类", "情感", "意图", "情绪", "立场", "极性", "类目", "类型", "话题", "星级",
             "评分", "得分", "分数", "打分", "相似度")
_TEXT_EN = ("text", "sentence", "sent", "content", "comment", "review", "utterance", "premise", "hypothesis", "tweet",
            "message", "post", "document", "doc", "body", "question", "query", "passage", "context", "answer", "title",
            "headline", "sms", "email", "news", "abstract", "description", "summary", "article", "input", "dialogue",
            "phrase", "feedback")
_TEXT_ZH = ("文本", "内容", "评论", "句子", "评价", "语句", "正文", "前提", "假设", "话语", "消息", "留言", "弹幕",
            "微博", "问题", "问句", "段落", "回答", "答案", "标题", "新闻", "摘要", "描述", "对话", "文章", "输入",
            "反馈", "短信", "邮件")
_OTHER_EN = ("date", "time", "timestamp", "url", "link", "split", "fold", "lang", "language", "source", "file", "user",
             "author", "group", "count", "len", "length", "year", "month", "unnamed", "confidence", "annotator")
_OTHER_ZH = ("时间", "日期", "链接", "来源", "用户", "作者", "语言", "长度", "数量", "年份")
_ID = ("id", "ids", "uid", "uuid", "idx", "index", "no", "num", "number", "name", "code", "key", "编号", "序号",
       "名称", "名")

Kind = Literal["label", "text", "other", ""]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in a table.

    Args:
        texts: role to column name, one text or two.
        label: what is known of the label's column.
        strength: BY_NAME or BY_VALUE.
        others: columns that could have been the label or the text as well.
    """

    texts: Mapping[str, str]
    label: ColumnProfile
    strength: float
    others: tuple[str, ...]

    @property
    def columns(self) -> dict[str, str]:
        return {**self.texts, "label": self.label.name}


def layout(profile: TableProfile, named: Mapping[str, str]) -> Layout | None:
    """The table's layout, with the roles that the user `named` kept; None where text or label cannot be found."""
    taken = {named[r] for r in ROLES if r in named}
    free = [c for c in profile.columns if c.name not in taken and c.filled > 0]
    if "label" in named:
        label, sure = profile.get(named["label"]), True
    else:
        label, sure = _best_label(free, profile.rows)
    if label is None:
        return None
    free = [c for c in free if c.name != label.name]
    texts, clear = _texts(free, named, profile.rows)
    if not texts:
        return None
    others = tuple(c.name for c in free if c.name not in texts.values() and kind_of(c.name)[0] in ("label", "text"))
    return Layout(texts, label, BY_NAME if sure and clear else BY_VALUE, others)


def describe(found: Layout, verdict: str) -> str:
    """One sentence: what is read, what is predicted, and what that makes of it."""
    texts = " + ".join(f"“{c}”" for c in found.texts.values())
    out = t("{texts} is read, “{label}” ({n} different values) is predicted: {verdict}",
            "读取{texts}，预测“{label}”（{n} 种取值）：{verdict}",
            texts=texts, label=found.label.name, n=found.label.distinct, verdict=verdict)
    if found.others:
        out += t(" (not used: {o})", "（未使用：{o}）", o=", ".join(f"“{c}”" for c in found.others))
    return out


def is_quantity(column: ColumnProfile, rows: int) -> bool:
    """Are these numbers a quantity (true) or names of classes (false)?

    Fractions are a quantity. Whole numbers are classes while each value has several rows and there are few of them:
    up to 20 where the name speaks of a score, up to 50 elsewhere, up to 1,000 where it speaks of a class.
    """
    if not column.integral:
        return True
    word = kind_of(column.name)[2]
    limit = 20 if word in _SCORES else 1000 if word in _CLASSES else 50
    return column.distinct > min(limit, max(2, rows // 2))


_SCORES = frozenset({"rating", "score", "similarity", "评分", "得分", "分数", "打分", "相似度"})
_CLASSES = frozenset({"label", "class", "category", "categories", "intent", "topic",
                      "标签", "类别", "分类", "意图", "类目"})


# -- the label -----------------------------------------------------------------------------------------------------

def _best_label(free: list[ColumnProfile], rows: int) -> tuple[ColumnProfile | None, bool]:
    """The label's column, and whether its name says so."""
    by_name = [(kind_of(c.name)[1], i, c) for i, c in enumerate(free)
               if kind_of(c.name)[0] == "label" and c.kind not in ("object", "empty")]
    if by_name:
        return min(by_name)[2], True
    by_value = [(c.distinct, -i, c) for i, c in enumerate(free) if _looks_like_label(c, rows)]
    if by_value:
        return min(by_value)[2], False
    numbers = [c for c in free if c.kind == "number" and not kind_of(c.name)[0] and c.distinct > 1]
    return (numbers[-1], False) if len(numbers) == 1 else (None, False)


def _looks_like_label(c: ColumnProfile, rows: int) -> bool:
    if kind_of(c.name)[0] in ("text", "other"):
        return False
    if c.kind == "list" or c.separator:
        return True
    if not 2 <= c.distinct <= max(2, rows // 2):
        return False
    return c.mean_chars <= 40 if c.kind == "text" else c.kind == "number" and not is_quantity(c, rows)


# -- the texts -----------------------------------------------------------------------------------------------------

def _texts(free: list[ColumnProfile], named: Mapping[str, str], rows: int) -> tuple[dict[str, str], bool]:
    """Role to column of one text or a pair, and whether names say so."""
    if "text" in named:
        return {"text": named["text"]}, True
    given = {r: named[r] for r in ("text_a", "text_b") if r in named}
    if len(given) == 2:
        return given, True
    by_name = [c for c in free if kind_of(c.name)[0] == "text" and c.kind in ("text", "number")
               and (not looks_repeated(c, rows) or kind_of(c.name)[1] < 100)]
    if given:
        partner = _longest(by_name or [c for c in free if c.kind == "text"])
        both = {"text_a": partner, "text_b": partner, **given} if partner else {}
        return both, bool(by_name)
    if len(by_name) == 2:
        return {"text_a": by_name[0].name, "text_b": by_name[1].name}, True
    if len(by_name) > 2:
        pair = _numbered(by_name)
        if pair:
            return {"text_a": pair[0], "text_b": pair[1]}, True
        best = min(by_name, key=lambda c: (kind_of(c.name)[1], -c.mean_chars))
        return {"text": best.name}, True
    if by_name:
        return {"text": by_name[0].name}, True
    return _texts_by_value(free, rows), False


def _texts_by_value(free: list[ColumnProfile], rows: int) -> dict[str, str]:
    prose = [c for c in free if c.kind == "text" and kind_of(c.name)[0] != "other" and not looks_repeated(c, rows)]
    if len(prose) == 2 and min(c.mean_chars for c in prose) * 4 >= max(c.mean_chars for c in prose):
        return {"text_a": prose[0].name, "text_b": prose[1].name}
    longest = _longest(prose or [c for c in free if c.kind == "text"])
    return {"text": longest} if longest else {}


def _longest(columns: list[ColumnProfile]) -> str:
    return max(columns, key=lambda c: c.mean_chars).name if columns else ""


def looks_repeated(c: ColumnProfile, rows: int) -> bool:
    """A few short values over and over: a name such as a genre, not a text."""
    return rows >= 10 and c.distinct * 5 <= rows and c.mean_chars <= 40


def _numbered(columns: list[ColumnProfile]) -> tuple[str, str] | None:
    """The first two columns that differ in a trailing number or letter only (text_a, text_b; 句子1, 句子2)."""
    stems: dict[str, str] = {}
    for c in columns:
        match = re.fullmatch(r"(.*?)[ _-]?([0-9]|[abAB])", unicodedata.normalize("NFKC", c.name))
        if match:
            stem = match[1].casefold()
            if stem in stems:
                return stems[stem], c.name
            stems[stem] = c.name
    return None


# -- names ---------------------------------------------------------------------------------------------------------

def kind_of(name: str) -> tuple[Kind, int, str]:
    """What a column's name speaks of, how clearly (smaller is clearer, below 100: the word alone), and the word.

    The last telling word decides, because it is the head of the phrase: "review_label" is a label, "评论内容" a text.

    >>> kind_of("reviewLabel")[0], kind_of("情感标签")[0], kind_of("user_id")[0]
    ('label', 'label', 'other')
    """
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unicodedata.normalize("NFKC", name)).casefold()
    words = re.findall(r"[a-z]+|[㐀-鿿]+", plain)
    found = [hit for w in words for hit in _hits(w)]
    telling = [h for h in found if h[0] != "id"]
    if found and found[-1][0] == "id" and not any(h[0] == "label" for h in telling):
        return "other", 0, ""
    if not telling:
        return "", 0, ""
    kind, rank, word = telling[-1]
    alone = len(words) - sum(w in ("a", "b") for w in words) == 1 and re.sub(r"[\W\d_]", "", plain).startswith(word)
    return kind, rank + (0 if alone else 100), word  # type: ignore[return-value]


_WORDS: dict[str, tuple[str, int]] = {
    **{w: ("other", i) for i, w in enumerate(_OTHER_EN + _OTHER_ZH)},
    **{w: ("id", i) for i, w in enumerate(_ID)},
    **{w: ("text", i) for part in (_TEXT_EN, _TEXT_ZH) for i, w in enumerate(part)},
    **{w: ("label", i) for part in (_LABEL_EN, _LABEL_ZH) for i, w in enumerate(part)},
}
_CHINESE = re.compile("|".join(sorted((w for w in _WORDS if not w.isascii()), key=len, reverse=True)))


def _hits(word: str) -> list[tuple[str, int, str]]:
    """The telling words in a run of letters (English: the word or its singular) or of Chinese characters."""
    if not word.isascii():
        return [(*_WORDS[w], w) for w in _CHINESE.findall(word)]
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in _WORDS:
            return [(*_WORDS[form], form)]
    return []
