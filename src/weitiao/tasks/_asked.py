"""What is asked and what is answered, in every form in which people write it down, as one conversation.

>>> chat({"prompt": "2+2?"}, "4")
(Message('user', '2+2?'), Message('assistant', '4'))

A row is a prompt and its answer (with an input beside an instruction, a system prompt, earlier turns), or a list of
messages: `{"role", "content"}` (OpenAI), `{"from", "value"}` (ShareGPT), pairs, or plain texts said in turn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.example import Row
from weitiao.tasks._render import Message

TARGET = "target"
REFERENCES = "references"
"""A column of this name, where a row has it, holds all right answers (test sets often have several)."""
_TEXTS = ("prompt", "input", "system")
_LISTS = ("messages", "history")
_SAYS = {
    **dict.fromkeys(("user", "human", "instruction", "question", "usr", "用户", "人", "问"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatgpt", "bard", "answer", "助手", "助理", "机器人", "答"),
                    "assistant"),
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "工具"), "tool"),
}
_PARTNERS = ("user", "assistant")
_LONGEST = 8  # different texts


def roles(columns: Mapping[str, str]) -> tuple[str, ...]:
    """What a person must give: the messages, or the prompt."""
    return ("messages",) if "messages" in columns else ("prompt",)


def read(row: Row, columns: Mapping[str, str]) -> tuple[dict[str, Any], Any]:
    """Inputs by role and the target: the answer, a list of right answers, or None where none is there.

    Raises RowError for what is missing, empty, no text, or no conversation.
    """
    inputs: dict[str, Any] = {}
    target: Any = None
    for role in _TEXTS:
        if role in columns and (text := _text(row, columns[role], needed=role == "prompt")):
            inputs[role] = text
    for role in _LISTS:
        if role in columns and (said := _turns(row, columns, role)):
            inputs[role] = [{"role": m.role, "content": m.content} for m in said]
    if TARGET in columns:
        if columns[TARGET] in row.values:
            target = _answers(row.values[columns[TARGET]], columns[TARGET])
    elif "messages" in inputs:
        if inputs["messages"][-1]["role"] == "assistant":
            target = inputs["messages"].pop()["content"]
            if not target.strip():
                raise RowError("row.empty", columns["messages"], t("the last answer is empty", "最后的回答为空"))
        if not inputs["messages"]:
            raise RowError("row.no_prompt", columns["messages"], t("nothing stands before the answer",
                                                                   "回答之前没有内容"))
    if several := row.values.get(REFERENCES):
        target = _answers(several, REFERENCES)
    return inputs, target


def chat(inputs: Mapping[str, Any], answer: str | None, before: str = "", behind: str = "") -> tuple[Message, ...]:
    """The conversation of a row; `before` and `behind` the last thing asked stands what a task itself says."""
    out = [Message("system", inputs["system"])] if "system" in inputs else []
    out += [Message(m["role"], m["content"]) for role in ("history", "messages") for m in inputs.get(role, ())]
    if "prompt" in inputs:
        out.append(Message("user", "\n\n".join(filter(None, (inputs["prompt"], inputs.get("input", ""))))))
    out[-1] = out[-1]._replace(content="\n\n".join(filter(None, (before, out[-1].content, behind))))
    return (*out, Message("assistant", answer)) if answer is not None else tuple(out)


def learnt(target: Any) -> str:
    """The answer that is learnt: of several the first."""
    return str(target) if isinstance(target, str) else str(target[0])


def right(target: Any) -> list[str]:
    """All answers that count as right."""
    return [target] if isinstance(target, str) else list(target)


# -- values --------------------------------------------------------------------------------------------------------

def _text(row: Row, column: str, *, needed: bool) -> str:
    if column not in row.values:
        if needed:
            raise RowError("row.no_text", column, t("there is no such column in this row", "这一行没有该列"))
        return ""
    value = row.values[column]
    if _missing(value):
        if needed:
            raise RowError("row.empty", column, t("the text is empty", "文本为空"))
        return ""
    return _plain(value, column)


def _plain(value: Any, column: str) -> str:
    if isinstance(value, list) and value and all(isinstance(x, dict) and x.get("type") == "text" for x in value):
        value = "\n".join(str(x.get("text", "")) for x in value)  # OpenAI's parts of a message
    if isinstance(value, (list, tuple, dict, bool)):
        raise RowError("row.not_text", column, t("a text is needed, got {x}", "应为文本，得到 {x}", x=_short(value)))
    text = str(value)
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise RowError("row.not_unicode", column, t("half of a surrogate pair: no valid Unicode text",
                                                    "含有孤立的代理字符，不是合法的 Unicode 文本"))
    return text


def _answers(value: Any, column: str) -> str | list[str]:
    value = _parsed(value)
    if _missing(value) or value == []:
        raise RowError("row.no_label", column, t("there is no answer", "没有回答"))
    if isinstance(value, (list, tuple)):
        texts = [_plain(x, column) for x in value if not _missing(x)]
        if not texts:
            raise RowError("row.no_label", column, t("there is no answer", "没有回答"))
        return texts[0] if len(texts) == 1 else texts
    return _plain(value, column)


def _turns(row: Row, columns: Mapping[str, str], role: str) -> list[Message]:
    column, needed, answered = columns[role], role == "messages", TARGET in columns and role == "messages"
    value = _parsed(row.values.get(column))
    if isinstance(value, str) and value.strip():
        return [Message("user", _plain(value, column))]
    if _missing(value) or value == []:
        if needed:
            raise RowError("row.empty", column, t("there are no messages", "没有消息"))
        return []
    if not isinstance(value, (list, tuple)):
        raise RowError("row.no_messages", column, t("a list of messages is needed, got {x}",
                                                    "应为消息列表，得到 {x}", x=_short(value)))
    said: list[Message] = []
    # Before an answer in a column of its own, the last of plain texts is the user's.
    first = (len(value) + 1) % 2 if answered else 0
    for i, one in enumerate(value):
        said += _message(one, i + first, column)
    if not any(m.content.strip() for m in said if m.role != "system"):
        raise RowError("row.empty", column, t("all messages are empty", "所有消息都为空"))
    _check_turns(said, column)
    return said


def _check_turns(said: Sequence[Message], column: str) -> None:
    """A user may say several things in a row, and an assistant may begin. Raises RowError `row.out_of_turn` for what
    else breaks the order: a model would learn to answer itself, or what no prompt ever asks."""
    for i, (before, now) in enumerate(pairwise((Message("", ""), *said)), 1):
        wrong = {"assistant": before.role == "assistant", "system": before.role not in ("", "system"),
                 "tool": before.role not in ("assistant", "tool"), "user": False}
        if wrong[now.role]:
            raise RowError("row.out_of_turn", column,
                           t("message {n} is out of turn: {r} after {b}", "第 {n} 条消息次序不对：{r} 接在 {b} 之后",
                             n=i, r=now.role, b=before.role or t("nothing", "开头")))


def _message(one: Any, i: int, column: str) -> list[Message]:
    if isinstance(one, str):  # texts said in turn
        return [Message(_PARTNERS[i % 2], _plain(one, column))]
    if isinstance(one, (list, tuple)) and len(one) == 2:  # (question, answer)
        return [Message(role, _plain(text, column)) for role, text in zip(_PARTNERS, one, strict=True)]
    if not isinstance(one, Mapping):
        raise RowError("row.no_messages", column, t("message {n} is {x}", "第 {n} 条消息是 {x}", n=i + 1,
                                                    x=_short(one)))
    role, content = one.get("role", one.get("from")), one.get("content", one.get("value"))
    if str(role).casefold() not in _SAYS:
        raise RowError("row.unknown_role", column,
                       t("message {n} is said by {r!r}; known are system, user, assistant, tool",
                         "第 {n} 条消息的角色是 {r!r}；可用：system、user、assistant、tool", n=i + 1, r=role))
    if content is None:
        raise RowError("row.no_messages", column, t("message {n} has no content", "第 {n} 条消息没有内容", n=i + 1))
    return [Message(_SAYS[str(role).casefold()], _plain(content, column))]


def _parsed(value: Any) -> Any:
    """Lists stand in csv files as JSON text."""
    if not (isinstance(value, str) and value.lstrip().startswith("[") and value.rstrip().endswith("]")):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, list) and all(isinstance(x, (str, list, dict)) for x in found) else value


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or (
        isinstance(value, str) and not value.strip())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def source(inputs: Mapping[str, Any]) -> str:
    """What the answer is about: the prompt with its input, or the last thing that the user said."""
    if "prompt" in inputs:
        return "\n".join(filter(None, (inputs["prompt"], inputs.get("input", ""))))
    return next((str(m["content"]) for m in reversed(inputs["messages"]) if m["role"] == "user"), "")


class Different:
    """What is to be known of many texts, none of which is held: how many, whether all are equal, the longest.

    >>> Different(["a", "ccc", "bb", "ccc"]).longest
    ('ccc', 'bb', 'a')
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.count, self.equal = 0, True
        longest: set[str] = set()
        first: str | None = None
        for text in texts:
            first = text if first is None else first
            self.equal = self.equal and text == first
            self.count += 1
            longest.add(text)
            if len(longest) > 8 * _LONGEST:
                longest = set(self._first(longest))
        self.longest = tuple(self._first(longest))

    @staticmethod
    def _first(texts: set[str]) -> list[str]:
        return sorted(texts, key=lambda x: (-len(x), x))[:_LONGEST]
