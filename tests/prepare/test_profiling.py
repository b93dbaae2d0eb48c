"""What is said about columns, and which task that makes of a table."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from weitiao import tasks
from weitiao.core.errors import DataError, RecipeError
from weitiao.example import Row
from weitiao.prepare.choosing import choose
from weitiao.prepare.profiling import kind_of, profile, separator
from weitiao.recipe import Recipe
from weitiao.tasks import Guess, TableProfile


def table(**columns: list[Any]) -> TableProfile:
    names = list(columns)
    return profile(Row(dict(zip(names, values, strict=True)), "f", i)
                   for i, values in enumerate(zip(*columns.values(), strict=True), 2))


@pytest.mark.parametrize(("value", "kind"), [
    ("好吃", "text"), ("5", "number"), (" -1.5e3 ", "number"), ("1e999", "text"), (3, "number"), (2.5, "number"),
    (True, "text"), (None, "empty"), ("", "empty"), ("  ", "empty"), ("NaN", "empty"), (float("nan"), "empty"),
    (float("inf"), "text"), (["a"], "list"), ([], "list"), ("['a', 'b']", "list"), ('["a"]', "list"), ("[1, 2]", "list"),
    ("[]", "list"), ("[NAME]", "text"), ("[URL] and [URL]", "text"), ({"a": 1}, "object"), ("inf", "text"), ("1_000", "text"),
    ("10" * 400, "text"),
])
def test_kinds(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


def test_columns() -> None:
    text, stars, price, gone = table(text=["很好吃", "x" * 90, "好", ""], stars=["5", "4.0", "5", "1"],
                                     price=[1.5, 2, None, 3], gone=["", None, " ", "nan"]).columns
    assert (text.kind, text.filled, text.distinct, text.mean_chars) == ("text", 0.75, 3, 94 / 3)
    assert text.examples[1] == "x" * 39 + "…"
    assert (stars.kind, stars.integral, stars.distinct) == ("number", True, 3)
    assert (price.kind, price.integral, price.filled) == ("number", False, 0.75)
    assert (gone.kind, gone.filled, gone.distinct, gone.examples) == ("empty", 0.0, 0, ())


def test_a_few_odd_values_do_not_change_the_kind() -> None:
    assert table(a=[str(i) for i in range(99)] + ["?"]).columns[0].kind == "number"
    assert table(a=[str(i) for i in range(90)] + ["?"] * 10).columns[0].kind == "text"


def test_rows_may_lack_keys() -> None:
    got = profile([Row({"a": "x"}, "f", 1), Row({"b": "y"}, "f", 2)])
    assert [(c.name, c.filled) for c in got.columns] == [("a", 0.5), ("b", 0.5)]


@pytest.mark.parametrize(("values", "mark"), [
    (["快", "好吃", "快|好吃", "慢", "慢|快"], "|"), (["a,b", "b", "a", "c", "c, a"], ","), (["x;y", "y", "x", "x;y;z", "z"], ";"),
    (["food/drink", "home/garden", "sport"], ""), (["positive", "negative"], ""), (["2024/01/02", "2024/02/01"] * 5, ""),
    (["Good, but slow", "Bad, and dear", "It was fine, thanks"], ""), ([], ""),
    ([f"a long remark number {i}, with a comma and much more behind it to read" for i in range(50)], ""),
])
def test_separators(values: list[str], mark: str) -> None:
    assert separator(Counter(values * 4)) == mark


TABLE = table(评论=[f"这是第 {i} 条评论" for i in range(60)], 情感=["正面", "负面"] * 30, 序号=list(range(60)))


def test_the_strongest_claim_wins() -> None:
    got = choose(Recipe(), TABLE)
    assert got.name == "classify" and got.task.columns == {"text": "评论", "label": "情感"} and "情感" in got.reason


def test_what_the_user_names_is_kept() -> None:
    named = Recipe().updated({"data": {"columns": {"label": "序号"}}})
    assert choose(named, TABLE).task.columns["label"] == "序号"
    fixed = Recipe().updated({"data": {"columns": {"label": "序号"}}, "task": {"name": "regress"}})
    assert choose(fixed, TABLE).name == "regress"


def test_options_of_the_recipe_beat_those_of_the_table() -> None:
    lists = table(text=["a b c", "d e f", "g h i"], labels=[["x"], ["y"], ["x", "y"]])
    assert choose(Recipe(), lists).task.options.model_dump()["multi_label"] is True
    asked = Recipe().updated({"task": {"name": "classify", "multi_label": False, "label_smoothing": 0.1}})
    options = choose(asked, lists).task.options.model_dump()
    assert options["multi_label"] is False and options["label_smoothing"] == 0.1
    with pytest.raises(RecipeError, match="smoothness"):
        choose(Recipe().updated({"task": {"name": "auto", "smoothness": 1}}), TABLE)


def test_columns_that_are_not_there() -> None:
    with pytest.raises(DataError, match=r"data\.missing_column") as e:
        choose(Recipe().updated({"data": {"columns": {"text": "评伦"}}}), TABLE)
    assert "评论" in e.value.fix and "情感" in e.value.expected


def test_no_claim_and_a_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"data\.no_task") as e:
        choose(Recipe(), table(a=[1, 2, 3], b=[4, 5, 6]))
    assert "a (numbers" in e.value.what
    with pytest.raises(DataError, match=r"does not fit the task regress"):
        choose(Recipe().updated({"task": {"name": "regress"}}), TABLE)
    same = Guess(0.9, {"text": "评论", "label": "情感"}, "because")
    for name in ("classify", "regress"):
        monkeypatch.setattr(tasks.load(name).Task, "guess", staticmethod(lambda profile, columns: same))
    with pytest.raises(DataError, match=r"several tasks fit this table: classify, regress") as e:
        choose(Recipe(), TABLE)
    assert e.value.code == "data.no_task" and "--task classify" in e.value.fix
