"""Near copies among checked rows: what a split keeps together, and what given test rows repeat of the training rows.

>>> merged([key_1, key_2, key_3], [("How do I reset my PIN?",), ("How do I resett my PIN?",), ("Hello!",)])
[key_1, key_1, key_3]        # the smaller one of key_1 and key_2
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weitiao import duplicates
from weitiao.example import Example
from weitiao.prepare import comparing

_SHOWN = 5
_FORM, _FORM_SHARE = 10, 0.01


def merged(keys: Sequence[bytes], fields: Sequence[Sequence[str]]) -> list[bytes]:
    """Per row the smallest key of its cluster of near copies, which does not depend on the order of the rows.

    A cluster of more than a hundredth of the rows (and more than 10) is a form that was filled in again and again, not
    a text that was copied: its rows keep their keys, else a part might get all of them or none.

    Args:
        keys: equal for rows that stay together anyway.
        fields: the texts by which a row is judged, see `weitiao.duplicates.find`.
    """
    with duplicates.Texts() as texts:
        texts.add(fields)
        out = list(keys)
        for members in duplicates.find(texts).members():
            if len(members) > max(_FORM, _FORM_SHARE * len(out)):
                continue
            smallest = min(keys[i] for i in members)
            for i in members:
                out[i] = smallest
        return out


def judged(example: Example) -> list[str]:
    """The texts by which rows are near copies: passages alone, where questions stay with their passage."""
    passage = example.inputs.get("context")
    return comparing.fields(example) if passage is None else [passage]


def held_together(apart: Sequence[bytes], keys: Sequence[bytes]) -> int:
    """Rows that share their key in `keys` with rows that had another one in `apart`."""
    different: dict[bytes, set[bytes]] = defaultdict(set)
    for own, key in zip(apart, keys, strict=True):
        different[key].add(own)
    return sum(len(different[key]) > 1 for key in keys)


def repeated(parts: Mapping[str, Sequence[Example]], how: Mapping[str, str]) -> dict[str, Any]:
    """How many rows of a given validation or test part have a near copy (or an equal row) among the training rows.

    {"test_in_train": {"rows": 12, "examples": [["test.csv:8", "train.csv:1203"], …]}, "validation_in_train": …};
    {} where both parts were cut out of the training rows.
    """
    given = [(n, part) for n, part in ((2, "test"), (1, "validation")) if how.get(part) in ("given", "column")]
    if not given:
        return {}
    order = ("train", "validation", "test")
    rows = [example for part in order for example in parts[part]]
    part_of = np.repeat(np.arange(3), [len(parts[part]) for part in order])
    with duplicates.Texts() as texts:
        texts.add(map(comparing.fields, rows))
        found = duplicates.find(texts)
        out = {}
        for number, part in given:
            pairs = duplicates.copies(texts, found, part_of == number, part_of == 0)
            out[f"{part}_in_train"] = {"rows": len(pairs), "examples": [
                [rows[a].source, rows[b].source] for a, b in sorted(pairs.items())[:_SHOWN]]}
        return out
