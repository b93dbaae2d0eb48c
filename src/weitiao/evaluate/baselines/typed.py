"""A rule: in the sentence nearest to the question, the piece of the kind that the question word asks for.

"When" and 哪一年 ask for a date, "how many" and 多少 for a number, "who" and "where" for a name; everything else is
answered by the longest piece of the sentence that the question does not hold already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from weitiao.evaluate.baselines import Baseline, Case
from weitiao.evaluate.baselines._passages import Answer, Overlap, outputs, words
from weitiao.example import Example

TITLE = ("a rule by question words", "疑问词规则")

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(rf"(?:(?:{_MONTHS})\s)?(?:\d{{1,2}},?\s)?\b1?\d{{3}}s?\b|\b20\d\ds?\b|\d+年(?:\d+月)?(?:\d+日)?")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*\s?(?:%|million|billion|percent|[万亿]?[^\W\d_a-zA-Z]{1,2}(?=[，。、；]))?")
_NAME = re.compile(r"(?<![.!?]\s)\b[A-Z][\w'-]*(?:\s(?:of\s|the\s|de\s)?[A-Z][\w'-]*)*|《[^《》]+》|“[^“”]+”")
_KINDS = (
    (re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century)\b|哪一?年|何时|什么时候", re.I), _DATE),
    (re.compile(r"\bhow (?:many|much|old|long|far|tall|big|large)\b|\bwhat percent|多少|几", re.I), _NUMBER),
    (re.compile(r"\bwho|\bwhere\b|\bwhich (?:city|country|state|person|team)\b|《|什么书|哪部", re.I), _NAME),
)
_PIECE = re.compile(r"[\u4e00-\u9fa5]|\w+(?:['-]\w+)*")
_SMALL = frozenset([*"的了在是和与及为于以有由被也并而其", "a", "an", "the", "of", "in", "on", "at", "to", "for",
                    "by", "with", "and", "or", "is", "was", "were", "are", "as", "that", "which", "it", "its", "from"])


def make(case: Case) -> Baseline:
    """Needs no model."""
    overlap = Overlap(case.train)

    def answer(examples: Sequence[Example]) -> list[Answer]:
        return [_piece(e, sentence) for e, sentence in zip(examples, overlap(examples), strict=True)]

    return Baseline(outputs(case, answer), f"TF-IDF ({overlap.how}) sentence, then a piece by the question word",
                    len(case.train))


def _piece(example: Example, sentence: Answer) -> Answer:
    """The answer within the sentence."""
    question, text = example.inputs["question"], example.inputs["context"][sentence.start : sentence.end]
    known = set(words(question)) | set(_PIECE.findall(question.lower()))
    for asks, kind in _KINDS:
        if asks.search(question):
            for found in kind.finditer(text):
                if found[0].lower().strip() not in question.lower():
                    return _at(sentence, *found.span(), text)
            break
    runs = list(_runs(text, known))
    return _at(sentence, *max(runs, key=lambda r: r[1] - r[0], default=(0, len(text))), text)


def _runs(text: str, known: set[str]) -> Iterator[tuple[int, int]]:
    """Stretches of words that the question does not hold, small words at their ends left out."""
    run: list[re.Match[str]] = []
    last = 0
    for piece in [*_PIECE.finditer(text), None]:
        broken = piece is None or re.search(r"[，。；：,;:()（）]", text[last : piece.start()]) is not None
        if run and (broken or (piece is not None and piece[0].lower() in known)):
            inner = run
            while inner and inner[0][0].lower() in _SMALL:
                inner = inner[1:]
            while inner and inner[-1][0].lower() in _SMALL:
                inner = inner[:-1]
            if inner:
                yield inner[0].start(), inner[-1].end()
            run = []
        if piece is not None:
            last = piece.end()
            if piece[0].lower() not in known:
                run.append(piece)


def _at(sentence: Answer, start: int, end: int, text: str) -> Answer:
    found = text[start:end]
    start += len(found) - len(found.lstrip())
    end -= len(found) - len(found.rstrip())
    return Answer(sentence.start + start, sentence.start + end, sentence.sureness)
