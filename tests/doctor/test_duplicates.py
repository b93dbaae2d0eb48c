"""The section duplicates: what repeats within a part and across parts, and what is made from one template."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from doctor_case import checked, found, places, the

ONLY: Any = {"sections": ("duplicates",)}
_WORDS = ["amber", "birch", "cobalt", "drift", "ember", "fjord", "gravel", "harbor", "indigo", "juniper", "kettle", "lantern", "marble", "nectar", "orchid", "pepper", "quartz", "ribbon", "saffron", "timber", "umber", "velvet", "willow", "yarrow", "zephyr"]


def rows(n: int, seed: int = 1) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [{"text": " ".join(rng.sample(_WORDS, 8)), "label": rng.choice("ab")} for _ in range(n)]


def test_clean_rows(tmp_path: Path) -> None:
    got = checked(tmp_path, rows(200), test=rows(50, 2), **ONLY)
    assert got.verdict == "good" and all(f.count == 0 for f in got.sections["duplicates"].findings)


def test_equal_rows(tmp_path: Path) -> None:
    data = rows(200)
    data += [dict(data[3]), {**data[4], "text": data[4]["text"].upper() + "!"}, {**data[5], "label": "c"}]
    exact = the(checked(tmp_path, data, **ONLY), "duplicates.exact")
    assert places(exact) == [201, 202] and exact.fix == {"drop": ["duplicates.exact"]}
    # The row with another label repeats the text only: to drop it would be to decide who is right.
    assert exact.facts == {"part": "train", "inputs": 3, "inputs_verbatim": 2, "inputs_and_target": 2}
    assert exact.spots[0].note.endswith("rows.jsonl:4")


def test_near_rows(tmp_path: Path) -> None:
    data = rows(200)
    data += [{**data[7], "text": data[7]["text"].replace("e", "3", 2)} for _ in range(2)]
    near = the(checked(tmp_path, data, **ONLY), "duplicates.near")
    # The second copy equals the first one: it is told as such.
    assert places(near) == [201] and (near.facts["clusters"], near.facts["largest"]) == (1, 2)
    off = checked(tmp_path, data, thresholds={"duplicates": {"edits": 0}}, **ONLY)
    assert found(off, "duplicates.near") is None


def test_rows_that_stand_in_two_parts(tmp_path: Path) -> None:
    train, test = rows(200), rows(50, 2)
    test += [dict(train[10]), {**train[11], "text": train[11]["text"].title()},
             {**train[12], "text": "x" + train[12]["text"]}]
    leak = the(checked(tmp_path, train, test=test, **ONLY), "duplicates.test_in_train")
    assert (leak.verdict, leak.count, leak.of) == ("stop", 3, 53)
    assert (leak.facts["equal"], leak.facts["verbatim"]) == (2, 1)
    assert places(leak) == [11, 12, 13]  # the training rows: those would be dropped
    assert leak.spots[2].note.endswith("held.jsonl:53")


def test_templates(tmp_path: Path) -> None:
    head = "Dear customer service team, "
    data = [{**r, "text": head + r["text"] if i % 2 else r["text"]} for i, r in enumerate(rows(200))]
    template = the(checked(tmp_path, data, **ONLY), "duplicates.template")
    assert (template.verdict, template.count, template.of) == ("look", 100, 200)
    assert template.facts["text"].startswith("Dear customer service te") and places(template)[0] == 2
