"""The stage as a whole: what it writes, what it says, and that nothing is left behind when it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from case import new_run, prepared, table

from weitiao import prepare, splits
from weitiao.core import i18n
from weitiao.core.errors import DataError
from weitiao.recipe import Recipe

SENTENCES = [(f"这家店第{i}次去还是很{'好吃' if i % 2 else '难吃'}", "positive" if i % 2 else "negative") for i in range(60)]


def stopped(tmp_path: Path, *train: str, **tree: Any) -> DataError:
    """The error that stops the stage, which leaves nothing under its final name."""
    with pytest.raises(DataError) as e:
        prepared(tmp_path, *train, **tree)
    (run,) = tmp_path.glob("run-*")
    assert sorted(p.name for p in run.iterdir()) == ["manifest.json", "recipe.toml"]
    assert e.value.fix
    i18n.use("zh")
    assert str(e.value)
    return e.value


def test_from_a_file_to_parts(tmp_path: Path) -> None:
    got = prepared(tmp_path, table(tmp_path, "a.csv", SENTENCES), split={"validation": 0.1})
    assert {p: len(e) for p, e in got.parts.items()} == {"train": 43, "validation": 5, "test": 12}
    assert sorted(e.source for part in got.parts.values() for e in part) == sorted(f"a.csv:{i}" for i in range(2, 62))
    assert got.report["task"]["name"] == "classify" and got.report["language"] == "zh"
    assert got.report["how"] == {"train": "given", "test": "cut", "validation": "cut"}
    assert got.report["rows"] == {"read": 60, "rejected": 0, "train": 43, "validation": 5, "test": 12}
    assert sum(got.report["targets"][p]["positive"] for p in splits.PARTS) == 30
    assert got.report["lengths"]["train"]["text"]["max"] == 13
    name, task = splits.load_task(got.run)
    assert name == "classify" and task.state()["labels"] == ["negative", "positive"]
    assert "task: classify; text = “text”, label = “label”; language: Chinese" in got.lines


def test_few_rows_are_all_used_for_training(tmp_path: Path) -> None:
    got = prepared(tmp_path, table(tmp_path, "a.csv", SENTENCES))
    assert {p: len(e) for p, e in got.parts.items()} == {"train": 48, "validation": 0, "test": 12}
    assert got.report["how"]["validation"] == "none"
    i18n.use("zh")
    assert any("全部用于训练" in line for line in got.lines)


def test_same_data_same_result(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", SENTENCES)
    table(tmp_path, "b.csv", SENTENCES[::-1])
    first, again, turned = (prepared(tmp_path, n, split={"validation": 0.2}) for n in ("a.csv", "a.csv", "b.csv"))
    assert first.report == again.report
    assert [e.inputs for e in first.parts["test"]] == [e.inputs for e in turned.parts["test"]][::-1]
    other = prepared(tmp_path, "a.csv", split={"validation": 0.2}, seed=2)
    assert first.ids("test") != other.ids("test")
    assert first.report["fingerprint"]["files"] == other.report["fingerprint"]["files"]
    assert first.report["fingerprint"]["all"] != other.report["fingerprint"]["all"]


def test_given_files_stay_as_they_are(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", SENTENCES)
    table(tmp_path, "t.csv", [("全新的好句子", "positive"), (SENTENCES[3][0] + "！", "positive"), ("全新的坏句子", "negative"),
                              ("未知标签", "neutral")] + [(f"句子{i}", "negative") for i in range(30)])
    got = prepared(tmp_path, "a.csv", data={"test": ("t.csv",)}, split={"validation": 0.1})
    assert {p: len(e) for p, e in got.parts.items()} == {"train": 54, "validation": 6, "test": 33}
    assert got.report["leaks"]["test_in_train"]["rows"] + got.report["leaks"]["test_in_validation"]["rows"] == 1
    assert set(got.report["leaked_test_ids"]) <= {"t.csv:3"}
    assert [(r["file"], r["line"], r["code"]) for r in got.rejected] == [("t.csv", 5, "row.unknown_label")]
    assert got.report["rows"]["rejected"] == 1


def test_leaks_are_counted_and_listed(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [("Good food", "p"), ("bad food", "n"), ("so so", "n"), ("fine", "p")])
    table(tmp_path, "v.csv", [("FINE!", "p"), ("new", "n")])
    table(tmp_path, "t.csv", [("good  FOOD!", "p"), ("good-food", "n"), ("new.", "n"), ("other", "p")])
    got = prepared(tmp_path, "a.csv", data={"validation": ("v.csv",), "test": ("t.csv",)})
    assert got.report["leaks"] == {"test_in_train": {"rows": 2, "inputs": 1}, "validation_in_train": {"rows": 1, "inputs": 1},
                                   "test_in_validation": {"rows": 1, "inputs": 1}}
    assert got.report["leaked_test_ids"] == ["t.csv:2", "t.csv:3", "t.csv:4"]
    assert got.report["duplicates"] == {"train": 0, "validation": 0, "test": 1}
    assert got.report["conflicts"]["inputs"] == 1
    assert got.report["conflicts"]["examples"][0]["sources"] == ["a.csv:2", "t.csv:2", "t.csv:3"]
    assert any("2 of 4 (50.00%) test rows also stand in the training rows" in line for line in got.lines)


def test_a_split_column(tmp_path: Path) -> None:
    rows = [(f"text {i} here", "ab"[i % 2], ("train", "dev", "测试", "Training")[i % 4 if i < 40 else 0]) for i in range(60)]
    table(tmp_path, "a.csv", rows, "text,label,which")
    got = prepared(tmp_path, "a.csv", data={"split": "which"})
    assert {p: len(e) for p, e in got.parts.items()} == {"train": 40, "validation": 10, "test": 10}
    assert got.report["how"] == {"train": "given", "validation": "column", "test": "column"}
    table(tmp_path, "b.csv", [(*r[:2], r[2].replace("测试", "test")) for r in rows if r[2] != "Training"],
          "text,label,split")
    assert prepared(tmp_path, "b.csv").report["how"]["test"] == "column"
    table(tmp_path, "c.csv", [*rows, ("text", "a", "holdout")], "text,label,which")
    assert prepared(tmp_path, "c.csv", data={"split": "which"}).rejected[0]["code"] == "row.bad_split"


def test_a_folder_with_named_parts(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for i, name in enumerate(("train.csv", "dev.csv", "test-2024.csv")):
        table(tmp_path / "d", name, [(f"{i} {text}", label) for text, label in SENTENCES])
    (tmp_path / "d" / "notes.md").write_text("x")
    got = prepared(tmp_path, "d")
    assert {p: len(e) for p, e in got.parts.items()} == {"train": 60, "validation": 60, "test": 60}
    assert got.report["how"] == {"train": "given", "validation": "given", "test": "given"}


def test_bad_rows_are_kept_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{text},{label}\n" for text, label in SENTENCES] * 3
    rows[10], rows[20], rows[30] = "a,b,c\n", ",positive\n", "text without,nan\n"
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    got = prepared(tmp_path, "a.csv")
    assert [(r["line"], r["field"], r["code"]) for r in got.rejected] == [
        (12, "", "row.fields"), (22, "text", "row.empty"), (32, "label", "row.no_label")]
    assert all(r["file"] == "a.csv" and r["reason"] and r["raw"] for r in got.rejected)
    assert got.report["rejected"]["by_code"] == {"row.fields": 1, "row.empty": 1, "row.no_label": 1}
    assert got.report["rows"]["read"] == 180 and got.report["files"][0]["rejected"] == 3
    assert any("180 rows read, 3 rejected" in line and "a.csv:12" in line for line in got.lines)


def test_a_reason_may_hold_what_is_no_unicode(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in SENTENCES]
    lines[5] = r'{"text": "\ud83d", "label": "positive"}'
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert prepared(tmp_path, "a.jsonl").rejected[0]["code"] == "row.not_unicode"


def test_cleaning(tmp_path: Path) -> None:
    rows = [(f"<b>第 {i} 次</b>：ＡＢＣ 見 http://x.cn/{i}，@小明 好", "ab"[i % 2]) for i in range(59)]
    table(tmp_path, "a.csv", [*rows, ("<br>", "a")])
    got = prepared(tmp_path, "a.csv", clean={"html": True, "width": True, "urls": True, "mentions": True,
                                             "chinese": "simplified"})
    first = next(e for e in got.parts["train"] + got.parts["test"] if e.source == "a.csv:2")
    assert first.inputs == {"text": "第 0 次：ABC 见 [URL]，@user 好"}
    assert [(r["line"], r["code"]) for r in got.rejected] == [(61, "row.empty")]


def test_ids(tmp_path: Path) -> None:
    rows = [(f"n{i}", text, label) for i, (text, label) in enumerate(SENTENCES)]
    table(tmp_path, "a.csv", [*rows, ("n3", "一句重复编号的话", "positive")], "key,text,label")
    got = prepared(tmp_path, "a.csv", data={"id": "key"})
    assert sorted(got.ids("train") + got.ids("test")) == sorted(r[0] for r in rows)
    (bad,) = got.rejected
    assert (bad["line"], bad["field"], bad["code"]) == (62, "key", "row.duplicate_id") and "a.csv:5" in bad["reason"]


# -- what stops it -------------------------------------------------------------------------------------------------

def test_too_many_bad_rows(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [*SENTENCES, *[("good", "")] * 6])
    error = stopped(tmp_path, "a.csv")
    assert error.code == "data.too_many_bad_rows" and error.where == "a.csv"
    assert "a.csv:62:label" in error.what or "a.csv:62:label" in str(error)
    assert "data.max_bad_share=0.1" in error.fix


def test_too_many_duplicate_ids(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [(i % 30, *row) for i, row in enumerate(SENTENCES)], "id,text,label")
    error = stopped(tmp_path, "a.csv", data={"id": "id"})
    assert error.code == "data.duplicate_id" and "a.csv:32:id" in str(error) and "a.csv:2" in str(error)


def test_labels_that_training_has_not(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", SENTENCES)
    table(tmp_path, "t.csv", [(text, {"positive": 1, "negative": 0}[label]) for text, label in SENTENCES])
    error = stopped(tmp_path, "a.csv", data={"test": ("t.csv",)})
    assert error.code == "data.too_many_bad_rows" and error.where == "test" and "t.csv:2:label" in str(error)


def test_a_folder_without_training_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    table(tmp_path / "d", "test.csv", SENTENCES)
    assert stopped(tmp_path, "d").code == "data.no_files"


def test_one_class(tmp_path: Path) -> None:
    assert stopped(tmp_path, table(tmp_path, "a.csv", [(f"text {i}", "x") for i in range(30)])).code == "data.one_class"


def test_missing_columns(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", SENTENCES, "comment,label")
    error = stopped(tmp_path, "a.csv", data={"columns": {"text": "coment"}})
    assert error.code == "data.missing_column" and "comment" in error.fix
    (tmp_path / "run-0" / "manifest.json").unlink()
    (tmp_path / "run-0" / "recipe.toml").unlink()
    (tmp_path / "run-0").rmdir()
    table(tmp_path, "t.csv", SENTENCES, "comment,labels")
    error = stopped(tmp_path, "a.csv", data={"test": ("t.csv",)})
    assert error.code == "data.missing_column" and error.where == "t.csv" and "labels" in error.fix


def test_no_task(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [(i, i * 2) for i in range(50)], "a1,b1")
    error = stopped(tmp_path, "a.csv")
    assert error.code == "data.no_task" and "a1" in error.what and "--columns" in error.fix


def test_header_without_rows(tmp_path: Path) -> None:
    assert stopped(tmp_path, table(tmp_path, "a.csv", [])).code == "data.empty_file"
    (tmp_path / "b.jsonl").write_text("text,label\n1,2\n" * 3)
    recipe = Recipe().updated({"data": {"train": ("b.jsonl",)}})
    with pytest.raises(DataError, match=r"data\.too_many_bad_rows.*\n.*b\.jsonl:1"):
        prepare.prepare(recipe, new_run(tmp_path / "other", recipe), source_root=tmp_path)


def test_labels_in_the_wrong_column(tmp_path: Path) -> None:
    """The text's column named as the label: every row its own class."""
    table(tmp_path, "a.csv", [(text, label, f"remark {i}") for i, (text, label) in enumerate(SENTENCES)],
          "text,label,remark")
    error = stopped(tmp_path, "a.csv", data={"columns": {"text": "remark", "label": "text"}}, task={"name": "classify"})
    assert error.code == "data.labels_differ"


