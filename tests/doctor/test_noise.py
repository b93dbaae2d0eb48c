"""Label noise: what is planted is found and ranked, copies do not confirm each other, nothing is changed by itself."""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doctor_case import checked, found, lines, recipe, the

from weitiao import doctor
from weitiao.doctor.sections import _doubts

pytest.importorskip("cleanlab")
SAID = {"food": ("soup", "bread", "cheese", "rice"), "film": ("actor", "scene", "camera", "plot"),
        "train": ("rail", "station", "ticket", "platform")}


def rows(n: int = 240, wrong: int = 12) -> tuple[list[dict[str, Any]], set[int]]:
    """Texts of three topics; the lines (from 1) whose label is that of the next topic."""
    draw = random.Random(5)
    names, data = list(SAID), []
    for i in range(n):
        topic = names[i % 3]
        data.append({"text": " ".join(draw.choices(SAID[topic], k=4)) + f" number {i}", "label": topic})
    planted = set(draw.sample(range(n), wrong))
    for i in planted:
        data[i]["label"] = names[(i % 3 + 1) % 3]
    return data, {i + 1 for i in planted}


def review(folder: Path) -> list[dict[str, str]]:
    with (folder / "review.csv").open(encoding="utf-8-sig", newline="") as f:
        return list(csv.DictReader(f))


