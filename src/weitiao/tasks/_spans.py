"""Questions with their passages as windows of tokens, and the best spans of text that start and end logits name.

>>> windows = cut([("Where is Normandy?", passage)], tokenizer, max_length=384, stride=128)
>>> best(logits, windows[0].notes[0], passage, most=200, n_best=5)
[Span(text='France', start=159, end=165, score=7.3), ...]

A score is start plus end logit, minus those of the window's own null place, which stands for "no answer in here": a
window's logits mean something only beside one another, and so windows become comparable (Devlin et al. 2019, section
4.3, take the null of the whole row; with one window a row the two are the same).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core.errors import RecipeError, RowError
from weitiao.core.i18n import t

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the passage: context[start:end] is `text`; the score is in logits over that of no answer."""

    text: str
    start: int
    end: int
    score: float


Spans = tuple[Span, ...]  # of a row, the best first; empty: surely no answer


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tokens of one window stand.

    Args:
        null: the token that stands for "no answer in here".
        first: the first token of the passage.
        starts, ends: of each passage token in this window, characters of the passage.
    """

    null: int
    first: int
    starts: array[int]
    ends: array[int]

    def tokens(self, start: int, end: int) -> tuple[int, int]:
        """First and last token of context[start:end]; the null token twice where it is not wholly in this window."""
        if not self.starts or start < self.starts[0] or end > self.ends[-1]:
            return self.null, self.null
        inside = [i for i, (a, b) in enumerate(zip(self.starts, self.ends, strict=True)) if b > start and a < end]
        return (self.first + inside[0], self.first + inside[-1]) if inside else (self.null, self.null)


@dataclass(frozen=True, slots=True)
class Cut:
    """One question with its passage: token ids, token types and places of each window, tokens lost of the question."""

    ids: tuple[tuple[int, ...], ...]
    types: tuple[tuple[int, ...], ...]
    places: tuple[Place, ...]
    lost: int


def cut(pairs: Sequence[tuple[str, str]], tokenizer: Any, max_length: int, stride: int) -> list[Cut]:
    """Each (question, passage) in windows of at most `max_length` tokens; neighbours share `stride` passage tokens, at
    most a quarter of the room. The windows of a row are of one size, so that padding stays small.

    A question may fill half of the room; what is longer loses its end. The classification token stands for "no answer
    in here", or where a tokenizer sets none the first token.

    Raises RecipeError where `max_length` is too small, RowError for a passage without a token.
    """
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    if room < 8:
        raise RecipeError("recipe.bad_value", t("model.max_length = {n} leaves no room for a question and its passage",
                                                "model.max_length = {n} 容不下问题和段落", n=max_length),
                          expected=t("at least 16", "至少 16"))
    if not pairs:
        return []
    questions, lost = _questions([q for q, _ in pairs], tokenizer, room // 2)
    whole = tokenizer(questions, [c for _, c in pairs], return_offsets_mapping=True, return_attention_mask=False,
                      verbose=False)
    return [_windows(whole, row, tokenizer.cls_token_id, max_length, min(stride, room // 4), lost[row])
            for row in range(len(pairs))]


def _questions(questions: list[str], tokenizer: Any, most: int) -> tuple[list[str], list[int]]:
    """The questions with at most so many tokens, and how many each lost."""
    got = tokenizer(questions, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False,
                    verbose=False)
    kept, lost = [], []
    for question, offsets in zip(questions, got["offset_mapping"], strict=True):
        kept.append(question[: offsets[most - 1][1]] if len(offsets) > most else question)
        lost.append(max(0, len(offsets) - most))
    return kept, lost


def _windows(whole: Any, row: int, null: int | None, max_length: int, shared: int, lost: int) -> Cut:
    """One row, what stands around the passage repeated in each window."""
    passage = [i for i, side in enumerate(whole.sequence_ids(row)) if side == 1]
    if not passage:
        raise RowError("row.no_tokens", "context", t("the tokenizer makes no token of this passage",
                                                     "分词器没有从该段落得到任何词元"))
    first, after = passage[0], passage[-1] + 1
    parts = _slices(after - first, max_length - (len(whole["input_ids"][row]) - len(passage)), shared)

    def around(values: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        return tuple((*values[:first], *values[first:after][part], *values[after:]) for part in parts)

    ids, offsets = around(whole["input_ids"][row]), whole["offset_mapping"][row][first:after]
    places = [Place(window.index(null) if null in window else 0, first, array("i", [a for a, _ in offsets[part]]),
                    array("i", [b for _, b in offsets[part]])) for window, part in zip(ids, parts, strict=True)]
    return Cut(ids, around(whole["token_type_ids"][row]) if "token_type_ids" in whole else (), tuple(places), lost)


def _slices(tokens: int, space: int, shared: int) -> list[slice]:
    """As few pieces of at most `space` tokens as there can be, of one size, each sharing `shared` with the next.

    >>> _slices(100, 60, 10)
    [slice(0, 55, None), slice(45, 100, None)]
    """
    if tokens <= space:
        return [slice(0, tokens)]
    pieces = math.ceil((tokens - shared) / (space - shared))
    step = math.ceil((tokens - shared) / pieces)
    return [slice(at, min(at + step + shared, tokens)) for at in range(0, tokens - shared, step)]


def best(logits: NDArray[np.float32], place: Place, context: str, *, most: int, n_best: int) -> list[Span]:
    """The best spans of one window, best first.

    Args:
        logits: (T, 2), start and end of each of the window's tokens, without padding.
        most: characters of the longest span.
    """
    tokens = slice(place.first, place.first + len(place.starts))
    starts, ends = np.asarray(place.starts), np.asarray(place.ends)
    # Row i, column k: from token i to token i + k, as far as the longest answer reaches.
    reach = max(1, int((np.searchsorted(ends, starts + most, side="right") - np.arange(len(starts))).max()))
    allowed = _ahead(ends, reach, most + ends[-1] + 1) - starts[:, None] <= most
    allowed[:, 0] = True  # one token may alone be longer
    score = np.where(allowed, logits[tokens, 0][:, None] + _ahead(logits[tokens, 1], reach, -np.inf), -np.inf).ravel()
    k = min(n_best, int(allowed.sum()))
    top = np.argpartition(-score, k - 1)[:k]
    null = float(logits[place.null].sum())
    spans = []
    for at in top[np.argsort(-score[top], kind="stable")]:
        i, k = divmod(int(at), reach)
        spans.append(_trimmed(context, int(starts[i]), int(ends[i + k]), float(score[at]) - null))
    return spans


def _ahead(values: NDArray[Any], reach: int, beyond: float) -> NDArray[Any]:
    """(n, reach): each value with those that follow it, `beyond` after the last."""
    return np.lib.stride_tricks.sliding_window_view(np.append(values, np.full(reach - 1, beyond)), reach)


def _trimmed(context: str, start: int, end: int, score: float) -> Span:
    """Some tokenizers count the space before a word to it."""
    text = context[start:end]
    start += len(text) - len(text.lstrip())
    text = text.strip()
    return Span(text, start, start + len(text), score)


def merged(spans: Sequence[Span], n_best: int) -> Spans:
    """The best spans of several windows, each place once."""
    found: dict[tuple[int, int], Span] = {}
    for span in sorted(spans, key=lambda s: -s.score):
        if span.text:
            found.setdefault((span.start, span.end), span)
    return tuple(found.values())[:n_best]
