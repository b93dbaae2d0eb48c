"""Whose table is this, and which column is which: layouts as people have them, English and Chinese."""

from __future__ import annotations

from typing import Any

import pytest

from weitiao import tasks
from weitiao.core import i18n
from weitiao.tasks import ColumnProfile, Guess, TableProfile
from weitiao.tasks._columns import kind_of

ROWS = 1000


def text(name: str, chars: float = 40, distinct: int = 990) -> ColumnProfile:
    return ColumnProfile(name, "text", 1.0, distinct, chars, False, ("a", "b"))


def label(name: str, distinct: int = 3) -> ColumnProfile:
    return ColumnProfile(name, "text", 1.0, distinct, 6, False, ("good", "bad"))


def integers(name: str, distinct: int) -> ColumnProfile:
    return ColumnProfile(name, "number", 1.0, distinct, 1, True, ("1", "2"))


def floats(name: str, distinct: int = 60) -> ColumnProfile:
    return ColumnProfile(name, "number", 1.0, distinct, 3, False, ("0.5", "4.2"))


def lists(name: str) -> ColumnProfile:
    return ColumnProfile(name, "list", 1.0, 50, 12, False, ('["a"]',))


def separated(name: str, by: str = ";") -> ColumnProfile:
    return ColumnProfile(name, "text", 1.0, 50, 12, False, ("a;b",), by)


def best(*columns: ColumnProfile, named: dict[str, str] | None = None, rows: int = ROWS) -> tuple[str, Guess] | None:
    """The strongest claim of all tasks, as the stage prepare takes it."""
    profile = TableProfile(rows, columns)
    claims = [(name, g) for name in tasks.names() if (g := tasks.load(name).Task.guess(profile, named or {}))]
    return max(claims, key=lambda c: c[1].strength, default=None)


SINGLE: dict[str, Any] = {"multi_label": False}
LAYOUTS: list[Any] = [
    # columns, task, roles, options
    ([text("text"), label("label")], "classify", {"text": "text", "label": "label"}, SINGLE),
    ([integers("label", 2), text("review")], "classify", {"text": "review", "label": "label"}, SINGLE),
    ([integers("id", 1000), text("comment_text"), label("Sentiment")], "classify",
     {"text": "comment_text", "label": "Sentiment"}, SINGLE),
    ([text("Tweet Content"), label("topicName", 8), text("url")], "classify",
     {"text": "Tweet Content", "label": "topicName"}, SINGLE),
    ([text("评论内容"), label("情感")], "classify", {"text": "评论内容", "label": "情感"}, SINGLE),
    ([integers("序号", 1000), label("标签"), text("文本")], "classify", {"text": "文本", "label": "标签"}, SINGLE),
    ([text("标题", 15), label("新闻类别", 14)], "classify", {"text": "标题", "label": "新闻类别"}, SINGLE),
    ([text("utterance"), label("intent", 77)], "classify", {"text": "utterance", "label": "intent"}, SINGLE),
    ([text("text"), label("label", 6), label("fine_label", 50)], "classify", {"text": "text", "label": "label"}, SINGLE),
    ([text("text"), integers("label", 5), label("label_text", 5)], "classify", {"text": "text", "label": "label"}, SINGLE),
    ([text("review_body", 300), integers("stars", 5), label("product_category", 30), label("language", 1)], "classify",
     {"text": "review_body", "label": "stars"}, SINGLE),
    ([text("premise"), text("hypothesis"), label("gold_label")], "classify",
     {"text_a": "premise", "text_b": "hypothesis", "label": "gold_label"}, SINGLE),
    ([text("句子1"), text("句子2"), integers("标签", 2)], "classify", {"text_a": "句子1", "text_b": "句子2", "label": "标签"},
     SINGLE),
    ([text("text_a"), text("text_b"), label("label"), label("genre", 5), label("level")], "classify",
     {"text_a": "text_a", "text_b": "text_b", "label": "label"}, SINGLE),
    ([text("text"), lists("labels"), text("id")], "classify", {"text": "text", "label": "labels"}, {"multi_label": True}),
    ([text("内容"), separated("情绪标签", "、")], "classify", {"text": "内容", "label": "情绪标签"},
     {"multi_label": True, "separator": "、"}),
    ([text("sentence1"), text("sentence2"), floats("score")], "regress",
     {"text_a": "sentence1", "text_b": "sentence2", "label": "score"}, {}),
    ([text("essay"), floats("grade")], "regress", {"text": "essay", "label": "grade"}, {}),
    ([text("评论"), floats("评分")], "regress", {"text": "评论", "label": "评分"}, {}),
    ([text("text"), integers("score", 100)], "regress", {"text": "text", "label": "score"}, {}),
    # Names that say nothing: the values decide.
    ([text("column1"), label("column2")], "classify", {"text": "column1", "label": "column2"}, SINGLE),
    ([label("甲"), text("乙")], "classify", {"text": "乙", "label": "甲"}, SINGLE),
    ([text("v1", 60), text("v2", 50), integers("v3", 3)], "classify", {"text_a": "v1", "text_b": "v2", "label": "v3"}, SINGLE),
    ([text("x", 80), label("z", 4), text("slug", 9)], "classify", {"text": "x", "label": "z"}, SINGLE),
]


