"""Folds hold together what belongs together, and no test row is among them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from weitiao import tasks
from weitiao.core.errors import DataError
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.searching.parts import GROUPS, Part, groups, parts


def examples(n: int, *, copies: int = 1, users: int = 0) -> list[Example]:
    out = []
    for i in range(n):
        meta = {"user": f"u{i % users}"} if users else {}
        out += [Example(f"{i}-{c}", {"text": f"text {i}" + "!" * c}, "ab"[i % 3 > 1], f"x.csv:{len(out) + c}", meta)
                for c in range(copies)]
    return out


def task(rows: list[Example]) -> tasks.Task:
    made = tasks.make("classify", {}, {"text": "text", "label": "label"})
    made.fit(rows)
    return made


def folds(rows: list[Example], **settings: Any) -> tuple[Part, ...]:
    return parts(rows, [], task(rows), Recipe.build(settings))


def test_validation_rows_are_used_where_there_are_some() -> None:
    rows, other = examples(50), examples(60)
    (part,) = parts(rows, other, task(rows), Recipe())
    assert part == Part("", rows, other, True)


@pytest.mark.parametrize(("n", "count"), [(100, 5), (499, 5), (500, 3), (1999, 3)])
def test_each_row_is_judged_once_by_a_model_that_has_not_learnt_it(n: int, count: int) -> None:
    rows = examples(n)
    found = folds(rows)
    assert len(found) == count and not any(p.watched for p in found)
    assert Counter(e.id for p in found for e in p.judged) == Counter(e.id for e in rows)
    for part in found:
        assert {e.id for e in part.train} | {e.id for e in part.judged} == {e.id for e in rows}
        assert not {e.id for e in part.train} & {e.id for e in part.judged}
        assert len(part.judged) == pytest.approx(n / count, rel=0.1)
        share = Counter(e.target for e in part.judged)["b"] / len(part.judged)
        assert share == pytest.approx(1 / 3, abs=0.06)


def test_equal_texts_stay_together() -> None:
    for part in folds(examples(80, copies=3)):
        assert not {e.inputs["text"].rstrip("!") for e in part.train} & {e.inputs["text"].rstrip("!") for e in part.judged}


def test_groups_stay_together() -> None:
    for part in folds(examples(120, users=20), data={"group": "user"}):
        assert not {e.meta["user"] for e in part.train} & {e.meta["user"] for e in part.judged}


def test_the_future_is_not_learnt_from() -> None:
    rows = [Example(str(i), {"text": f"t {i}"}, "ab"[i % 2], f"x:{i}", {"when": str(i)}) for i in range(100)]
    (part,) = folds(rows, data={"time": "when"})
    assert len(part.judged) == 20 and not part.watched
    assert max(int(e.meta["when"]) for e in part.train) < min(int(e.meta["when"]) for e in part.judged)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError) as e:
        folds(examples(4))
    assert e.value.code == "data.too_few_rows"


def test_groups_for_the_interval_hold_whole_units() -> None:
    rows = examples(100, copies=2)
    found = groups(folds(rows), Recipe())
    assert set(found) == {e.source for e in rows} and set(found.values()) == set(range(GROUPS))
    by_text: dict[str, set[int]] = {}
    for e in rows:
        by_text.setdefault(e.inputs["text"].rstrip("!"), set()).add(found[e.source])
    assert all(len(g) == 1 for g in by_text.values())
    assert max(Counter(found.values()).values()) == 10
