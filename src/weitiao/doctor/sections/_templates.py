"""Heads and tails that many texts share: a form that was filled in, a signature, a disclaimer.

>>> list(look(seen, 0.1))[0].said
'1,200 of 3,000 (40.0 %) different texts begin with “Dear customer service, ”'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from weitiao.core import personal
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, percent, share
from weitiao.example import Example

_SIZES = (24, 48, 96)  # bytes of UTF-8: 24 are a few English words or eight Chinese characters
_SAMPLED = 100_000
_LEAST = 20  # rows


def look(seen: Seen, limit: float) -> Iterator[Finding]:
    """The longest head and the longest tail (24, 48 or 96 bytes) that at least `limit` of the different texts share;
    100,000 rows are looked at."""
    texts = {_text(seen, example)[1].strip().encode("utf-8", "replace") for _, example in seen.sample(_SAMPLED)}
    of, found = len(texts), {}
    for name in ("head", "tail"):
        for size in _SIZES:
            pieces = Counter(piece for data in texts if (piece := _piece(data, size, name)))
            for piece, count in pieces.most_common(1):
                if count >= max(_LEAST, limit * of):
                    found[name] = (piece, count)
    threshold = t("look: from {p} of the texts on (and {n} rows), 24 bytes or more",
                  "注意：达到文本的 {p}（且不少于 {n} 条）、长度至少 24 字节", p=percent(limit), n=_LEAST)
    if not found:
        yield Finding("duplicates.template", "good",
                      t("no head or tail is shared by many texts", "没有大量文本共有的开头或结尾"), 0, of, threshold)
    for name, (piece, count) in found.items():
        yield _finding(seen, name, piece, (count, of), threshold)


def _finding(seen: Seen, name: str, piece: bytes, counts: tuple[int, int], threshold: str) -> Finding:
    spots = seen.spots("duplicates.template")
    shown = personal.mask(piece.decode("utf-8", "ignore"))
    for _, example in seen.all():
        role, text = _text(seen, example)
        if _piece(text.strip().encode("utf-8", "replace"), len(piece), name) == piece:
            spots.add(Spot(example.source, seen.column(role), excerpt(text if name == "head" else text[-120:])))
    said = t("{s} different texts begin with “{x}”", "{s} 个不同文本以“{x}”开头", s=share(*counts), x=shown) \
        if name == "head" else \
        t("{s} different texts end with “{x}”", "{s} 个不同文本以“{x}”结尾", s=share(*counts), x=shown)
    return Finding("duplicates.template", "look", said, counts[0], counts[1], threshold, spots.shown,
                   t("cut it off if it says nothing: it takes tokens, and where it goes with one label, it is learnt "
                     "instead of the text", "若无意义请删去：它占用词元；若只与某一标签同现，模型会学它而不学文本"),
                   {"end": name, "text": shown})


def _text(seen: Seen, example: Example) -> tuple[str, str]:
    """Role and first text of a row."""
    return next(seen.texts(example), ("", ""))


def _piece(data: bytes, size: int, end: str) -> bytes:
    if len(data) <= size:
        return b""
    return data[:size] if end == "head" else data[-size:]
