"""Near copies among checked rows: what a split keeps together, and what given test rows repeat of the training rows.

>>> merged([key_1, key_2, key_3], [("How do I reset my PIN?",), ("How do I resett my PIN?",), ("Hello!",)])
[key_1, key_1, key_3]        # the smaller one of key_1 and key_2
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao import duplicates
from weitiao.example import Example
from weitiao.prepare import comparing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 5
_FORM, _FORM_SHARE = 10, 0.01


def merged(keys: NDArray[np.bytes_], fields: Iterable[Sequence[str]]) -> NDArray[np.bytes_]:
    """Per row the smallest key of its cluster of near copies, which does not depend on the order of the rows.

    A cluster of more than a hundredth of the rows (and more than 10) is a form that was filled in again and again, not
    a text that was copied: its rows keep their keys, else a part might get all of them or none.

    Args:
        keys: equal for rows that stay together anyway.
        fields: the texts by which a row is judged, see `weitiao.duplicates.find`.
    """
    with duplicates.Texts() as texts:
        texts.add(fields)
        out = keys.copy()
        for members in duplicates.find(texts).members():
            if len(members) <= max(_FORM, _FORM_SHARE * len(out)):
                out[members] = np.sort(keys[members])[0]
        return out


def judged(example: Example) -> list[str]:
    """The texts by which rows are near copies: passages alone, where questions stay with their passage."""
    passage = example.inputs.get("context")
    return comparing.fields(example) if passage is None else [passage]


def held_together(apart: NDArray[np.bytes_], keys: NDArray[np.bytes_]) -> int:
    """Rows that share their key in `keys` with rows that had another one in `apart`."""
    different, own = np.unique(apart, return_inverse=True)
    _, key = np.unique(keys, return_inverse=True)
    pairs = np.unique(key.astype(np.int64) * len(different) + own)
    held = np.bincount(pairs // max(1, len(different)), minlength=len(keys)) > 1
    return int(held[key].sum())


def repeated(parts: Mapping[str, Sequence[Example]], how: Mapping[str, str]) -> dict[str, Any]:
    """How many rows of a given validation or test part have a near copy (or an equal row) among the training rows.

    {"test_in_train": {"rows": 12, "examples": [["test.csv:8", "train.csv:1203"], …]}, "validation_in_train": …};
    {} where both parts were cut out of the training rows.
    """
    given = [(n, part) for n, part in ((2, "test"), (1, "validation")) if how.get(part) in ("given", "column")]
    if not given:
        return {}
    order = ("train", "validation", "test")
    part_of = np.repeat(np.arange(3), [len(parts[part]) for part in order])
    with duplicates.Texts() as texts:
        texts.add(map(comparing.fields, chain.from_iterable(parts[part] for part in order)))
        found = duplicates.find(texts)
        pairs = {part: duplicates.copies(texts, found, part_of == number, part_of == 0) for number, part in given}
    shown = {part: sorted(held.items())[:_SHOWN] for part, held in pairs.items()}
    numbers = np.unique([n for few in shown.values() for pair in few for n in pair]).astype(np.int64)
    rows = comparing.at({part: parts[part] for part in order}, numbers)
    source = {n: e.source for n, e in zip(numbers.tolist(), rows, strict=True)}
    return {f"{part}_in_train": {"rows": len(held), "examples": [[source[a], source[b]] for a, b in shown[part]]}
            for part, held in pairs.items()}
