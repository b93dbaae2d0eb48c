"""The mended copy: what the plan says is done, row by row, and logged; the files themselves stay as they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from doctor_case import lines, recipe

from weitiao import doctor
from weitiao.core.errors import RecipeError, RunError
from weitiao.doctor.fixing import Fixed
from weitiao.doctor.planning import Plan


def rows() -> list[dict[str, Any]]:
    data = [{"text": f"第{i}条关于体育的消息", "label": "体育" if i % 2 else "财经", "user": i} for i in range(120)]
    data[4] |= {"text": "有&amp;号\u200b"}
    data[6] |= {"label": "財經"}
    data[8] |= {"text": "..."}
    data[9] |= {"text": ""}
    return data


def fixed(folder: Path, plan: str, data: list[dict[str, Any]] | None = None, name: str = "rows.jsonl",
          **how: Any) -> Fixed:
    path = lines(folder / name, rows() if data is None else data)
    (folder / "plan.toml").write_text(plan, encoding="utf-8")
    return doctor.fix(recipe(train=path), folder / "plan.toml", folder / "out", tokenizer=False, **how)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_repair_rename_drop(tmp_path: Path) -> None:
    before = lines(tmp_path / "before.jsonl", rows())
    done = fixed(tmp_path, 'repair = ["html", "zero_width"]\ndrop = ["shape.wordless", "shape.rejected.empty"]\n'
                           '[rename]\n"財經" = "财经"\n')
    wanted = rows()
    wanted[4]["text"], wanted[6]["label"] = "有&号", "财经"
    del wanted[8:10]
    assert read(done.folder / "rows.jsonl") == wanted
    source = tmp_path / "rows.jsonl"
    assert read(done.folder / "changes.jsonl") == [
        {"source": f"{source}:5", "action": "repair", "field": "text", "before": "有&amp;号\u200b", "after": "有&号"},
        {"source": f"{source}:7", "action": "rename", "field": "label", "before": "財經", "after": "财经"},
        {"source": f"{source}:9", "action": "drop", "field": "", "before": "shape.wordless", "after": ""},
        {"source": f"{source}:10", "action": "drop", "field": "", "before": "shape.rejected.empty", "after": ""}]
    assert (done.files, done.changes, done.unreadable) == (
        {"rows.jsonl": 118}, {"repair": 1, "rename": 1, "drop": 2}, 0)
    assert source.read_bytes() == Path(before).read_bytes()


def test_an_empty_plan_copies(tmp_path: Path) -> None:
    done = fixed(tmp_path, "")
    assert read(done.folder / "rows.jsonl") == rows() and read(done.folder / "changes.jsonl") == []


def test_codes_that_name_no_row_are_told(tmp_path: Path) -> None:
    done = fixed(tmp_path, 'drop = ["shape.wordles", "shape.wordless"]')
    assert done.idle == ("shape.wordles",) and any("shape.wordles" in line for line in done.lines())


def test_csv_stays_csv(tmp_path: Path) -> None:
    path = tmp_path / "news.tsv"
    path.write_text("text\tlabel\n" + "".join(f'第{i}条,"消息"\t{"ab"[i % 2]}\n' for i in range(60)) + "最后&amp;\tA\n",
                    encoding="gb18030")
    (tmp_path / "plan.toml").write_text('repair = ["html"]\nrename = {A = "a"}\n')
    done = doctor.fix(recipe(train=str(path)), tmp_path / "plan.toml", tmp_path / "out", tokenizer=False)
    with (done.folder / "news.csv").open(encoding="utf-8", newline="") as f:
        got = list(csv.DictReader(f))
    assert len(got) == 61 and got[-1] == {"text": "最后&", "label": "a"} and got[3]["label"] == "b"
    assert '"' not in got[3]["text"].replace('"消息"', "")


def test_labels_in_lists_and_texts_in_conversations(tmp_path: Path) -> None:
    many = [{"text": f"t{i} is it", "labels": ["a", "B"] if i % 3 else ["c"]} for i in range(120)]
    assert read(fixed(tmp_path, 'rename = {B = "b"}', many).folder / "rows.jsonl")[1]["labels"] == ["a", "b"]
    (tmp_path / "chat").mkdir()
    chats = [{"messages": [{"role": "user", "content": f"Is it {i}&lt;"}, {"role": "assistant", "content": f"{i} it is"}]}
             for i in range(120)]
    got = read(fixed(tmp_path / "chat", 'repair = ["html"]', chats).folder / "rows.jsonl")
    assert got[7]["messages"][0]["content"] == "Is it 7<"


@pytest.mark.parametrize(("plan", "code"), [
    ('repair = ["htlm"]', "check.bad_plan"), ("repair = 3", "check.bad_plan"), ("remove = []", "check.bad_plan"),
    ("drop = [", "check.bad_plan"), ('drop = ["shapes.html"]', "plugin.unknown")])
def test_plans_that_cannot_be_followed(tmp_path: Path, plan: str, code: str) -> None:
    with pytest.raises(RecipeError) as e:
        fixed(tmp_path, plan)
    assert e.value.code == code and not (tmp_path / "out").exists()


def test_texts_are_not_moved_from_under_their_answers(tmp_path: Path) -> None:
    spans = [{"text": f"in London {i}", "entities": [{"start": 3, "end": 9, "label": "LOC"}]} for i in range(100)]
    with pytest.raises(RecipeError, match=r"check\.moves_places"):
        fixed(tmp_path, 'repair = ["html"]', spans)
    with pytest.raises(RecipeError, match=r"check\.no_labels"):
        fixed(tmp_path, 'rename = {LOC = "PLACE"}', spans)


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match=r"run\.exists"):
        fixed(tmp_path, "")


def test_the_proposed_plan_can_be_followed(tmp_path: Path) -> None:
    """Take the # away and run it: what was found is gone."""
    pytest.importorskip("opencc")
    path = lines(tmp_path / "rows.jsonl", rows())
    doctor.check(recipe(train=path), out=tmp_path / "check", tokenizer=False, sections=("shape", "labels", "forms"))
    proposed = (tmp_path / "check" / "plan.toml").read_text(encoding="utf-8")
    plan = "\n".join(line.removeprefix("# ") for line in proposed.splitlines()
                     if not line.startswith("# What") and ": " not in line)
    assert Plan.parse(plan) == Plan(repair=("zero_width", "html"), drop=("shape.wordless",), rename={"財經": "财经"})
    (tmp_path / "plan.toml").write_text(plan, encoding="utf-8")
    done = doctor.fix(recipe(train=path), tmp_path / "plan.toml", tmp_path / "out", tokenizer=False)
    again = doctor.check(recipe(train=str(done.folder / "rows.jsonl")), tokenizer=False)
    codes = {f.code for s in again.sections.values() for f in s.findings}
    assert not codes & {"shape.html", "shape.zero_width", "shape.wordless"}