def test_three_rows(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [("good", "a"), ("bad", "b"), ("fine", "c")])
    assert stopped(tmp_path, "a.csv").code == "data.too_few_rows"


def test_classes_with_one_row_are_said(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [*SENTENCES, ("独一无二", "unique"), ("成双其一", "pair"), ("成双其二", "pair")])
    got = prepared(tmp_path, "a.csv", split={"validation": 0.1})
    assert got.report["rare"] == ["unique"] and "unique" in got.report["targets"]["train"]
    assert got.report["targets"]["train"]["pair"] == 1
    assert any("unique" in line and "single row" in line for line in got.lines)


# -- other tasks ---------------------------------------------------------------------------------------------------

def test_numbers(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [(f"a sentence {i}", f"another {i}", i / 7) for i in range(50)], "text_a,text_b,score")
    got = prepared(tmp_path, "a.csv")
    assert got.report["task"]["name"] == "regress" and len(got.parts["test"]) == 10
    assert set(got.report["targets"]["train"]) == {"min", "mean", "max"} and got.report["rare"] == []
    assert any(line.startswith("numbers from") for line in got.lines)


def test_several_labels(tmp_path: Path) -> None:
    tags = ["快", "好吃", "快|好吃", "慢", "慢|贵", "贵", "快|贵", "好吃|贵"]
    table(tmp_path, "a.csv", [(f"第 {i} 条评论说了一些话", tags[i % 8]) for i in range(80)])
    got = prepared(tmp_path, "a.csv", split={"validation": 0.1})
    assert got.report["task"]["options"]["multi_label"] is True
    assert set(got.report["targets"]["test"]) == {"快", "好吃", "慢", "贵"}
    assert got.parts["train"][0].target in [["快"], ["好吃"], ["快", "好吃"], ["慢"], ["慢", "贵"], ["贵"], ["快", "贵"],
                                            ["好吃", "贵"]]


