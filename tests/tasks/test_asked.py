"""Rows as people write them down: who says what, what is the answer, and what is no conversation at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from weitiao import tasks
from weitiao.core.errors import RowError
from weitiao.example import Row
from weitiao.tasks import ColumnProfile, Guess, TableProfile, _asked
from weitiao.tasks._render import Message

OPENAI = [{"role": "system", "content": "S"}, {"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
FORMS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "openai": ({"m": OPENAI}, {"messages": "m"}),
    "openai parts": ({"m": [OPENAI[0], {"role": "user", "content": [{"type": "text", "text": "A"}]}, OPENAI[2]]},
                     {"messages": "m"}),
    "sharegpt": ({"m": [{"from": "system", "value": "S"}, {"from": "human", "value": "A"}, {"from": "gpt", "value": "B"}]},
                 {"messages": "m"}),
    "json in csv": ({"m": json.dumps(OPENAI)}, {"messages": "m"}),
    "prompt": ({"s": "S", "p": "A", "c": "B"}, {"system": "s", "prompt": "p", "target": "c"}),
    "chinese roles": ({"m": [{"role": "系统", "content": "S"}, {"role": "用户", "content": "A"},
                             {"role": "助手", "content": "B"}]}, {"messages": "m"}),
    "context": ({"s": "S", "m": ["A"], "r": "B"}, {"system": "s", "messages": "m", "target": "r"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_say_the_same(form: str) -> None:
    values, columns = FORMS[form]
    inputs, target = _asked.read(Row(values, "x", 1), columns)
    assert target == "B"
    assert _asked.chat(inputs, target) == (Message("system", "S"), Message("user", "A"), Message("assistant", "B"))


def test_alpaca_puts_the_input_below_the_instruction() -> None:
    columns = {"prompt": "instruction", "input": "input", "target": "output", "history": "history"}
    row = {"instruction": "Add.", "input": "1 2", "output": "3", "history": [["Hi", "Yes?"]]}
    inputs, target = _asked.read(Row(row, "x", 1), columns)
    assert _asked.chat(inputs, target, behind="Go.") == (
        Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "Add.\n\n1 2\n\nGo."), Message("assistant", "3"))
    assert "input" not in _asked.read(Row({**row, "input": ""}, "x", 1), columns)[0]
    assert _asked.source(inputs) == "Add.\n1 2"


def test_texts_said_in_turn() -> None:
    inputs, target = _asked.read(Row({"d": ["a", "b", "c", "d"]}, "x", 1), {"messages": "d"})
    assert target == "d" and [m["role"] for m in inputs["messages"]] == ["user", "assistant", "user"]
    inputs, target = _asked.read(Row({"d": ["a", "b"], "r": "c"}, "x", 1), {"messages": "d", "target": "r"})
    assert target == "c" and [m["role"] for m in inputs["messages"]] == ["assistant", "user"]


def test_several_right_answers_are_kept_and_the_first_is_learnt() -> None:
    columns = {"prompt": "p", "target": "t"}
    for row in ({"p": "x", "t": ["a", "b"]}, {"p": "x", "t": "a", "references": ["a", "b"]}, {"p": "x", "t": '["a", "b"]'}):
        target = _asked.read(Row(row, "x", 1), columns)[1]
        assert _asked.right(target) == ["a", "b"] and _asked.learnt(target) == "a"
    assert _asked.read(Row({"p": "x"}, "x", 1), columns)[1] is None
    assert _asked.read(Row({"p": "x", "t": "[sic]"}, "x", 1), columns)[1] == "[sic]"


@pytest.mark.parametrize(("value", "code"), [
    ([{"role": "nobody", "content": "x"}], "row.unknown_role"), ([{"role": "user"}], "row.no_messages"), (7, "row.no_messages"),
    ([3], "row.no_messages"), ([], "row.empty"), (None, "row.empty"), ([{"role": "user", "content": " "}], "row.empty"),
    ([{"role": "assistant", "content": "x"}], "row.no_prompt"), ([{"role": "user", "content": {"a": 1}}], "row.not_text"),
    ([{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}], "row.empty")])
def test_what_is_no_conversation_is_refused(value: Any, code: str) -> None:
    with pytest.raises(RowError) as e:
        _asked.read(Row({"m": value}, "x", 1), {"messages": "m"})
    assert e.value.code == code and e.value.field == "m"


# -- whose table is this -------------------------------------------------------------------------------------------

def text(name: str, chars: float = 60, distinct: int = 990) -> ColumnProfile:
    return ColumnProfile(name, "text", 1.0, distinct, chars, False, ("a", "b"))


def turns(name: str) -> ColumnProfile:
    return ColumnProfile(name, "list", 1.0, 990, 200, False, ('[{"role": …',))


def label(name: str, distinct: int = 3) -> ColumnProfile:
    return ColumnProfile(name, "text", 1.0, distinct, 6, False, ("good", "bad"))


def best(*columns: ColumnProfile, named: dict[str, str] | None = None) -> tuple[str, Guess]:
    claims = [(name, g) for name in tasks.names()
              if (g := tasks.load(name).Task.guess(TableProfile(1000, columns), named or {})) is not None
              and g.strength >= 0.5]
    claims.sort(key=lambda c: -c[1].strength)
    assert len(claims) == 1 or claims[0][1].strength > claims[1][1].strength, claims
    return claims[0]


@pytest.mark.parametrize(("columns", "task", "roles"), [
    ([text("prompt"), text("completion")], "generate", {"prompt": "prompt", "target": "completion"}),
    ([text("instruction"), text("input"), text("output")], "generate",
     {"prompt": "instruction", "input": "input", "target": "output"}),
    ([text("instruction"), text("context"), text("response"), label("category")], "generate",
     {"prompt": "instruction", "input": "context", "target": "response"}),
    ([text("source"), text("target")], "generate", {"prompt": "source", "target": "target"}),
    ([text("question"), text("answer")], "generate", {"prompt": "question", "target": "answer"}),
    ([text("问题"), text("回答")], "generate", {"prompt": "问题", "target": "回答"}),
    ([text("指令"), text("输入"), text("输出")], "generate", {"prompt": "指令", "input": "输入", "target": "输出"}),
    ([text("mr"), text("human_reference")], "generate", {"prompt": "mr", "target": "human_reference"}),
    ([turns("messages")], "dialogue", {"messages": "messages"}),
    ([text("id"), turns("conversations"), text("system")], "dialogue", {"messages": "conversations", "system": "system"}),
    ([turns("messages"), label("category")], "dialogue", {"messages": "messages"}),
    ([turns("对话")], "dialogue", {"messages": "对话"}),
    ([turns("context"), text("response")], "dialogue", {"messages": "context", "target": "response"}),
    ([text("用户"), text("回复")], "dialogue", {"prompt": "用户", "target": "回复"}),
    ([text("article", 900), text("highlights")], "summarise", {"prompt": "article", "target": "highlights"}),
    ([text("id"), text("dialogue", 700), text("summary"), text("topic")], "summarise",
     {"prompt": "dialogue", "target": "summary"}),
    ([text("原文", 300), text("摘要", 20)], "summarise", {"prompt": "原文", "target": "摘要"}),
    # Not ours: labels that repeat.
    ([text("question"), label("answer"), label("label")], "classify",
     {"text_a": "question", "text_b": "answer", "label": "label"}),
    ([text("text"), label("target")], "classify", {"text": "text", "label": "target"}),
    ([text("question"), text("answer"), label("label")], "classify",
     {"text_a": "question", "text_b": "answer", "label": "label"}),
])
def test_tables(columns: list[ColumnProfile], task: str, roles: dict[str, str]) -> None:
    name, guess = best(*columns)
    assert (name, dict(guess.columns)) == (task, roles)
    assert guess.strength >= 0.5 and all(c in guess.reason for c in roles.values() if c not in ("input", "context", "system"))
    tasks.make(name, guess.options, guess.columns)


def test_named_columns_are_kept() -> None:
    name, guess = best(text("a"), text("b"), text("c"), named={"prompt": "b", "target": "a"})
    assert name in ("dialogue", "generate", "summarise") and guess.columns == {"prompt": "b", "target": "a"}
    assert tasks.load("generate").Task.guess(TableProfile(9, (text("x"), text("y"))), {"text": "x"}) is None


TURNS = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}


@pytest.mark.parametrize(("turns", "wrong"), [
    ("uaua", 0), ("suua", 0), ("aua", 0), ("uataa", 5), ("uatta", 0), ("ssua", 0), ("uaa", 3), ("usa", 2), ("ta", 1), ("uta", 2),
    ("uasua", 3)])
def test_roles_out_of_turn_are_refused(turns: str, wrong: int) -> None:
    messages = [{"role": TURNS[x], "content": f"{i} x"} for i, x in enumerate(turns)]
    if not wrong:
        assert _asked.read(Row({"m": messages}, "x", 1), {"messages": "m"})[1] == f"{len(turns) - 1} x"
        return
    with pytest.raises(RowError, match=f"message {wrong} is out of turn") as e:
        _asked.read(Row({"m": messages}, "x", 1), {"messages": "m"})
    assert (e.value.code, e.value.field) == ("row.out_of_turn", "m")
