"""Of many rows none is held: what prepare makes of rows that lie on the disk is what it makes of held ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case import Prepared, prepared, table

from weitiao import splits
from weitiao.example import Example
from weitiao.prepare import comparing
from weitiao.tasks import _asked


def both(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, **tree: Any) -> Prepared:
    """The stage twice: with every row held, and with no more than three."""
    held = prepared(folder, name, **tree)
    monkeypatch.setattr(splits, "HELD", 3)
    monkeypatch.setattr(splits, "_GROUP", 7)
    stored = prepared(folder, name, **tree)
    monkeypatch.undo()
    assert stored.parts == held.parts and stored.report == held.report and stored.rejected == held.rejected
    assert not (stored.run.folder / "prepare" / ".read").exists()
    files = [sorted(p.name for p in (x.run.folder / "prepare").iterdir()) for x in (held, stored)]
    assert files[0] == files[1]
    return stored


def rows(n: int = 90) -> list[tuple[object, ...]]:
    """Texts of which some repeat and contradict one another, users, days and the part of each."""
    made = [(f"text {i % 70} about {'abc'[i % 70 % 3] * 5}", "pn"[i % 2 if i < 80 else (i + 1) % 2], f"u{i % 20}", i,
             ("train", "test", "dev")[0 if i % 5 else i % 3]) for i in range(n)]
    return [*made, ("no label here", "", "u1", 5, "train")]


HEADER = "text,label,user,day,which"


@pytest.mark.parametrize("data", [{}, {"group": "user"}, {"time": "day"}, {"split": "which"}, {"id": "day"}])
def test_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, str]) -> None:
    name = table(tmp_path, "d.csv", rows(), HEADER)
    got = both(tmp_path, monkeypatch, name, data={"max_bad_share": 0.2, "columns": {"text": "text", "label": "label"},
                                                  **data})
    assert got.parts["train"] and got.parts["test"] and got.report["conflicts"]["inputs"] and got.rejected


def test_given_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = rows()
    test = [*made[10:40], ("unseen label", "zz", "u1", 5, "train")]
    got = both(tmp_path, monkeypatch, table(tmp_path, "a.csv", made[:-1], HEADER), data={
        "test": (table(tmp_path, "b.csv", test, HEADER),), "columns": {"text": "text", "label": "label"},
        "max_bad_share": 0.1})
    assert got.report["near"]["test_in_train"]["rows"] and len(got.parts["test"]) == 30


def test_a_column_of_parts_beside_a_given_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [(f"given {i}", "pn"[i % 2], "u", i, "train") for i in range(8)]
    got = both(tmp_path, monkeypatch, table(tmp_path, "a.csv", rows()[:-1], HEADER), data={
        "test": (table(tmp_path, "b.csv", given, HEADER),), "split": "which",
        "columns": {"text": "text", "label": "label"}})
    assert {e.source.partition(":")[0] for e in got.parts["test"]} == {"a.csv", "b.csv"}


def test_questions_stay_with_their_passages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [{"question": f"who is {i}?", "context": f"He is {i // 3} and nobody else.", "answers": {
        "text": [str(i // 3)], "answer_start": [6]}} for i in range(60)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    monkeypatch.setattr(comparing, "_PASSAGES", 4)
    got = both(tmp_path, monkeypatch, "q.jsonl", task={"name": "extract"})
    assert got.report["passages"]["test_in_train"] == {"rows": 0, "passages": 0} and got.parts["test"]


def test_texts_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [{"prompt": f"say {i}", "target": "x" * (i % 13) + str(i)} for i in range(60)]
    (tmp_path / "g.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
    assert both(tmp_path, monkeypatch, "g.jsonl", task={"name": "generate"}).parts["test"]


def test_rows_of_a_file_answer_like_a_list(tmp_path: Path) -> None:
    made = [Example(str(i), {"text": f"t{i}"}, ["a", "b", ["c"], 1.5][i % 4], f"x:{i}") for i in range(30)]
    splits.write(tmp_path / "r.parquet", made)
    stored = splits.Stored(tmp_path / "r.parquet")
    some = splits.picked(stored, np.array([1, 5, 6, 29]))
    fewer = splits.picked(some, np.array([0, 3]))
    assert list(some) == [made[i] for i in (1, 5, 6, 29)] and list(fewer) == [made[1], made[29]]
    assert some[-1] == made[29] and some[1:3] == made[5:7] and len(fewer) == 2
    assert list(splits.picked(stored, np.array([], np.int64))) == []
    assert list(splits.Targets(some)) == splits.Targets(made)[1:2] + [made[i].target for i in (5, 6, 29)]
    first, again = (x.target for x in splits.picked(stored, np.array([0, 4])))
    assert first is again  # a label's name is held once


def test_the_longest_of_many_texts() -> None:
    texts = [str(i) * (i % 40) for i in range(400)]
    found = _asked.Different(texts)
    assert found.longest == tuple(sorted(set(texts), key=lambda x: (-len(x), x))[:8])
    assert (found.count, found.equal) == (400, False) and _asked.Different(["a", "a"]).equal
