"""What is odd about a row whose answer is a text: turns out of order, answers that say nothing or repeat the source.

>>> [f.code for f in faults({"source": "That's it."}, "That's it.", "that's it")]
['same']
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weitiao.core.i18n import t
from weitiao.core.text import UNSPACED, fold
from weitiao.tasks import Fault

_WORD = re.compile(rf"[{UNSPACED}]{{1,2}}|[^\W{UNSPACED}]+")
_ASKED = 4  # words of a source that one word hardly answers


def faults(inputs: Mapping[str, Any], source: str, answer: str) -> Iterator[Fault]:
    """The faults of one row.

    Args:
        inputs: as `_asked.read` gives them.
        source: the text that the answer is about.
        answer: what is learnt.
    """
    role, turns = "messages" if "messages" in inputs else "history", _turns(inputs)
    if wrong := _order([said for said, _ in turns]):
        yield Fault("out_of_turn", role, wrong)
    if any(not content.strip() for _, content in turns):
        yield Fault("turn_empty", role, t("a turn in which nothing is said", "有一轮没有内容"))
    words = _words(answer)
    if not words:
        yield Fault("wordless", "target", t("not a letter and not a digit: {x}", "既无文字也无数字：{x}", x=answer))
    elif fold(answer) == fold(source):
        yield Fault("same", "target", t("says what the source says", "与源文本相同"))
    elif words == 1 and _words(source) >= _ASKED:
        yield Fault("one_word", "target", t("one word: {x}", "只有一个词：{x}", x=answer))


def _words(text: str) -> int:
    """Words, one or two characters of an unspaced script counting as one."""
    return len(_WORD.findall(text))


def _turns(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Who said what before the answer."""
    said = [(m["role"], m["content"]) for role in ("history", "messages") for m in inputs.get(role, ())]
    return [*said, ("user", inputs["prompt"])] if said and "prompt" in inputs else said


def _order(roles: Sequence[str]) -> str:
    """What is broken about who speaks when, of what reading lets pass; "" where nothing is. A user may say several
    things in a row, as people do in chats, and a tool may speak before the answer."""
    partners = [r for r in roles if r != "system"]
    if partners and partners[0] == "assistant":
        return t("the assistant begins", "由助手开头")
    if partners and partners[-1] == "assistant":
        return t("the assistant speaks twice in a row", "助手连续说了两次")
    return ""
