"""What a person decided about rows lands in the mended copy, row by row, whatever form the labels have there."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from doctor_case import lines, recipe

from weitiao import doctor
from weitiao.core.errors import RecipeError
from weitiao.doctor import reviewing
from weitiao.doctor.fixing import Fixed


def news(n: int = 60) -> list[dict[str, Any]]:
    return [{"text": f"第{i}条消息", "label": ("体育", "财经")[i % 2]} for i in range(n)]


def fixed(folder: Path, plan: str, data: list[dict[str, Any]], tree: dict[str, Any] | None = None) -> Fixed:
    path = lines(folder / "rows.jsonl", data)
    (folder / "plan.toml").write_text(plan.replace("ROWS", path), encoding="utf-8")
    return doctor.fix(recipe(tree, train=path), folder / "plan.toml", folder / "out", tokenizer=False)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_table_in_the_plan(tmp_path: Path) -> None:
    done = fixed(tmp_path, '[rename]\n"财经" = "经济"\n[relabel]\n"ROWS:3" = "财经"\n"ROWS:4" = "财经"\n"ROWS:99" = "体育"\n',
                 news())
    assert [r["label"] for r in read(done.folder / "rows.jsonl")][:4] == ["体育", "经济", "经济", "经济"]
    log = [c for c in read(done.folder / "changes.jsonl") if c["source"].endswith(":3")]
    assert [(c["action"], c["before"], c["after"]) for c in log] == [
        ("relabel", "体育", "财经"), ("rename", "财经", "经济")]
    assert done.changes == {"relabel": 1, "rename": 31} and done.idle == (f"{tmp_path / 'rows.jsonl'}:99",)
    assert read(tmp_path / "rows.jsonl") == news()


def test_a_reviewed_list_from_a_spreadsheet(tmp_path: Path) -> None:
    """Saved by a Chinese Excel: GB18030, semicolons; `ok` takes the suggestion, nothing leaves the row."""
    path = tmp_path / "rows.jsonl"
    table = [["source", "text", "label", "suggested", "probability", "decision"],
             [f"{path}:1", "第0条消息", "体育", "财经", "0.9", "OK"], [f"{path}:2", "x", "财经", "体育", "0.8", ""],
             [f"{path}:3", "y", "体育", "财经", "0.7", "体育"], [f"{path}:5", "z", "体育", "体育", "0.7", "财经"]]
    (tmp_path / "review.csv").write_text("".join(";".join(r) + "\r\n" for r in table), encoding="gb18030")
    done = fixed(tmp_path, 'review = ["review.csv"]', news())
    assert [r["label"] for r in read(done.folder / "rows.jsonl")][:5] == ["财经", "财经", "体育", "财经", "财经"]
    assert done.changes == {"relabel": 2} and not done.idle


@pytest.mark.parametrize(("kind", "before", "decision", "after"), [
    ("list", ["a", "b"], "c", ["c"]), ("list", ["a"], "b | c", ["b", "c"]), ("list", ["a"], "[]", []),
    ("text", "a,b", "b|c", "b,c"), ("number", 0, "1", 1), ("score", 2.5, "4", 4.0)])
def test_the_form_of_the_column_stays(tmp_path: Path, kind: str, before: Any, decision: str, after: Any) -> None:
    values: dict[str, Any] = {"list": [["a"], ["b"], ["c", "a"]], "text": ["a", "b,c", "c,a"], "number": [0, 1, 1],
                              "score": [1.25, 2.75, 3.1]}
    data = [{"text": f"row {i}", "label": values[kind][i % 3] if i else before} for i in range(60)]
    task = {"task": {"name": "regress"}} if kind == "score" else {"task": {"name": "classify"}}
    if kind == "text":
        task["task"] |= {"multi_label": True}  # type: ignore[dict-item]
    done = fixed(tmp_path, f'[relabel]\n"ROWS:1" = "{decision}"\n', data, task)
    got = read(done.folder / "rows.jsonl")
    assert got[0]["label"] == after and type(got[0]["label"]) is type(after) and got[1:] == data[1:]


@pytest.mark.parametrize(("plan", "said"), [
    ('[relabel]\n"ROWS:1" = "体肓"\n', "体肓"), ('review = ["twice.csv"]', "twice"), ('review = ["short.csv"]', "decision"),
    ('review = ["typo.csv"]', "财径")])
def test_decisions_that_cannot_be_followed(tmp_path: Path, plan: str, said: str) -> None:
    source = f"{tmp_path / 'rows.jsonl'}:1"
    for name, rows in {"twice": [[source, "", "体育"], [source, "", "财经"]], "typo": [[source, "", "财径"]]}.items():
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as f:
            csv.writer(f).writerows([["source", "suggested", "decision"], *rows])
    (tmp_path / "short.csv").write_text("source,suggested\nx:1,a\n", encoding="utf-8")
    with pytest.raises(RecipeError) as e:
        fixed(tmp_path, plan, news())
    assert e.value.code == "check.bad_review" and said in e.value.what and not (tmp_path / "out").exists()
    if "typo" in plan:
        assert e.value.where == f"{tmp_path / 'typo.csv'}:2:decision" and "财经" in e.value.fix


def test_a_missing_review_is_told(tmp_path: Path) -> None:
    from weitiao.core.errors import DataError

    with pytest.raises(DataError, match=r"data\.missing_file"):
        fixed(tmp_path, 'review = ["review.csv"]', news())


def test_places_have_no_label_of_a_row(tmp_path: Path) -> None:
    spans = [{"text": f"in London {i}", "entities": [{"start": 3, "end": 9, "label": "LOC"}]} for i in range(100)]
    with pytest.raises(RecipeError, match=r"check\.no_labels"):
        fixed(tmp_path, '[relabel]\n"ROWS:1" = "LOC"', spans)


def test_without_a_doubt_there_is_no_file(tmp_path: Path) -> None:
    from weitiao.doctor import Change, Spot

    with reviewing.writing(tmp_path / "a.csv") as note:
        note(Spot("x:1"))
    assert not (tmp_path / "a.csv").exists()
    with reviewing.writing(tmp_path / "b.csv") as note:
        note(Spot("x:1", text="好, \"是\"", change=Change("a", "b")))
    assert (tmp_path / "b.csv").read_bytes().startswith(b"\xef\xbb\xbfsource,")
    assert reviewing.decisions(tmp_path / "b.csv") == {}
