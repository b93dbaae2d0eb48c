"""Rows in, examples out; and what each bad row is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weitiao import tasks
from weitiao.core import i18n
from weitiao.core.errors import DataError, RecipeError, RowError
from weitiao.example import Row
from weitiao.tasks import Task
from weitiao.tasks._labels import in_order, label_name, label_names

COLUMNS = {"text": "评论", "label": "label"}


def read(task: Task, **values: Any) -> Any:
    return task.read(Row({"评论" if k == "text" else k: v for k, v in values.items()}, "a.csv", 7))


def fitted(targets: list[Any], **options: Any) -> Task:
    task = tasks.make("classify", options, COLUMNS)
    task.fit([read(task, text="x", label=y) for y in targets])
    return task


@pytest.mark.parametrize(("value", "name"), [
    ("好", "好"), ("  good ", "good"), (1, "1"), (1.0, "1"), ("1.0", "1"), ("-3.00", "-3"), (2.5, "2.5"), ("2.50", "2.50"),
    (True, "true"), ("True", "True"), ("none", "none"), ("None", "None"), ("1.0.0", "1.0.0"), ("N/A", "N/A")])
def test_a_label_is_its_text(value: Any, name: str) -> None:
    assert label_name(value, "label") == name


@pytest.mark.parametrize(("value", "code"), [
    (None, "row.no_label"), ("", "row.no_label"), ("  \t", "row.no_label"), (float("nan"), "row.no_label"),
    ("NaN", "row.no_label"), (["a"], "row.many_labels"), ({"a": 1}, "row.bad_label"), (float("inf"), "row.bad_label")])
def test_what_is_no_label_is_refused_with_its_column(value: Any, code: str) -> None:
    task = tasks.make("classify", {"multi_label": False}, COLUMNS)
    with pytest.raises(RowError) as e:
        read(task, text="好吃", label=value)
    assert (e.value.code, e.value.field) == (code, "label") and e.value.reason


@pytest.mark.parametrize(("value", "separator", "names"), [
    (["a", "b"], ",", ("a", "b")), ("a, b", ",", ("a", "b")), ("a|b|a", "|", ("a", "b")), ('["a, b", "c"]', ",", ("a, b", "c")),
    ("['喜', '怒']", ",", ("喜", "怒")), ([], ",", ()), ("[]", ",", ()), ([1, 2.0], ",", ("1", "2")), ("a", ",", ("a",)),
    ("a,b", "", ("a,b",)), ("a,,b,", ",", ("a", "b"))])
def test_several_labels(value: Any, separator: str, names: tuple[str, ...]) -> None:
    assert label_names(value, separator, "labels") == names


@pytest.mark.parametrize("value", [None, "", " ", float("nan"), "[a b]", "[1, 2", ["a", None], [["a"]], "[" * 5000 + "]"])
def test_what_is_no_list_of_labels_is_refused(value: Any) -> None:
    if value == "[1, 2":  # no closing bracket: two names, oddly written
        assert label_names(value, ",", "labels") == ("[1", "2")
        return
    with pytest.raises(RowError) as e:
        label_names(value, ",", "labels")
    assert e.value.field == "labels"


@pytest.mark.parametrize(("value", "code"), [
    (None, "row.empty"), ("", "row.empty"), (" \u3000\n", "row.empty"), (float("nan"), "row.empty"), (["x"], "row.not_text"),
    ({"x": 1}, "row.not_text"), (True, "row.not_text"), ("a\ud800b", "row.not_unicode")])
def test_what_is_no_text_is_refused_with_its_column(value: Any, code: str) -> None:
    task = tasks.make("classify", {}, COLUMNS)
    with pytest.raises(RowError) as e:
        read(task, text=value, label="a")
    assert (e.value.code, e.value.field) == (code, "评论")


def test_a_row_without_the_texts_column_is_refused() -> None:
    with pytest.raises(RowError) as e:
        read(tasks.make("classify", {}, COLUMNS), label="a")
    assert e.value.code == "row.no_text"


def test_texts_stay_as_they_are_and_numbers_become_texts() -> None:
    task = tasks.make("classify", {}, COLUMNS)
    got = read(task, text=" 好吃 \u2028 ", label="a")
    assert got.inputs == {"text": " 好吃 \u2028 "} and got.source == got.id == "a.csv:7"
    assert read(task, text=2024, label="a").inputs == {"text": "2024"}


def test_a_row_without_the_label_column_is_for_prediction() -> None:
    assert read(tasks.make("classify", {}, COLUMNS), text="x").target is None
    assert tasks.make("classify", {}, {"text": "评论"}).read(Row({"评论": "x", "label": ""}, "f", 1)).target is None


def test_reasons_are_in_the_users_language() -> None:
    i18n.use("zh")
    with pytest.raises(RowError) as e:
        read(tasks.make("classify", {}, COLUMNS), text="", label="a")
    assert e.value.reason == "文本为空"


def test_labels_are_in_a_fixed_order() -> None:
    assert in_order(["10", "9", "-1", "2.5"]) == ["-1", "2.5", "9", "10"]
    assert in_order(["b", "a", "10", "B", "中"]) == ["10", "B", "a", "b", "中"]
    assert fitted(["b", "a", "b"]).head().labels == fitted(["a", "b"]).head().labels == ("a", "b")
    assert fitted([2, 10, 1.0, "1"]).head().labels == ("1", "2", "10")


@pytest.mark.parametrize(("targets", "code"), [(["a"] * 5, "data.one_class"), ([], "data.no_labels"),
                                               ([f"text {i}" for i in range(60)], "data.labels_differ"),
                                               ([["a"], ["a"]], "data.one_class")])
def test_labels_that_cannot_be_learnt(targets: list[Any], code: str) -> None:
    with pytest.raises(DataError) as e:
        fitted(targets)
    assert e.value.code == code and e.value.fix and e.value.where == "label"


def test_a_class_weight_for_nobody_is_answered_with_the_nearest_label() -> None:
    with pytest.raises(RecipeError) as e:
        fitted(["good", "bad"], class_weights={"god": 2.0})
    assert "good" in e.value.fix


def test_lists_make_it_multi_label() -> None:
    task = fitted([["a"], [], ["b", "a"]])
    assert task.head().problem_type == "multi_label_classification" and task.head().labels == ("a", "b")
    assert task.numbers([["b"], ()]).tolist() == [[0, 1], [0, 0]]
    again = tasks.make("classify", {}, COLUMNS)
    again.restore(task.state())
    assert again.head() == task.head() and read(again, text="x", label="a, b").target == ("a", "b")


def test_an_unknown_label_is_a_bad_row() -> None:
    task = fitted(["a", "b"])
    with pytest.raises(RowError) as e:
        task.numbers(["c"])
    assert e.value.code == "row.unknown_label" and e.value.field == "label" and "'c'" in e.value.reason


def test_answers() -> None:
    one, many = fitted(["a", "b", "c"]), fitted([["a"], ["b"], ["a", "c"]])
    got = one.decode(np.array([[0.0, np.log(3), -50.0]], np.float32))[0]
    assert got["label"] == "b" and got["probability"] == pytest.approx(0.75) == got["probabilities"]["b"]
    assert many.decode(np.array([[1.0, -1.0, 0.0]], np.float32))[0]["labels"] == ["a", "c"]
    assert many.decode(np.zeros((0, 3), np.float32)) == [] == one.decode(np.zeros((0, 3), np.float32))
    assert one.correct(np.eye(3, dtype=np.float32), ["a", "a", "c"]).tolist() == [1, 0, 1]
    assert many.correct(np.array([[1, -1, -1], [-1, -1, -1], [1, 1, 1]], np.float32),
                        [["a"], [], ["a", "b"]]).tolist() == [1, 1, pytest.approx(0.8)]


def test_calibration_learns_the_threshold_unless_it_is_given() -> None:
    logits, targets = np.array([[-1.0], [-1.2], [-3.0]], np.float32), [["a"], ["a"], []]
    task, fixed = fitted([["a"], []]), fitted([["a"], []], threshold=0.5)
    for x in (task, fixed):
        x.calibrate(logits, targets)
    assert 0.05 < task.state()["threshold"] < 0.24 and fixed.state()["threshold"] == 0.5
    assert task.quick(logits, targets)["f1_micro"] == 1.0 and fixed.quick(logits, targets)["f1_micro"] == 0.0
    assert task.compare(logits, -logits, targets, seed=1, resamples=100).metric == "f1_micro"


# -- numbers -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("value", "code"), [("high", "row.bad_label"), (float("inf"), "row.bad_label"), ("-inf", "row.bad_label"),
                                             (float("nan"), "row.no_label"), ("nan", "row.no_label"), (None, "row.no_label"),
                                             ("", "row.no_label"), ([1.0], "row.bad_label"), (True, "row.bad_label")])
def test_what_is_no_number_is_refused(value: Any, code: str) -> None:
    with pytest.raises(RowError) as e:
        read(tasks.make("regress", {}, COLUMNS), text="x", label=value)
    assert (e.value.code, e.value.field) == (code, "label")


def test_numbers_come_back_in_their_own_unit() -> None:
    task = tasks.make("regress", {}, COLUMNS)
    targets = ["1000", 2000.0, 3000, " 4e3 "]
    examples = [read(task, text="x", label=y) for y in targets]
    task.fit(examples)
    assert [e.target for e in examples] == [1000.0, 2000.0, 3000.0, 4000.0]
    z = task.numbers([e.target for e in examples])
    assert z.mean() == pytest.approx(0) and z.std() == pytest.approx(1)
    logits = z[:, None].astype(np.float32)
    assert [p["value"] for p in task.decode(logits)] == pytest.approx([1000, 2000, 3000, 4000], rel=1e-6)
    assert task.correct(logits, [1000.0, 2100.0, 3000.0, 4000.0])[1] == pytest.approx(-100, rel=1e-3)


@pytest.mark.parametrize("targets", [[3.0] * 5, [0.0, 0.0], []])
def test_numbers_that_cannot_be_learnt(targets: list[float]) -> None:
    task = tasks.make("regress", {}, COLUMNS)
    with pytest.raises(DataError):
        task.fit([read(task, text="x", label=y) for y in targets])
