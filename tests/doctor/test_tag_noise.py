"""Noise in tags: what is planted heads the list, copies do not confirm each other, the task stays as it was."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doctor_case import checked, found, lines, recipe, the

from weitiao import doctor
from weitiao.doctor.sections import _tag_doubts, noise
from weitiao.doctor.seeing import see

pytest.importorskip("cleanlab")
NAMES = {"PER": ("Ann", "Bob Lee", "Carla", "Dan Fox"), "LOC": ("Rome", "New York", "Oslo", "Lima")}
SAID = {"PER": ("we met {x} at noon", "said {x} to us", "{x} laughed a lot"),
        "LOC": ("we flew to {x} by night", "it rains in {x} now", "they moved from {x} again")}


def rows(n: int = 240, wrong: int = 10) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """One name a text; of the lines planted (from 1) the label that is right, or O where a word too many is tagged."""
    draw = random.Random(5)
    data, planted = [], {}
    for i in range(n):
        label = "PER" if i % 2 else "LOC"
        words: list[str] = []
        tags: list[str] = []
        for word in draw.choice(SAID[label]).split():
            name = draw.choice(NAMES[label]).split() if word == "{x}" else []
            words += name or [word]
            tags += [f"{'I' if k else 'B'}-{label}" for k in range(len(name))] or ["O"]
        data.append({"tokens": [*words, f"n{i}"], "tags": [*tags, "O"]})
    for i in draw.sample(range(n), wrong):
        label = "PER" if i % 2 else "LOC"
        tags = data[i]["tags"]
        data[i]["tags"] = [t.replace(label, "LOC" if i % 2 else "PER") for t in tags] if len(planted) % 2 else \
            ["O"] * len(tags)
        planted[i + 1] = label
    return data, planted


def line(spot: doctor.Spot) -> int:
    return int(spot.source.rpartition(":")[2])


def test_planted_tags_head_the_list(tmp_path: Path) -> None:
    data, planted = rows()
    finding = the(checked(tmp_path, data, out=tmp_path / "out", sections=["noise"]), "noise.tags")
    first = finding.spots[: len(planted) - 1]
    assert {line(s) for s in first} < set(planted) and len(first) == len(planted) - 1
    for spot in first:
        given = [t[2:] or "O" for t in data[line(spot) - 1]["tags"]]
        words, _, rest = spot.note.partition(": ")
        assert words in NAMES[planted[line(spot)]] and words in spot.text
        said, _, suggested = rest.split(" | ")[0].partition("; ")
        assert said in given and suggested.split("?")[0] == planted[line(spot)]
        assert 0.5 < float(suggested.split()[1]) <= 1 and spot.change is None
    assert finding.fix == {} and not (tmp_path / "out" / "review.csv").exists()
    assert (finding.facts["judged"], finding.facts["rare"]) == (240, [])


def test_many_rows_with_doubts_are_worth_a_look(tmp_path: Path) -> None:
    data, _ = rows()
    how = {"sections": ["noise"]}
    assert the(checked(tmp_path, data, **how), "noise.tags").verdict == "good"
    strict = {"thresholds": {"noise": {"doubtful_tags": 0.02}}, **how}
    assert the(checked(tmp_path, data, **strict), "noise.tags").verdict == "look"


def test_tags_at_random_are_not_judged(tmp_path: Path) -> None:
    data, _ = rows(wrong=0)
    draw = random.Random(1)
    for row in data:
        row["tags"] = [draw.choice(["O", "O", "B-PER", "B-LOC"]) for _ in row["tags"]]
    got = checked(tmp_path, data, sections=["noise"])
    assert found(got, "noise.tags") is None and the(got, "noise.unclear").verdict == "good"


def test_rare_labels_are_left_alone(tmp_path: Path) -> None:
    data, planted = rows()
    free = sorted(set(range(240)) - {i - 1 for i in planted})[:4]
    for i in free:
        data[i]["tags"][-1] = "B-RARE"
    finding = the(checked(tmp_path, data, sections=["noise"]), "noise.tags")
    assert finding.facts["rare"] == ["RARE"]
    # n17 is a letter and a number.
    assert finding.facts["words"] == sum(len(r["tokens"]) for r in data) + 240 - 2 * len(free)
    assert not any("RARE" in s.note for s in finding.spots)


def test_copies_of_a_rare_label_count_once(tmp_path: Path) -> None:
    data, _ = rows()
    data += [{"tokens": ["see", "Mars", "tonight", mark], "tags": ["O", "B-STAR", "O", "O"]} for mark in ".!?;,:"]
    assert the(checked(tmp_path, data, sections=["noise"]), "noise.tags").facts["rare"] == ["STAR"]


def test_copies_lie_in_one_fold(tmp_path: Path) -> None:
    """Four copies of one row with the same wrong tag: a tagger that saw one of them would give it to the others."""
    data, _ = rows(wrong=0)
    data[:4] = [{"tokens": ["Quux", "sleeps", "here", mark], "tags": ["B-LOC", "O", "O", "O"]} for mark in ".!?;"]
    path = lines(tmp_path / "rows.jsonl", data)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    seen, _ = see(recipe(train=path), scratch, lambda code, spot: None, tokenizer=False)
    examples = [e for _, e in seen.all()]
    chances = []
    for whole in (noise._units(examples, ""), np.arange(len(examples))):
        words = _tag_doubts.words_of(seen.task, examples, whole)
        p = _tag_doubts.out_of_fold(words, whole, seed=1)
        first = [i for i in np.flatnonzero(words.row < 4) if words.place[i][0] == 0]
        chances.append(p[first, words.names.index("LOC")].max())
    together, apart = chances
    assert together < 0.5 < apart


def test_the_task_stays_as_it_was(tmp_path: Path, tiny_folder: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", rows()[0])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    seen, _ = see(recipe({"model": {"name": str(tiny_folder)}}, train=path), scratch, lambda code, spot: None)
    before = copy.deepcopy(vars(seen.task))
    finding, = noise.look(seen, noise.Options())
    assert finding.code == "noise.tags" and {k: v for k, v in vars(seen.task).items() if k != "_seen"} == \
        {k: v for k, v in before.items() if k != "_seen"}


def test_neighbours_are_named_together(tmp_path: Path) -> None:
    data, planted = rows()
    finding = the(checked(tmp_path, data, sections=["noise"]), "noise.tags")
    assert {s.note.partition(":")[0] for s in finding.spots if line(s) in planted} & {"Bob Lee", "New York", "Dan Fox"}


def test_what_is_personal_is_masked(tmp_path: Path) -> None:
    data, _ = rows(wrong=0)
    for i in range(40):
        data[i] = {"tokens": ["write", "to", f"ann{i}@gmail.com", "please"], "tags": ["O", "O", "B-MAIL", "O"]}
    data[7]["tags"] = ["O"] * 4
    finding = the(checked(tmp_path, data, sections=["noise"]), "noise.tags")
    assert line(finding.spots[0]) == 8 and finding.spots[0].note.startswith(f"a{13 * '*'}: O; MAIL?")


@pytest.mark.parametrize("most", [1000, 50_000])
def test_of_many_words_some_are_judged(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tag_doubts, "WORDS", most)
    finding = the(checked(tmp_path, rows()[0], sections=["noise"]), "noise.tags")
    assert (finding.facts["words"] <= 1.05 * most and " of 240 rows" in finding.said) == (most == 1000)
    assert (finding.of == 240) == (most > 1000)


def test_a_rare_tag_is_measured_by_itself() -> None:
    """Word 50 has the lower probability of its tag, but such words never have much; 3 and 4 stand beside each other."""
    y = np.repeat([0, 1], [40, 20])
    p = np.column_stack([np.repeat([0.95, 0.2], [40, 20]), np.repeat([0.05, 0.8], [40, 20])])
    p[3] = p[4] = (0.1, 0.9)
    p[50] = (0.91, 0.09)
    row = np.arange(60)
    row[4] = 3
    words = _tag_doubts.Words(None, y, row, [(2 * i, 2 * i + 1) for i in range(60)], ["O", "LOC"], [])
    got = _tag_doubts.doubts(words, p)
    assert [(d.row, *d.stretches) for d in got] == [(3, (6, 9, "O", "LOC", 0.9)), (50, (100, 101, "LOC", "O", 0.91))]