def test_what_was_decided_about_a_file_is_said(tmp_path: Path) -> None:
    text = "".join(f"{text},{label}\n" for text, label in SENTENCES)
    (tmp_path / "a.csv").write_bytes(text.encode("gbk"))
    got = prepared(tmp_path, "a.csv")
    assert got.report["files"][0]["read_as"] == {"encoding": "gb18030", "delimiter": ",", "header": "none"}
    assert any("gb18030" in line and "no header" in line for line in got.lines)


def test_questions_about_one_passage_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{"id": f"{p}-{q}", "context": f"passage {p} says 0 1 2 3", "question": f"what {q}",
             "answers": {"text": [str(q)], "answer_start": [-1]}} for p in range(30) for q in range(4)]
    (tmp_path / "qa.json").write_text(json.dumps(rows, indent=0), encoding="utf-8")
    got = prepared(tmp_path, "qa.json", data={"id": "id"})
    sides = {part: {e.inputs["context"] for e in examples} for part, examples in got.parts.items()}
    assert sides["test"] and not sides["train"] & sides["test"]
    assert got.report["task"]["name"] == "extract" and got.report["counted"] == {
        "questions with an answer": 120, "answers moved to where they stand": 120}


def _questions(passages: range, ask: str) -> str:
    return json.dumps([{"context": f"passage {p} says 0 1 2 3", "question": f"{ask} {q}",
                        "answers": {"text": [str(q)], "answer_start": [-1]}}
                       for p in passages for q in range(4)])


