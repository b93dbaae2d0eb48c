"""Generation: a text in, a text out, in whatever form it was written down; of decoders and encoder-decoders.

    {"prompt": "2+2?", "completion": "4"}          {"instruction": "Translate.", "input": "Hi", "output": "你好"}
    {"question": "…", "answer": "…"}                {"source": "name[Aromi], food[Chinese]", "target": "Aromi is a …"}
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}
"""

from __future__ import annotations

from collections.abc import Mapping

from weitiao.tasks import Guess, Noun, Sample, TableProfile, _pairs, _texts

Options = _texts.Options

_WRITTEN = ("completion", "response", "output", "answer", "target", "回答", "输出", "回复", "答案")
_PAIRS = (
    _pairs.Pair(("prompt", "提示", "提示词"), _WRITTEN, 0.95),
    _pairs.Pair(("instruction", "指令"), _WRITTEN, 0.95, beside=("input", "system", "history")),
    _pairs.Pair(("source", "mr", "meaning_representation"),
                ("target", "reference", "references", "ref", "human_reference", "目标"), 0.91,
                unless=("label", "labels")),
    _pairs.Pair(("question", "query", "input", "问题", "问句", "问", "输入"),
                ("answer", "answers", "target", "output", "response", "答案", "回答", "答", "输出", "目标"), 0.85,
                unless=("context", "passage", "段落", "篇章")),
)
_MESSAGES = (("messages", "conversations", "conversation", "对话", "消息"), _pairs.ONLY_IF_ASKED)


def _guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
    return _pairs.claim(profile, columns, _PAIRS, _MESSAGES, ("generation of text", "文本生成"))


Task = _texts.Answers(_texts.Form(_guess, Noun("answer", "answers", "回答"), ("", ""),
                                  ("copy", "nearest", "zero_shot", "few_shot")))

SAMPLES = (
    Sample(rows=tuple({"prompt": x, "completion": y} for x, y in (
               ("is the movie good ?", "yes , very good"), ("is the food bad ?", "no"), ("a slow train", "i hate it"),
               ("a fast car", "i love it"), ("电影好看吗", "很好看"), ("吃得好吗", "好吃"))),
           columns={"prompt": "prompt", "target": "completion"}, kinds=("decoder", "encoder-decoder"),
           bad=({"prompt": "", "completion": "x"}, {"prompt": "x", "completion": " "}, {"completion": "x"},
                {"prompt": ["x"], "completion": "y"}, {"prompt": "x", "completion": []},
                {"prompt": "x", "completion": {"a": 1}}, {"prompt": "\ud800", "completion": "y"})),
    Sample(rows=tuple({"instruction": "say it again", "input": x, "output": y} for x, y in (
               ("good", ["good good", "very good"]), ("bad", ["bad bad"]), ("", ["a happy car"]), ("slow", ["slow"]))),
           columns={"prompt": "instruction", "input": "input", "target": "output"}, options={"packing": True},
           kinds=("decoder",)),
)
