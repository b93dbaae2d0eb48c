"""The check as a whole: verdicts, the folder, the page, thresholds, the store."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from doctor_case import checked, lines, recipe, the

import weitiao
from weitiao import doctor
from weitiao.core import i18n
from weitiao.core.errors import RecipeError, RunError
from weitiao.doctor import Spot, Spots
from weitiao.doctor.store import Store
from weitiao.example import Example


def rows(n: int = 120) -> list[dict[str, Any]]:
    return [{"text": f"number {i} is {'good' if i % 2 else 'bad'} for you", "label": "ab"[i % 2]} for i in range(n)]


def test_the_store_gives_back_what_it_was_given(tmp_path: Path) -> None:
    examples = [Example(str(i), {"text": "好" * i, "n": [i]}, ["a", None], f"f:{i}", {"k": "v\u2028"}) for i in range(9000)]
    store = Store.of(tmp_path, {"test": examples[:10], "train": examples})
    for _ in range(2):
        assert [e for chunk in store.rows("train") for e in chunk] == examples
    assert store.parts == ("train", "test") and store.count("test") == 10 and list(store.rows("validation")) == []
    import numpy as np

    places = np.array([0, 5, 4095, 4096, 8999])
    assert list(store.some("train", places)) == [examples[i] for i in places]
    assert list(store.some("train", places[:0])) == []
    keys = store.keys("train")
    assert len(keys) == 9000 and len(set(keys.tolist())) == 9000 and (store.keys("test") == keys[:10]).all()


def test_spots_keep_the_first_and_hand_on_all() -> None:
    told: list[tuple[str, Spot]] = []
    spots = Spots("x.y", lambda code, spot: told.append((code, spot)))
    for i in range(50):
        spots.add(Spot(f"f:{i}"))
    assert spots.count == len(told) == 50 and spots.shown == tuple(s for _, s in told[: doctor.SHOWN])


def test_excerpts_stand_around_the_place() -> None:
    text = "a" * 500 + "X" + "b" * 500
    assert "X" in doctor.excerpt(text, 500) and len(doctor.excerpt(text, 500)) <= 162
    assert doctor.excerpt("a\nb") == "a b" and doctor.excerpt("x" * 161).endswith("…")


@pytest.mark.parametrize(("value", "verdict"), [(0.0, "good"), (0.1, "good"), (0.11, "look"), (0.5, "look"), (0.6, "stop")])
def test_judging(value: float, verdict: str) -> None:
    assert doctor.judge(value, 0.1, 0.5) == verdict


def test_a_section_is_as_good_as_its_worst_finding(tmp_path: Path) -> None:
    data = rows()
    data[3]["text"] += "\ufffd"
    got = checked(tmp_path, data, sections=("shape", "labels"))
    assert got.sections["shape"].verdict == "look" == got.verdict and got.sections["labels"].verdict == "good"
    assert next(iter(got.sections)) == "shape"  # the worst first


def test_the_folder(tmp_path: Path) -> None:
    data = rows()
    data[3]["text"] += "\ufffd&amp;<script>alert(1)</script>"
    out = tmp_path / "out"
    got = checked(tmp_path, data, out=out)
    assert sorted(p.name for p in out.iterdir()) == ["findings.jsonl", "page.html", "plan.toml", "report.json"]
    assert json.loads((out / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(got.as_dict()))
    page = (out / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and not re.search(r"src=|href=|url\(", page)
    plan = (out / "plan.toml").read_text(encoding="utf-8")
    assert all(line.startswith("#") or not line for line in plan.splitlines()) and '"html"' in plan
    assert checked(tmp_path, data, out=out).verdict == "look"  # its own folder is written anew


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(RunError, match=r"run\.exists"):
        checked(tmp_path, rows(), out=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


def test_nothing_is_left_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> str:
        raise RunError("x.y", "broken")

    monkeypatch.setattr("weitiao.doctor.page.render", broken)
    with pytest.raises(RunError):
        checked(tmp_path, rows(), out=tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_thresholds_are_checked(tmp_path: Path) -> None:
    for wrong in ({"labels": {"rear": 3}}, {"labels": {"rare": 0}}, {"shape": {"odd": "much"}}):
        with pytest.raises(RecipeError, match=r"check\.bad_threshold"):
            checked(tmp_path, rows(), thresholds=wrong)
    with pytest.raises(RecipeError, match=r"plugin\.unknown"):
        checked(tmp_path, rows(), sections=["shapes"])
    with pytest.raises(RecipeError, match=r"plugin\.unknown"):
        checked(tmp_path, rows(), thresholds={"lables": {}})


def test_from_python(tmp_path: Path) -> None:
    path = lines(tmp_path / "reviews.jsonl", rows())
    got = weitiao.check(path, tokenizer=False, task="classify", sections=["labels"])
    assert (got.verdict, got.rows, list(got.sections)) == ("good", {"train": 120}, ["labels"])


def test_parts_by_a_column_and_values_of_unused_columns(tmp_path: Path) -> None:
    data = [{**r, "split": "test" if i % 4 == 0 else "train", "user": f"u{i % 3}"} for i, r in enumerate(rows())]
    path = lines(tmp_path / "rows.jsonl", data)
    from weitiao.doctor.seeing import see

    seen, _ = see(recipe(train=path), tmp_path, lambda code, spot: None, tokenizer=False)
    assert (seen.parts, seen.count("test"), seen.unused) == (("train", "test"), 30, ("user",))
    assert {e.meta["user"] for _, e in seen.all()} == {"u0", "u1", "u2"}
    drawn = seen.sample(50)
    assert len(drawn) == 50 and drawn == seen.sample(50) and {part for part, _ in drawn} == {"train", "test"}
    assert drawn == [row for row in seen.all() if row in drawn], "in their order, each with its part"
    assert len(seen.sample(20, ("test",))) == 20


def test_chinese(tmp_path: Path) -> None:
    i18n.use("zh")
    data = rows()
    data[3]["text"] += "\ufffd"
    got = checked(tmp_path, data, out=tmp_path / "out")
    assert "行含有已丢失的字符" in the(got, "shape.lost").said
    assert 'lang="zh-CN"' in (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
