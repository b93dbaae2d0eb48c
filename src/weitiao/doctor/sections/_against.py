"""Rows that stand in a benchmark: its questions must not be learnt by heart.

>>> look(seen, "gsm8k-test.jsonl").said
'3 of 7,473 (0.04 %) rows hold a text of gsm8k-test.jsonl'
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np

from weitiao import duplicates, formats
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, share
from weitiao.formats import BadRow

_LEAST = 20  # characters of a benchmark's text: shorter ones are said by many


def look(seen: Seen, file: str) -> Finding:
    """Each text of each row against each text (of 20 characters and more) of the file: equal and near copies.

    Raises the DataErrors of `weitiao.formats.read_rows` for the file.
    """
    spots = seen.spots("leaks.benchmark")
    with duplicates.Texts() as texts:
        places = []
        for place, text in _questions(file):
            texts.add([(text,)])
            places.append(place)
        benchmark = len(places)
        owners = array("Q")
        for number, (_, example) in enumerate(seen.all()):
            said = [text for _, text in seen.texts(example)]
            texts.add([(text,) for text in said])
            owners.extend([number] * len(said))
        there = np.arange(len(texts)) < benchmark
        copies = duplicates.copies(texts, duplicates.find(texts), ~there, there)
    hits = {owners[row - benchmark]: places[question] for row, question in sorted(copies.items(), reverse=True)}
    for number, (_, example) in enumerate(seen.all()):
        if number in hits:
            role, text = next(seen.texts(example), ("", ""))
            spots.add(Spot(example.source, seen.column(role), excerpt(text),
                           t("stands in {p}", "出现在 {p}", p=hits[number])))
    return Finding("leaks.benchmark", "stop" if spots.count else "good",
                   t("{s} rows hold a text of {f}", "{s}行含有 {f} 中的文本", s=share(spots.count, seen.total), f=file),
                   spots.count, seen.total, t("stop: from the first on", "停止：只要出现"), spots.shown,
                   t("drop them, else the benchmark says nothing", "请删去，否则该基准的分数没有意义")
                   if spots.count else "",
                   {"questions": benchmark}, {"drop": ["leaks.benchmark"]} if spots.count else {})


def _questions(file: str) -> Iterator[tuple[str, str]]:
    """Place and text of everything in the file that is long enough."""
    for found in formats.find([file]):
        for row in found.rows():
            if not isinstance(row, BadRow):
                for text in _texts(row.values):
                    if len(text) >= _LEAST:
                        yield row.source, text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
