"""Dialogue: what was said so far in, the next turn out; several turns, a system prompt, any of the usual forms.

    {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]}
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}
    {"context": ["Hi", "Hello.", "Busy?"], "response": "A bit."}
"""

from __future__ import annotations

from collections.abc import Mapping

from weitiao.tasks import Guess, Noun, Sample, TableProfile, _pairs, _texts

Options = _texts.Options

_PAIRS = (
    _pairs.Pair(("context", "utterance", "query", "post", "message", "user", "human", "上文", "用户", "提问", "上句"),
                ("response", "reply", "assistant", "bot", "gpt", "回复", "应答", "回应", "助手", "下句"), 0.92,
                unless=("instruction", "指令")),
)
_MESSAGES = (("messages", "conversations", "conversation", "dialog", "dialogue", "dialogs", "turns", "chat", "对话",
              "消息", "多轮对话"), 0.95)


def _guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
    return _pairs.claim(profile, columns, _PAIRS, _MESSAGES, ("dialogue", "对话"))


Task = _texts.Answers(_texts.Form(_guess, Noun("reply", "replies", "回复"), ("", ""),
                                  ("nearest", "zero_shot", "few_shot"), varied=True))

SAMPLES = (
    Sample(rows=tuple({"messages": [{"role": r, "content": c} for r, c in turns]} for turns in (
               (("user", "the movie ?"), ("assistant", "very good")),
               (("system", "be happy"), ("user", "a car"), ("assistant", "fast"), ("user", "really ?"),
                ("assistant", "yes , i love it")),
               (("user", "好吃吗"), ("assistant", "好吃"), ("user", "贵吗"), ("assistant", "不贵")))),
           columns={"messages": "messages"}, kinds=("decoder", "encoder-decoder"),
           bad=({"messages": []}, {"messages": [{"role": "nobody", "content": "x"}]}, {"messages": 3}, {"x": 1},
                {"messages": [{"role": "user"}]}, {"messages": [{"role": "assistant", "content": "x"}]},
                {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}]})),
    Sample(rows=tuple({"conversations": [{"from": r, "value": c} for r, c in turns]} for turns in (
               (("human", "a train"), ("gpt", "slow"), ("human", "really"), ("gpt", "very slow")),
               (("human", "a room"), ("gpt", "clean")))),
           columns={"messages": "conversations"}, options={"turns": "last"}, kinds=("decoder",)),
)
