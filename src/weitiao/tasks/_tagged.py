"""Tables of tagged words or of texts with spans: which column is which, and their values as people write them.

>>> words(["EU", "rejects"], "tokens"), words("EU rejects", "tokens")
(['EU', 'rejects'], None)
>>> target('[{"start": 0, "end": 2, "label": "ORG"}]', "entities")
[{'start': 0, 'end': 2, 'label': 'ORG'}]
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.tasks import ColumnProfile, Guess, TableProfile, _columns, _shared

_SURE = 0.95  # beyond the claim of labels for texts, which such columns also look like
_TOKENS = ("tokens", "words", "token", "chars", "characters", "字", "词", "分词")
_TAGS = ("ner_tags", "ner", "tags", "bio", "iob", "bio_tags", "slot_tags", "labels", "label", "标注", "标签")
_CLEAR_TAGS = _TAGS[:7]
_SPANS = ("entities", "spans", "slots", "ner", "entity", "annotations", "label", "labels", "实体", "槽位", "标注",
          "标签")
_TAGS_INSIDE = re.compile(r"^[\[(].*['\"](O|[BIESMLUW][-_][^'\"]+)['\"]")
_NUMBERS_INSIDE = re.compile(r"^\[\s*\d")
_TAGS_WRITTEN = re.compile(r"(O|[BIESMLUW][-_]\S+)(\s+(O|[BIESMLUW][-_]\S+))*(\s+\S*…)?")
_SPANS_INSIDE = re.compile(r"^(\[\s*(\{|\[\s*(\d|['\"][^'\"]+['\"]\s*,\s*\d))|\{)")


def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
    """A column of words beside one of tags, or texts beside spans; roles that the user named are kept."""
    label = profile.get(columns["label"]) if "label" in columns else None
    text = profile.get(columns["text"]) if "text" in columns else None
    free = [c for c in profile.columns if c.filled > 0 and c not in (label, text)]
    tokens = text or _named(free, _TOKENS, ("list", "text"))
    if tokens and (text is None or tokens.kind == "list"):
        tags = label or _named([c for c in free if c is not tokens and _look_like_tags(c)], _TAGS, ("list", "text"))
        if tags:
            return Guess(_SURE, {"text": tokens.name, "label": tags.name}, t(
                "each word of “{a}” has a tag in “{b}”: tagging", "“{a}”中的每个词在“{b}”中有一个标签：序列标注",
                a=tokens.name, b=tags.name))
    return _spans(profile, free, text, label)


def _spans(profile: TableProfile, free: list[ColumnProfile], text: ColumnProfile | None,
           label: ColumnProfile | None) -> Guess | None:
    where = label or _named([c for c in free if _inside(c)], _SPANS, ("list", "text", "object"))
    texts = [c for c in free if c is not where and c.kind in ("text", "number")]
    by_name = [c for c in texts if _columns.kind_of(c.name)[0] == "text"]
    text = text or min(by_name, default=None, key=lambda c: _columns.kind_of(c.name)[1]) or max(
        texts, default=None, key=lambda c: c.mean_chars)
    if where is None or text is None or where.kind not in ("list", "object", "text"):
        return None
    others = [c for c in free if c not in (where, text) and _columns.kind_of(c.name)[0] == "label"]
    fits = _inside(where)
    strength = _SURE if fits and (label or not others) else _columns.ONLY_IF_ASKED
    return Guess(strength, {"text": text.name, "label": where.name}, t(
        "“{b}” says where in “{a}” something stands: tagging", "“{b}”指明了“{a}”中各实体的位置：序列标注",
        a=text.name, b=where.name))


def _named(free: list[ColumnProfile], names: tuple[str, ...], kinds: tuple[str, ...]) -> ColumnProfile | None:
    return next((c for name in names for c in free if c.name.strip().casefold() == name and c.kind in kinds), None)


def _look_like_tags(column: ColumnProfile) -> bool:
    if column.kind == "list":
        return column.name.strip().casefold() in _CLEAR_TAGS or any(
            _TAGS_INSIDE.match(x) or _NUMBERS_INSIDE.match(x) for x in column.examples)
    return any(map(_TAGS_WRITTEN.fullmatch, column.examples))


def _inside(column: ColumnProfile) -> bool:
    """Do its values look like spans, or like tags of words?"""
    if column.kind == "object":
        return True
    return column.kind in ("list", "text") and any(
        _TAGS_INSIDE.match(x) or _SPANS_INSIDE.match(x) for x in column.examples)


# -- values --------------------------------------------------------------------------------------------------------

def words(value: Any, field: str) -> list[str] | None:
    """The words of a list (also one written as text); None for a plain text. Raises RowError `row.bad_token`."""
    if isinstance(value, str) and value.lstrip().startswith("[") and isinstance(written(value), list):
        value = written(value)
    if not isinstance(value, list | tuple):
        return None
    out = [str(x) if isinstance(x, int | float) and not isinstance(x, bool) else x for x in value]
    if not out:
        raise RowError("row.empty", field, t("there are no words", "没有任何词"))
    for x in out:
        if not isinstance(x, str) or not x:
            raise RowError("row.bad_token", field, t("not a word: {x!r}", "不是词：{x!r}", x=x))
    return out


def are_tags(value: Any) -> bool:
    """Are these tags, and not spans?"""
    return isinstance(value, list) and bool(value) and all(isinstance(x, str | int) for x in value)


def words_for(text: str, tags: int) -> list[str]:
    """The words of a plain text that so many tags belong to: between white space, else its characters."""
    parts = text.split()
    if len(parts) != tags and len(text) == tags:
        return list(text)
    return parts


def target(value: Any, field: str) -> Any:
    """Tags or spans as lists or objects; text is read as JSON, as Python prints it, or as tags between white space.

    Raises RowError `row.no_label` where nothing is written: `[]` says that there is nothing to find.
    """
    if _shared.is_missing(value):
        raise RowError("row.no_label", field, t("nothing is annotated ([] says that there is nothing to find)",
                                                "没有标注（若确无实体，请写 []）"))
    if isinstance(value, str):
        value = written(value) if value.lstrip()[:1] in "[{" else value.split()
    if not isinstance(value, list | tuple | dict):
        raise RowError("row.bad_label", field, t("neither tags nor spans: {x!r}", "既不是标签序列也不是实体：{x!r}",
                                                 x=value))
    return list(value) if isinstance(value, tuple) else value


def written(text: str) -> Any:
    """A list or object written as JSON or as Python prints it; None where it is neither."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None
