"""Which rows say the same: duplicates, rows of one part that stand in another, equal texts with different labels.

Texts are equal when `core.text.fold` makes them so: NFKC, case, white space and punctuation do not count.

>>> key(Example("1", {"text": "Good!"}, "a", "x:1")) == key(Example("2", {"text": "good"}, "b", "x:2"))
True
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from weitiao.core.text import fold
from weitiao.example import Example

_SHOWN = 5


def key(example: Example) -> bytes:
    """16 bytes that are equal for rows with equal inputs, whatever the rows' order, file or label."""
    return hashlib.blake2b("\x1f".join(map(fold, fields(example))).encode(), digest_size=16).digest()


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


def unit_keys(examples: Sequence[Example], keys: Sequence[bytes]) -> list[bytes]:
    """Per row the key of what must stay on one side of a split: the row's own, or its passage's, since questions about
    one passage give away each other's answers. `keys` are the rows' own (`key`)."""
    passages: dict[str, bytes] = {}

    def unit(example: Example, own: bytes) -> bytes:
        text = example.inputs.get("context")
        if text is None:
            return own
        if text not in passages:
            passages[text] = passage(example)
        return passages[text]

    return [unit(example, own) for example, own in zip(examples, keys, strict=True)]


def overlap(keys: Mapping[str, Sequence[bytes]], part: str, other: str) -> dict[str, int]:
    """How many rows of `part`, and how many different inputs of these, also stand in `other`."""
    there = set(keys[other])
    shared = [k for k in keys[part] if k in there]
    return {"rows": len(shared), "inputs": len(set(shared))}


def shared_ids(parts: Mapping[str, Sequence[Example]], keys: Mapping[str, Sequence[bytes]], part: str) -> list[str]:
    """Ids of the rows of `part` whose inputs also stand in train, or (for test) in the rows that chose the step."""
    there = set(keys["train"]) | (set(keys["validation"]) if part == "test" else set())
    return [e.id for e, k in zip(parts[part], keys[part], strict=True) if k in there]


def conflicts(parts: Mapping[str, Sequence[Example]], keys: Mapping[str, Sequence[bytes]]) -> dict[str, Any]:
    """Inputs that stand more than once with different targets, over all parts, the first few with their places."""
    first: dict[bytes, Example] = {}
    rows: dict[bytes, list[Example]] = {}
    for part, examples in parts.items():
        for example, k in zip(examples, keys[part], strict=True):
            seen = first.setdefault(k, example)
            if k in rows:
                rows[k].append(example)
            elif seen.target != example.target:
                rows[k] = [seen, example]
    return {"inputs": len(rows), "rows": sum(map(len, rows.values())), "examples": [
        {"inputs": dict(group[0].inputs), "sources": [e.source for e in group[:_SHOWN]],
         "targets": [e.target for e in group[:_SHOWN]]} for group in list(rows.values())[:_SHOWN]]}
