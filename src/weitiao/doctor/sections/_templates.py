"""Heads and tails that many texts share: a form that was filled in, a signature, a disclaimer.

>>> list(look(seen, different, 0.1))[0].said
'1,200 of 3,000 (40.0 %) different texts begin with “Dear customer service, ”'
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from weitiao.core import personal
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, percent, share

_SIZES = (24, 48, 96)  # bytes of UTF-8: 24 are a few English words or eight Chinese characters
_LEAST = 20  # rows


def look(seen: Seen, different: NDArray[np.bool_], limit: float) -> Iterator[Finding]:
    """One finding: the longest head and tail (24, 48 or 96 bytes) that at least `limit` of the different texts share.

    Args:
        different: (rows of all parts,) False where an earlier row has the same text.
        limit: share of the texts.
    """
    heads, tails, of = _digests(seen, different)
    found = {}
    for name, digests in (("head", heads), ("tail", tails)):
        for size, column in zip(_SIZES, digests.T, strict=True):
            values, counts = np.unique(column[column > 0], return_counts=True)
            if len(counts) and counts.max() >= max(_LEAST, limit * of):
                found[name] = (size, int(values[counts.argmax()]), int(counts.max()))
    threshold = t("look: from {p} of the texts on (and {n} rows), 24 bytes or more",
                  "注意：达到文本的 {p}（且不少于 {n} 条）、长度至少 24 字节", p=percent(limit), n=_LEAST)
    if not found:
        yield Finding("duplicates.template", "good",
                      t("no head or tail is shared by many texts", "没有大量文本共有的开头或结尾"), 0, of, threshold)
    for name, (size, value, count) in found.items():
        yield _finding(seen, name, (size, value), (count, of), threshold)


def _finding(seen: Seen, name: str, cut: tuple[int, int], counts: tuple[int, int], threshold: str) -> Finding:
    spots = seen.spots("duplicates.template")
    shown = ""
    for _, example in seen.all():
        role, text = next(seen.texts(example), ("", ""))
        data = text.strip().encode("utf-8", "replace")
        piece = _piece(data, cut[0], name)
        if piece and _digest(piece) == cut[1]:
            shown = shown or personal.mask(piece.decode("utf-8", "ignore"))
            spots.add(Spot(example.source, seen.column(role), excerpt(text if name == "head" else text[-120:])))
    said = t("{s} different texts begin with “{x}”", "{s} 个不同文本以“{x}”开头", s=share(*counts), x=shown) \
        if name == "head" else \
        t("{s} different texts end with “{x}”", "{s} 个不同文本以“{x}”结尾", s=share(*counts), x=shown)
    return Finding("duplicates.template", "look", said, counts[0], counts[1], threshold, spots.shown,
                   t("cut it off if it says nothing: it takes tokens, and where it goes with one label, it is learnt "
                     "instead of the text", "若无意义请删去：它占用词元；若只与某一标签同现，模型会学它而不学文本"),
                   {"end": name, "text": shown})


def _digests(seen: Seen, different: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], NDArray[np.uint64], int]:
    """(texts, sizes) of heads and tails; 0 where the text is not longer than that."""
    of = int(different.sum())
    heads, tails = np.zeros((of, len(_SIZES)), np.uint64), np.zeros((of, len(_SIZES)), np.uint64)
    row = 0
    for number, (_, example) in enumerate(seen.all()):
        if different[number]:
            data = next(seen.texts(example), ("", ""))[1].strip().encode("utf-8", "replace")
            for i, size in enumerate(_SIZES):
                if len(data) > size:
                    heads[row, i] = _digest(_piece(data, size, "head"))
                    tails[row, i] = _digest(_piece(data, size, "tail"))
            row += 1
    return heads, tails, of


def _piece(data: bytes, size: int, end: str) -> bytes:
    if len(data) <= size:
        return b""
    return data[:size] if end == "head" else data[-size:]


def _digest(piece: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(piece, digest_size=8).digest(), "little")