def test_questions_about_passages_of_the_training_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(_questions(range(20), "what"), encoding="utf-8")
    (tmp_path / "test.json").write_text(_questions(range(15, 30), "which"), encoding="utf-8")
    got = prepared(tmp_path, "train.json", data={"test": ["test.json"]})
    assert got.report["passages"]["test_in_train"] == {"rows": 20, "passages": 5}
    assert got.report["passages"]["validation_in_train"] == {"rows": 0, "passages": 0}
    assert got.report["leaks"]["test_in_train"]["rows"] == 0
    assert any("20 of 60 (33.33%) test questions ask about a passage" in line for line in got.lines), got.lines
    table(tmp_path, "a.csv", SENTENCES)
    assert prepared(tmp_path, "a.csv").report["passages"] == {}


@pytest.mark.parametrize(("name", "header", "what"), [
    ("classify", "text,label", "different labels"), ("regress", "text,label", "different numbers"),
    ("generate", "prompt,target", "different answers"), ("translate", "en,de", "different translations"),
    ("summarise", "article,summary", "different summaries")])
def test_contradictions_are_called_what_they_are(tmp_path: Path, name: str, header: str, what: str) -> None:
    rows = [(f"a text number {i // 2} of some length", i % 4 if name in ("classify", "regress") else f"say {i}") for i in range(60)]
    table(tmp_path, "a.csv", rows, header)
    got = prepared(tmp_path, "a.csv", task={"name": name})
    assert got.report["conflicts"]["inputs"] == 30 and any(what in line for line in got.lines), got.lines


def test_two_spellings_of_a_raw_text_do_not_contradict_each_other(tmp_path: Path) -> None:
    table(tmp_path, "a.csv", [(x,) for i in range(20) for x in (f"Text number {i}!", f"text number {i}")], "text")
    got = prepared(tmp_path, "a.csv", task={"name": "pretrain"})
    assert got.report["duplicates"]["train"] and got.report["conflicts"]["inputs"] == 0


def test_a_table_for_no_task_is_told_what_every_task_needs(tmp_path: Path) -> None:
    from weitiao import tasks

    table(tmp_path, "a.csv", [(i, i * 2, i % 7) for i in range(40)], "x,y,z")
    with pytest.raises(DataError, match=r"data\.no_task") as e:
        prepared(tmp_path, "a.csv")
    assert all(f"{name}: " in str(e.value) for name in tasks.names())
    assert "question=…,context=…,answer=…" in str(e.value) and "label beside" not in str(e.value)
