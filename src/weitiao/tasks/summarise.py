"""Summaries: a long text or a dialogue in, what it says in short out.

    article,summary                                            原文,摘要
    "The minister said on Monday …","Minister resigns."         双宫能团活性艳蓝……,活性艳蓝的应用性能
"""

from __future__ import annotations

from collections.abc import Mapping

from weitiao.tasks import Guess, Noun, Sample, TableProfile, _pairs, _texts

Options = _texts.Options

_LONG = ("article", "document", "dialogue", "dialog", "transcript", "story", "原文", "文章", "全文")
_READ = (*_LONG, "text", "content", "body", "passage", "report", "news", "source", "正文", "内容", "新闻", "对话",
         "文本")
_SAID = ("summary", "summaries", "highlights", "abstract", "tldr", "摘要", "总结", "概要", "小结")
_PAIRS = (
    _pairs.Pair(_LONG, _SAID, 0.91),
    _pairs.Pair(_READ, _SAID, 0.85),  # reviews have a text, a summary and a score: then the score is what is learnt
    _pairs.Pair(_READ, ("headline", "title", "target", "标题", "目标"), _pairs.ONLY_IF_ASKED),
)


def _guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
    return _pairs.claim(profile, columns, _PAIRS, ((), 0.0), ("summaries", "摘要生成"))


Task = _texts.Answers(_texts.Form(_guess, Noun("summary", "summaries", "摘要"),
                                  ("Summarise this text:", "请为以下内容写摘要："),
                                  ("lead", "nearest", "zero_shot", "few_shot"), keeps_start=True))

SAMPLES = (
    Sample(rows=tuple({"article": x, "summary": y} for x, y in (
               ("the movie is good . i love it . the music is great .", "a good movie"),
               ("the food is bad . the room is not clean .", "bad food"),
               ("the service is slow and the price is not good .", "slow service"),
               ("a happy travel . the ticket is fast .", ["a happy travel", "happy"]))),
           columns={"prompt": "article", "target": "summary"}, kinds=("decoder", "encoder-decoder"),
           bad=({"article": " ", "summary": "x"}, {"article": "x", "summary": None})),
)
