"""Every entity of the training texts wherever it stands, the longest match first.

A string is taken where it was an entity in at least half of the places in which the training texts have it, with the
label that it had most often; upper and lower case are one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from weitiao.evaluate.baselines import Baseline, Case
from weitiao.example import Example
from weitiao.tasks._units import Place, units
from weitiao.tasks.tag import Tagged

TITLE = ("the dictionary of training entities", "训练实体词典")
_LEAST = 0.5

Key = tuple[str, ...]  # the words of an entity


def make(case: Case) -> Baseline:
    """Needs no model."""
    known = _known(case.train)
    outputs = []
    for example in case.test:
        text = example.inputs["text"]
        words = units(text)
        outputs.append(Tagged(text, tuple(words), tuple(_found(text, words, known))))
    return Baseline(outputs, f"{len(known):,} strings, longest match", len(case.train))


def _key(text: str, words: Sequence[Place]) -> Key:
    return tuple(text[a:b].casefold() for a, b in words)


def _known(train: Sequence[Example]) -> dict[Key, tuple[str, float]]:
    """Words to label and the share of their places where they are an entity."""
    labels: dict[Key, Counter[str]] = defaultdict(Counter)
    cut = [(e, units(e.inputs["text"])) for e in train]
    for example, words in cut:
        for x in example.target:
            inside = [(a, b) for a, b in words if x["start"] <= a and b <= x["end"]]
            if inside:
                labels[_key(example.inputs["text"], inside)][x["label"]] += 1
    lengths = sorted({len(k) for k in labels})
    places: Counter[Key] = Counter()
    for example, words in cut:
        key = _key(example.inputs["text"], words)
        places.update(part for i in range(len(key)) for n in lengths if (part := key[i : i + n]) in labels
                      and len(part) == n)
    share = {key: counts.total() / max(places[key], counts.total()) for key, counts in labels.items()}
    return {key: (counts.most_common(1)[0][0], share[key]) for key, counts in labels.items() if share[key] >= _LEAST}


def _found(text: str, words: Sequence[Place], known: dict[Key, tuple[str, float]]) -> Iterator[tuple[Any, ...]]:
    key = _key(text, words)
    lengths = sorted({len(k) for k in known}, reverse=True)
    i = 0
    while i < len(key):
        n = next((n for n in lengths if i + n <= len(key) and key[i : i + n] in known), 0)
        if n:
            yield (words[i][0], words[i + n - 1][1], *known[key[i : i + n]])
        i += max(1, n)
