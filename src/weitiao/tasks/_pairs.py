"""Which column is asked and which is answered, by their names (English and Chinese) and by what stands in them.

>>> claim(profile, {}, PAIRS, MESSAGES, ("question answering in free text", "自由问答"))
Guess(strength=0.85, columns={'prompt': 'question', 'target': 'answer'}, ...)

A target whose values repeat is a label, and its table belongs to classification.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weitiao.core.i18n import t
from weitiao.tasks import ColumnProfile, Guess, TableProfile
from weitiao.tasks._columns import ONLY_IF_ASKED as ONLY_IF_ASKED

ROLES = ("prompt", "input", "system", "history", "messages", "target")
_BESIDE = {
    "input": ("input", "context", "输入", "上下文", "材料"),
    "system": ("system", "system_prompt", "系统提示", "系统"),
    "history": ("history", "历史", "历史对话"),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Names of columns that stand beside each other, the more telling first.

    Args:
        asked, answered: names without case, spaces and dashes.
        strength: of the claim; see `weitiao.tasks.Guess`.
        beside: other roles that may stand with them.
        unless: names of columns that make the table another task's.
    """

    asked: tuple[str, ...]
    answered: tuple[str, ...]
    strength: float
    beside: tuple[str, ...] = ("system", "history")
    unless: tuple[str, ...] = ()


def claim(profile: TableProfile, named: Mapping[str, str], pairs: Sequence[Pair], messages: tuple[Sequence[str], float],
          what: tuple[str, str]) -> Guess | None:
    """The claim of a task whose tables look like `pairs` or have a column of messages (names and strength)."""
    if set(named) - set(ROLES):
        return None
    there = {_plain(c.name): c for c in profile.columns if c.kind != "empty"}
    found = _messages(profile, named, there, messages) or _pair(profile, named, there, pairs) or _asked_for(
        profile, named)
    if found is None:
        return None
    columns, strength = found
    shown = " + ".join(f"“{c}”" for r, c in columns.items() if r != "target")
    if "target" in columns:
        reason = t("{s} is read, “{y}” is written: {w}", "读取{s}，生成“{y}”：{w}", s=shown, y=columns["target"],
                   w=t(*what))
    else:
        reason = t("the answers in {s} are learnt: {w}", "学习{s}中的回答：{w}", s=shown, w=t(*what))
    return Guess(strength, columns, reason)


def _messages(profile: TableProfile, named: Mapping[str, str], there: Mapping[str, ColumnProfile],
              messages: tuple[Sequence[str], float]) -> tuple[dict[str, str], float] | None:
    names, strength = messages
    if "messages" in named:
        return dict(named), max(strength, 0.9)
    if "prompt" in named or "target" in named:
        return None
    column = next((there[n] for n in names if n in there and _turns(there[n])), None)
    if column is None:
        return None
    return {"messages": column.name, **_others(there, ("system",), {column.name}), **named}, strength


def _turns(column: ColumnProfile) -> bool:
    return column.kind == "list" or (column.kind == "text" and all(x.startswith("[{") for x in column.examples))


def _pair(profile: TableProfile, named: Mapping[str, str], there: Mapping[str, ColumnProfile],
          pairs: Sequence[Pair]) -> tuple[dict[str, str], float] | None:
    for pair in pairs:
        if any(x in there for x in pair.unless):
            continue
        asked = profile.get(named["prompt"]) if "prompt" in named else _first(there, pair.asked)
        answered = profile.get(named["target"]) if "target" in named else _first(there, pair.answered)
        if asked is None or answered is None or asked.name == answered.name:
            continue
        sure = "target" in named or pair.strength >= _SURE or is_free(answered, profile.rows)
        if sure and (asked.kind == "text" or "prompt" in named or not is_label(asked, profile.rows)):
            role = "messages" if asked.kind == "list" else "prompt"
            columns = {role: asked.name, **_others(there, pair.beside, {asked.name, answered.name}), **named}
            return {**columns, "target": answered.name}, pair.strength
    return None


_SURE = 0.93  # names that only such tables have: their answers may repeat


def _asked_for(profile: TableProfile, named: Mapping[str, str]) -> tuple[dict[str, str], float] | None:
    """Named columns, or two columns of text where no names say anything: the user has to name the task."""
    if "prompt" in named and "target" in named:
        return dict(named), 0.6
    texts = [c for c in profile.columns if c.kind == "text"]
    if named or len(texts) != 2:
        return None
    return {"prompt": texts[0].name, "target": texts[1].name}, ONLY_IF_ASKED


def is_free(column: ColumnProfile, rows: int) -> bool:
    """Are these texts that somebody wrote, rather than labels that repeat?"""
    if column.kind == "list":
        return column.mean_chars > 30
    return column.kind == "text" and not is_label(column, rows) and (
        column.distinct * 2 > rows or column.mean_chars > 40)


def is_label(column: ColumnProfile, rows: int) -> bool:
    """A few short values over and over."""
    return column.distinct * 5 <= rows and column.mean_chars <= 40


def _first(there: Mapping[str, ColumnProfile], names: Sequence[str]) -> ColumnProfile | None:
    return next((there[n] for n in names if n in there and there[n].kind in ("text", "list", "number")), None)


def _others(there: Mapping[str, ColumnProfile], roles: Sequence[str], taken: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for role in roles:
        column = next((there[n] for n in _BESIDE[role] if n in there and there[n].name not in taken), None)
        if column is not None:
            found[role] = column.name
            taken.add(column.name)
    return found


def _plain(name: str) -> str:
    """`Meaning Representation` and `meaning-representation` are `meaning_representation`."""
    return re.sub(r"[\s\-]+", "_", unicodedata.normalize("NFKC", name).strip().casefold())
