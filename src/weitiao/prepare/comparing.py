"""Which rows say the same: duplicates, rows of one part that stand in another, equal texts with different labels.

Texts are equal when `core.text.fold` makes them so: NFKC, case, white space and punctuation do not count.

>>> key(Example("1", {"text": "Good!"}, "a", "x:1")) == key(Example("2", {"text": "good"}, "b", "x:2"))
True
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core.text import fold
from weitiao.example import Example
from weitiao.splits import picked

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTES = 16
KEY = f"S{BYTES}"  # sorts as the bytes do; a NUL at the end is not given back, but there is never more than 16
_SHOWN = 5
_PASSAGES = 4096  # keys that are kept: questions on one passage mostly stand together


def key(example: Example) -> bytes:
    """16 bytes that are equal for rows with equal inputs, whatever the rows' order, file or label."""
    return hashlib.blake2b("\x1f".join(map(fold, fields(example))).encode(), digest_size=BYTES).digest()


def keys(examples: Iterable[Example]) -> NDArray[np.bytes_]:
    """(rows,) the key of each, in 16 bytes a row."""
    return _packed(map(key, examples))


def _packed(found: Iterable[bytes]) -> NDArray[np.bytes_]:
    out = bytearray()
    for one in found:
        out += one
    return np.frombuffer(out, KEY) if out else np.empty(0, KEY)


def fields(example: Example) -> list[str]:
    """The texts of the inputs by which rows are compared, in the order of their roles; each turn of a conversation is
    one."""
    out: list[str] = []
    for _, value in sorted(example.inputs.items()):
        for said in [value] if isinstance(value, str) else value:
            said = said["content"] if isinstance(said, Mapping) else said
            out.append(said if isinstance(said, str) else json.dumps(said, sort_keys=True))
    return out


def passage(example: Example) -> bytes:
    """The same of the passage alone that a question is about."""
    return key(replace(example, inputs={"context": example.inputs["context"]}))


def about_passages(examples: Sequence[Example]) -> bool:
    """Are these questions, each about a passage?"""
    return any("context" in e.inputs for e in examples[:1])


def passages(examples: Iterable[Example]) -> NDArray[np.bytes_]:
    """(rows,) the key of each row's passage."""
    known: dict[str, bytes] = {}

    def one(example: Example) -> bytes:
        text = example.inputs["context"]
        if text not in known:
            if len(known) >= _PASSAGES:
                known.clear()
            known[text] = passage(example)
        return known[text]

    return _packed(map(one, examples))


def unit_keys(examples: Sequence[Example], keys: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """Per row the key of what must stay on one side of a split: the row's own, or its passage's, since questions about
    one passage give away each other's answers. `keys` are the rows' own."""
    return passages(examples) if about_passages(examples) else keys


def overlap(part: NDArray[np.bytes_], other: NDArray[np.bytes_]) -> dict[str, int]:
    """How many rows of a part, and how many different inputs of these, also stand in another, by the keys of both."""
    shared = part[np.isin(part, other)]
    return {"rows": len(shared), "inputs": len(np.unique(shared))}


def shared_ids(examples: Iterable[Example], part: NDArray[np.bytes_], *others: NDArray[np.bytes_]) -> list[str]:
    """Ids of the rows of a part whose inputs also stand in one of the others."""
    there = np.isin(part, np.concatenate(others))
    return [e.id for e, held in zip(examples, there.tolist(), strict=True) if held]


def conflicts(parts: Mapping[str, Sequence[Example]], keys: Mapping[str, NDArray[np.bytes_]]) -> dict[str, Any]:
    """Inputs that stand more than once with different targets, over all parts: how many, how many rows they have, the
    first few with their places."""
    if not parts:
        return {"inputs": 0, "rows": 0, "examples": []}
    _, of, counts = np.unique(np.concatenate([keys[part] for part in parts]), return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[of] > 1)
    said = np.fromiter((_digest(e.target) for e in at(parts, rows)), np.uint64, len(rows))
    pairs = np.unique(np.stack([of[rows].astype(np.uint64), said], axis=1), axis=0)
    inputs, targets = np.unique(pairs[:, 0].astype(np.int64), return_counts=True)
    rows = rows[np.isin(of[rows], inputs[targets > 1])]
    _, first = np.unique(of[rows], return_index=True)
    shown = of[rows[np.sort(first)[:_SHOWN]]]
    groups: dict[int, list[Example]] = {own: [] for own in shown.tolist()}
    few = rows[np.isin(of[rows], shown)]
    for own, example in zip(of[few].tolist(), at(parts, few), strict=True):
        if len(groups[own]) < _SHOWN:
            groups[own].append(example)
    return {"inputs": len(first), "rows": len(rows), "examples": [
        {"inputs": dict(group[0].inputs), "sources": [e.source for e in group], "targets": [e.target for e in group]}
        for group in groups.values()]}


def at(parts: Mapping[str, Sequence[Example]], rows: NDArray[np.int64]) -> Iterator[Example]:
    """The rows of these numbers, which ascend, counted through all parts."""
    start = 0
    for examples in parts.values():
        here = rows[(rows >= start) & (rows < start + len(examples))] - start
        if len(here):
            yield from picked(examples, here)
        start += len(examples)


def _digest(value: Any) -> int:
    return int.from_bytes(hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).digest(), "little")
