"""The section labels: shares, names that may be one, equal texts that say different things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doctor_case import checked, found, places, the

from weitiao.doctor.sections import _near_names


def news(**counts: int) -> list[dict[str, Any]]:
    return [{"text": f"第{i}条关于{name}的消息", "label": name} for name, n in counts.items() for i in range(n)]


def test_balance(tmp_path: Path) -> None:
    even = the(checked(tmp_path, news(体育=60, 财经=60)), "labels.balance")
    assert (even.verdict, even.facts["train"]) == ("good", {"体育": 60, "财经": 60})
    skewed = the(checked(tmp_path, news(体育=190, 财经=10)), "labels.balance")
    assert (skewed.verdict, skewed.count, skewed.of) == ("look", 190, 200)


def test_rare_labels(tmp_path: Path) -> None:
    got = checked(tmp_path, news(体育=60, 财经=60, 教育=3, 军事=1))
    rare = the(got, "labels.rare")
    assert rare.facts["labels"] == {"教育": 3, "军事": 1} and places(rare) == [121, 122, 123, 124]
    assert found(checked(tmp_path, news(体育=60, 财经=12)), "labels.rare") is None


def test_labels_that_training_lacks(tmp_path: Path) -> None:
    got = checked(tmp_path, news(体育=60, 财经=60), test=news(体育=10, 军事=2))
    unknown = the(got, "labels.unknown_in_test")
    assert unknown.facts["labels"] == {"军事": 2} and places(unknown) == [11, 12]
    assert unknown.fix == {"drop": ["labels.unknown_in_test"]}


def test_labels_that_say_nothing(tmp_path: Path) -> None:
    got = checked(tmp_path, [*news(体育=60, 财经=60), {"text": "又一条消息", "label": "-"}])
    assert places(the(got, "labels.placeholder")) == [121]


def test_names_that_may_be_one(tmp_path: Path) -> None:
    rows = [*news(体育=60, 财经=60), {"text": "一", "label": "體育"}, {"text": "二", "label": "财经\u200b"},
            {"text": "三", "label": " 体育"}]
    got = checked(tmp_path, rows)
    near = the(got, "labels.near")
    pytest.importorskip("opencc")
    assert near.fix == {"rename": {"體育": "体育", "财经\u200b": "财经"}} and places(near) == [121, 122]
    # White space at an edge is dropped by reading already: said, not held against the data.
    assert (the(got, "labels.space").count, the(got, "labels.space").verdict) == (1, "good")


@pytest.mark.parametrize(("first", "second", "near"), [
    ("Sports", "sports", True), ("ＡＢＣ", "ABC", True), ("not-good", "not good", True), ("finance", "finanse", True),
    ("politics", "politcis", True), ("news", "new", False), ("class1", "class2", False), ("cat", "car", False),
    ("体育", "体验", False), ("positive", "negative", False), ("a", "b", False), ("20", "2.0", False),
    ("1", "-1", False), ("top-10", "top 10", True),
])
def test_pairs_of_names(first: str, second: str, near: bool) -> None:
    assert bool(list(_near_names.pairs({first: 500, second: 2}, 0.02))) is near


def test_frequent_names_one_letter_apart_are_two_names() -> None:
    assert not list(_near_names.pairs({"income": 500, "incomes": 400}, 0.02))


def test_conflicts_over_parts(tmp_path: Path) -> None:
    """The brute-force count of inputs with more than one answer, texts folded."""
    rows = [*news(体育=60, 财经=60), {"text": "第3条 关于体育的消息！", "label": "财经"}]
    got = checked(tmp_path, rows, test=[{"text": "第5条关于财经的消息", "label": "体育"}, {"text": "新的", "label": "体育"}])
    conflicts = the(got, "labels.conflicts")
    assert (conflicts.facts["inputs"], conflicts.count, conflicts.of) == (2, 4, 123)
    assert [s.source.rpartition("/")[2] for s in conflicts.spots] == [
        "rows.jsonl:4", "rows.jsonl:66", "rows.jsonl:121", "held.jsonl:1"]
    assert "rows.jsonl:4" in conflicts.spots[2].note and conflicts.verdict == "look"


def test_the_order_of_several_labels_is_no_conflict(tmp_path: Path) -> None:
    rows = [{"text": f"t{i} is it", "labels": ["a", "b"] if i % 3 else ["c"]} for i in range(120)]
    rows += [{"text": "t1 is it", "labels": ["b", "a"]}, {"text": "t2 is it", "labels": ["a"]}]
    conflicts = the(checked(tmp_path, rows), "labels.conflicts")
    assert places(conflicts) == [3, 122]


def test_several_answers_are_right_where_answers_are_texts(tmp_path: Path) -> None:
    rows = [{"prompt": f"Say number {i}", "completion": f"It is {i}."} for i in range(100)]
    several = the(checked(tmp_path, [*rows, {"prompt": "Say number 7", "completion": "Seven."}]), "labels.several")
    assert (several.verdict, several.facts["inputs"], places(several)) == ("good", 1, [8, 101])


def test_tags_are_labels_too(tmp_path: Path) -> None:
    rows = [{"tokens": ["in", "London", str(i)], "tags": ["O", "B-LOC" if i % 2 else "B-ORG", "O"]} for i in range(120)]
    got = checked(tmp_path, [*rows, {"tokens": ["in", "London", "1"], "tags": ["O", "O", "O"]}])
    assert the(got, "labels.balance").facts["train"] == {"LOC": 60, "ORG": 60}
    assert places(the(got, "labels.conflicts")) == [2, 121]


def test_numbers_have_no_names(tmp_path: Path) -> None:
    got = checked(tmp_path, [{"text": f"this is item {i}", "score": i / 7} for i in range(150)])
    assert got.task == "regress" and found(got, "labels.balance") is None
    assert json.dumps(got.as_dict())


def test_documents_contradict_nothing(tmp_path: Path) -> None:
    rows = [{"text": f"This is document number {i}."} for i in range(100)]
    got = checked(tmp_path, [*rows, {"text": "this is document number 7"}], tree={"task": {"name": "pretrain"}})
    assert got.task == "pretrain" and not got.sections["labels"].findings