def test_planted_flips_head_the_list(tmp_path: Path) -> None:
    data, planted = rows()
    finding = the(checked(tmp_path, data, out=tmp_path / "out", sections=["noise"]), "noise.labels")
    listed = review(tmp_path / "out")
    assert len(listed) == finding.count >= len(planted) - 2
    first = listed[: len(planted) - 2]
    assert {int(r["source"].rpartition(":")[2]) for r in first} <= planted
    names = list(SAID)
    for row in first:
        at = int(row["source"].rpartition(":")[2]) - 1
        assert (row["text"], row["label"], row["suggested"]) == (data[at]["text"], data[at]["label"], names[at % 3])
        assert 0.5 < float(row["probability"]) <= 1 and row["decision"] == ""
    assert (finding.fix, finding.verdict) == ({"review": ["review.csv"]}, "good" if finding.count <= 12 else "look")
    told = [json.loads(x) for x in (tmp_path / "out" / "findings.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [r["change"]["suggested"] for r in told] == [r["suggested"] for r in listed]


def test_clean_labels_make_no_file(tmp_path: Path) -> None:
    data, _ = rows(wrong=0)
    got = checked(tmp_path, data, out=tmp_path / "out", sections=["noise"])
    assert the(got, "noise.labels").count == 0 and not (tmp_path / "out" / "review.csv").exists()


def test_labels_that_the_texts_do_not_tell_are_not_judged(tmp_path: Path) -> None:
    data, _ = rows()
    draw = random.Random(1)
    for row in data:
        row["label"] = draw.choice("abc")
    got = checked(tmp_path, data, sections=["noise"])
    assert found(got, "noise.labels") is None and the(got, "noise.unclear").verdict == "good"


def test_rare_labels_are_left_alone(tmp_path: Path) -> None:
    data, planted = rows()
    rare = sorted(set(range(1, 241)) - planted)[:3]
    for line in rare:
        data[line - 1]["label"] = "rare"
    got = checked(tmp_path, data, out=tmp_path / "out", sections=["noise"])
    assert the(got, "noise.labels").facts["rare"] == ["rare"] and the(got, "noise.labels").facts["judged"] == 237
    assert "rare" not in {r["label"] for r in review(tmp_path / "out")}


def test_several_labels(tmp_path: Path) -> None:
    draw = random.Random(7)
    names, data = list(SAID), []
    for i in range(300):
        chosen = [n for n in names if draw.random() < 0.5]
        words = [w for n in chosen for w in draw.choices(SAID[n], k=3)] or ["nothing", "here"]
        data.append({"text": " ".join(words) + f" number {i}", "labels": chosen})
    data[10]["labels"] = [n for n in names if n not in data[10]["labels"]][:1] + data[10]["labels"]
    left = next(i for i in range(20, 300) if len(data[i]["labels"]) == 2)
    gone = data[left]["labels"].pop()
    checked(tmp_path, data, out=tmp_path / "out", sections=["noise"])
    listed = {int(r["source"].rpartition(":")[2]) - 1: r for r in review(tmp_path / "out")}
    assert listed[10]["suggested"] == (" | ".join(data[10]["labels"][1:]) or "[]")
    assert listed[left]["suggested"] == f"{data[left]['labels'][0]} | {gone}"


def test_numbers_far_off(tmp_path: Path) -> None:
    draw = random.Random(3)
    data = [{"text": " ".join(["good"] * k + ["bad"] * (6 - k)) + f" {draw.choice('xyz')} {i}",
             "score": round(k + draw.gauss(0, 0.1), 3)} for i in range(200) for k in (draw.randrange(7),)]
    data[17]["score"], data[40]["score"] = data[17]["score"] + 30, data[40]["score"] - 30
    tree = {"task": {"name": "regress"}}
    got = checked(tmp_path, data, out=tmp_path / "out", sections=["noise"], tree=tree)
    assert {int(r["source"].rpartition(":")[2]) - 1 for r in review(tmp_path / "out")[:2]} == {17, 40}
    assert the(got, "noise.numbers").spots[0].change is not None


def test_without_cleanlab_the_check_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    got = the(checked(tmp_path, rows()[0], sections=["noise"]), "noise.no_cleanlab")
    assert got.verdict == "good" and 'pip install "weitiao[noise]"' in got.said


@pytest.mark.parametrize("together", [True, False])
def test_copies_do_not_confirm_one_another(together: bool) -> None:
    """Four copies of one row, all with the same wrong label, and a feature that only they have."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = np.column_stack([y + rng.normal(0, 0.1, 120), np.zeros(120)])
    x[:8:2] = (0.0, 9.0)
    y[:8:2] = 1
    units = np.arange(120)
    if together:
        units[:8:2] = 0
    p = _doubts.out_of_fold(x, y, units, 2, "single_label_classification", seed=1)
    assert (p[:8:2, 1] < 0.5).all() == together


@pytest.mark.parametrize("grouped", [True, False])
def test_rows_of_a_group_do_not_confirm_one_another(grouped: bool, tmp_path: Path) -> None:
    """One user signs each of eight messages with a word of their own, and all eight are labelled wrongly."""
    data, _ = rows(wrong=0)
    for i, row in enumerate(data):
        row["user"] = "zed" if i < 24 and i % 3 == 0 else f"u{i}"
        if row["user"] == "zed":
            row |= {"text": f"{row['text']} zed", "label": "film"}
    file = {"train": lines(tmp_path / "rows.jsonl", data)} | ({"group": "user"} if grouped else {})
    finding = the(doctor.check(recipe(**file), tokenizer=False, sections=["noise"]), "noise.labels")
    named = {int(s.source.rpartition(":")[2]) - 1 for s in finding.spots}
    wrong = named & set(range(0, 24, 3))
    assert len(wrong) >= 6 if grouped else not wrong


def test_the_list_is_confident_learning(tmp_path: Path) -> None:
    """Against the paper's formulas, computed here: a row counts for (given i, true j) where j is the likeliest of those
    labels whose probability reaches the mean that rows labelled so have; as many of each given label are named as the
    rows so counted off the diagonal, scaled to the label's rows."""
    rng = np.random.default_rng(4)
    n, k = 600, 3
    truth = rng.integers(0, k, n)
    y = np.where(rng.random(n) < 0.15, rng.integers(0, k, n), truth)
    logits = rng.normal(0, 1, (n, k)) + 3 * np.eye(k)[truth]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    got = [d.row for d in _doubts.single(y, p)]
    mean = np.array([p[y == j, j].mean() for j in range(k)])
    reach = np.where(p >= mean - 1e-6, p, -1)
    counted = reach.max(1) > 0
    joint = np.zeros((k, k))
    np.add.at(joint, (y[counted], reach[counted].argmax(1)), 1)
    joint = joint / joint.sum(1, keepdims=True) * np.bincount(y)[:, None]
    # Of each pair (i, j) those with the largest margin p_j - p_i (prune by noise rate, section 4.2).
    by_rate: set[int] = set()
    for i in range(k):
        own = np.flatnonzero(y == i)
        for j in range(k):
            if i != j:
                margin = p[own, j] - p[own, i]
                by_rate |= set(own[np.argsort(-margin)[: round(joint[i, j])]].tolist())
    # Of each given label those with the least probability of it (prune by class).
    by_class: set[int] = set()
    for i in range(k):
        own = np.flatnonzero(y == i)
        by_class |= set(own[np.argsort(p[own, i])[: round(joint[i].sum() - joint[i, i])]].tolist())
    wanted = {i for i in by_rate & by_class if p[i].argmax() != y[i]}
    assert len(wanted ^ set(got)) <= 0.03 * len(wanted) and len(wanted) > 30
    assert (np.diff([p[i, y[i]] for i in got]) >= 0).all()


def test_a_text_task_is_not_concerned(tmp_path: Path) -> None:
    data = [{"prompt": f"how are you {i}", "completion": f"fine {i}"} for i in range(80)]
    assert checked(tmp_path, data, sections=["noise"]).sections["noise"].findings == ()


def test_pairs_are_shown_whole(tmp_path: Path) -> None:
    data, _ = rows()
    pairs = [{"text_a": r["text"], "text_b": r["text"].upper() + " " + r["label"], "label": r["label"]} for r in data]
    pairs[30]["label"] = "film" if pairs[30]["label"] != "film" else "food"
    checked(tmp_path, pairs, out=tmp_path / "out", sections=["noise"])
    listed = {int(r["source"].rpartition(":")[2]) - 1: r for r in review(tmp_path / "out")}
    assert listed[30]["text"] == f"{pairs[30]['text_a']} ‖ {pairs[30]['text_b']}"


def test_a_tiny_base_reads_the_rows(tmp_path: Path, tiny_folder: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", rows()[0])
    found_ = doctor.check(recipe({"model": {"name": str(tiny_folder)}}, train=path), sections=["noise"])
    finding = found_.sections["noise"].findings[0]
    assert str(tiny_folder) in finding.facts["features"] and finding.facts["judged"] == 240


def test_a_base_too_large_for_the_budget_leaves_it_to_tfidf(tmp_path: Path, tiny_folder: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weitiao.doctor.sections._features._SMALL", 1)
    path = lines(tmp_path / "rows.jsonl", rows()[0])
    found_ = doctor.check(recipe({"model": {"name": str(tiny_folder)}}, train=path), sections=["noise"])
    assert found_.sections["noise"].findings[0].facts["features"].startswith("TF-IDF")


def test_of_many_rows_some_are_judged(tmp_path: Path, tiny_folder: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", rows(2400)[0])
    how = {"sections": ["noise"], "thresholds": {"noise": {"rows": 2000, "tokens": 10_000}}}
    found_ = doctor.check(recipe({"model": {"name": str(tiny_folder)}}, train=path), **how)
    facts = found_.sections["noise"].findings[0].facts
    assert str(tiny_folder) in facts["features"] or facts["judged"] == 2000
    drawn = the(checked(tmp_path, rows(2400)[0], sections=["noise"], thresholds={"noise": {"rows": 300}}), "noise.labels")
    assert drawn.facts["judged"] == 300 and "300 of 2,400 rows" in drawn.said
