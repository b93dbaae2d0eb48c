"""Near copies in the stage prepare: one side of the split, counted where parts are given, told in a sentence."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from case import prepared, table

from weitiao.core import i18n
from weitiao.prepare.comparing import BYTES, KEY
from weitiao.prepare.nearby import held_together, merged

_WORDS = ["amber", "birch", "cobalt", "drift", "ember", "fjord", "gravel", "harbor", "indigo", "juniper", "kettle", "lantern", "marble", "nectar", "orchid", "pepper", "quartz", "ribbon", "saffron", "timber", "umber", "velvet", "willow", "yarrow", "zephyr"]


def texts(n: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.sample(_WORDS, 7)) for _ in range(n)]


def slip(text: str, at: int) -> str:
    return text[:at] + text[at + 1 :]


def test_near_copies_stay_on_one_side(tmp_path: Path) -> None:
    first = texts(100)
    name = table(tmp_path, "d.csv", [(x, "ab"[i % 2]) for i, x in enumerate([*first, *(slip(x, 9) for x in first)])])
    held = prepared(tmp_path, name)
    sides = {e.inputs["text"]: part for part, rows in held.parts.items() for e in rows}
    assert all(sides[x] == sides[slip(x, 9)] for x in first) and len(held.parts["test"]) == 40
    assert held.report["near"] == {"held_together": 200}
    i18n.use("en")
    assert "200 rows are near copies of others; the split kept such rows on one side" in held.lines
    i18n.use(None)
    apart = prepared(tmp_path, name, split={"near_duplicates": False})
    sides = {e.inputs["text"]: part for part, rows in apart.parts.items() for e in rows}
    assert any(sides[x] != sides[slip(x, 9)] for x in first) and apart.report["near"] == {"held_together": 0}


def test_given_test_rows_that_training_nearly_has(tmp_path: Path) -> None:
    train, test = texts(60), texts(20, 2)
    test += [train[3], train[4].upper(), slip(train[5], 4), slip(slip(train[6], 4), 20)]
    rows = [(x, "ab"[i % 2]) for i, x in enumerate(train)]
    held = [(x, "ab"[i % 2]) for i, x in enumerate(test)]
    got = prepared(tmp_path, table(tmp_path, "a.csv", rows), data={"test": (table(tmp_path, "b.csv", held),)})
    near = got.report["near"]["test_in_train"]
    assert near["rows"] == 4 and near["examples"][2] == ["b.csv:24", "a.csv:7"]
    assert got.report["leaks"]["test_in_train"]["rows"] == 2
    i18n.use("en")
    assert any(line.startswith("4 test rows are copies or near copies of training rows") and "2 of them equal" in line
               for line in got.lines)
    i18n.use(None)


def test_forms_that_were_filled_in_are_no_copies() -> None:
    """Of one form there may be more rows than a part can take: such rows go where they are drawn."""
    rows = [(f"Please book room {chr(97 + i % 26)}{chr(97 + i // 26)} for me on that very day",) for i in range(60)]
    rows += [(x,) for x in texts(40)]
    keys = np.array([bytes([i]) * BYTES for i in range(100)], KEY)
    assert np.array_equal(merged(keys, rows), keys)
    some = np.concatenate([keys[:8], keys[60:]])
    few = merged(some, rows[:8] + rows[60:])
    assert set(few[:8]) == {keys[0]} and held_together(some, few) == 8


def test_the_smallest_key_names_the_cluster_in_any_order() -> None:
    rows = [(x,) for text in texts(30) for x in (text, slip(text, 3))]
    keys = np.array([bytes([200 - i]) * BYTES for i in range(60)], KEY)
    order = random.Random(1).sample(range(60), 60)
    straight = merged(keys, rows)
    mixed = merged(keys[order], [rows[i] for i in order])
    assert np.array_equal(mixed, straight[order])
    assert all(straight[i] == min(keys[i - i % 2], keys[i - i % 2 + 1]) for i in range(60))