@pytest.mark.parametrize(("columns", "task", "roles", "options"), LAYOUTS, ids=lambda x: x if isinstance(x, str) else "")
def test_layouts(columns: list[ColumnProfile], task: str, roles: dict[str, str], options: dict[str, Any]) -> None:
    got = best(*columns)
    assert got is not None
    name, guess = got
    assert (name, dict(guess.columns), dict(guess.options)) == (task, roles, options)
    assert guess.strength >= 0.5 and all(c in guess.reason for c in roles.values())
    # The claim can be made true: the task takes the options.
    tasks.make(name, guess.options, guess.columns)


def test_columns_that_the_user_names_are_kept() -> None:
    columns = (text("text"), text("title"), label("label"), label("district", 12))
    got = best(*columns, named={"label": "district", "text": "title"})
    assert got is not None and got[1].columns == {"text": "title", "label": "district"}
    only = best(*columns, named={"label": "district"})
    assert only is not None and only[1].columns == {"text_a": "text", "text_b": "title", "label": "district"}
    pair = best(text("a"), text("b"), text("c"), label("y"), named={"text_a": "b", "text_b": "a"})
    assert pair is not None and pair[1].columns == {"text_a": "b", "text_b": "a", "label": "y"}
    half = best(text("q"), text("context"), label("y"), named={"text_a": "q"})
    assert half is not None and half[1].columns == {"text_a": "q", "text_b": "context", "label": "y"}


def test_one_column_of_texts_is_raw_text() -> None:
    got = best(text("text"))
    assert got is not None and got[0] == "pretrain" and got[1].columns == {"text": "text"}
    two = best(text("text"), text("other"))
    assert two is not None and two[1].strength < 0.5
    claim = tasks.load("pretrain").Task.guess(TableProfile(ROWS, (text("text"), label("domain"), text("doc"))), {})
    assert claim.strength < 0.5 and claim.columns == {"text": "text"}, "only when asked for"
    assert tasks.load("pretrain").Task.guess(TableProfile(ROWS, (text("text"),)), {"label": "y"}) is None


@pytest.mark.parametrize("columns", [[label("label")], [integers("id", 1000), floats("price")], []])
def test_tables_without_text_or_label_are_nobodys(columns: list[ColumnProfile]) -> None:
    got = best(*columns)
    assert got is None or got[1].strength < 0.5


def test_the_other_task_claims_weakly_so_that_it_can_be_asked_for() -> None:
    profile = TableProfile(ROWS, (text("text"), integers("stars", 5)))
    classify, regress = (tasks.load(n).Task.guess(profile, {}) for n in ("classify", "regress"))
    assert classify.strength > 0.5 > regress.strength and regress.columns == classify.columns
    assert "--task regress" in classify.reason
    profile = TableProfile(ROWS, (text("text"), floats("stars")))
    classify, regress = (tasks.load(n).Task.guess(profile, {}) for n in ("classify", "regress"))
    assert regress.strength > 0.5 > classify.strength and "--task classify" in regress.reason
    assert tasks.load("regress").Task.guess(TableProfile(ROWS, (text("text"), label("label"))), {}) is None


def test_a_small_table_of_all_different_texts_is_understood() -> None:
    got = best(text("text", distinct=8), ColumnProfile("label", "text", 1.0, 2, 4, False, ("a",)), rows=8)
    assert got is not None and got[1].columns == {"text": "text", "label": "label"}


def test_the_reason_is_a_sentence_in_the_users_language() -> None:
    i18n.use("zh")
    got = best(text("评论"), label("情感"))
    assert got is not None and got[1].reason == "读取“评论”，预测“情感”（3 种取值）：单标签分类"


@pytest.mark.parametrize(("name", "kind"), [
    ("text", "text"), ("Text", "text"), ("review_text", "text"), ("sentence2", "text"), ("text_label", "label"),
    ("reviewLabel", "label"), ("LABEL_ID", "label"), ("user_id", "other"), ("用户评论", "text"), ("评论情感", "label"),
    ("评论时间", "other"), ("类别名称", "label"), ("ｔｅｘｔ", "text"), ("classes", "label"), ("price", ""), ("", ""), ("c1", "")])
def test_names(name: str, kind: str) -> None:
    assert kind_of(name)[0] == kind
