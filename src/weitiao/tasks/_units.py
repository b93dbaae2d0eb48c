"""The words that are tagged, and where a tokenizer's pieces stand in them.

>>> [text[a:b] for a, b in units("李开复 bought 2 iPhones.")]
['李', '开', '复', 'bought', '2', 'iPhones', '.']

A word is a run of letters, a run of digits, one character of a script that puts no spaces between words (Chinese,
Japanese, Korean, Thai, …), or one other sign. White space and what nobody sees (control and zero-width characters)
belong to no word. The rule looks at the text alone, so that a text is cut alike in tuning and in prediction.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from weitiao.core.errors import RowError
from weitiao.core.i18n import t

Place = tuple[int, int]

_SINGLE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_LETTER = rf"(?:(?!{_SINGLE})[\p{{L}}\p{{M}}])"
_UNIT = rf"{_SINGLE}\p{{M}}*|{_LETTER}+(?:\p{{Cf}}+{_LETTER}+)*|\p{{N}}+|[^\s\p{{Cc}}\p{{Cf}}▁]\p{{M}}*"
_MARKS = ("▁", "Ġ")  # pieces that stand for a space alone
_SHARED = 4  # neighbouring windows share a quarter of their length


@cache
def _cutter() -> Any:
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Split(Regex(_UNIT), "removed", invert=True)


def units(text: str) -> list[Place]:
    """Where the words of a text stand."""
    return [place for _, place in _cutter().pre_tokenize_str(text)]


def by_units(tokenizer: Any) -> None:
    """Let no piece of the tokenizer reach over two words. It is changed in place; a second time changes nothing.

    Its own rule stays in force; a space's mark before a word stays with the word.
    """
    from tokenizers import Regex, pre_tokenizers

    backend = tokenizer.backend_tokenizer
    own = backend.pre_tokenizer
    split = pre_tokenizers.Split(Regex(rf"[▁ ]?(?:{_UNIT})"), "isolated")
    if own is None:
        backend.pre_tokenizer = split
    elif r"\p{Han}\p{Hiragana}" not in repr(own):
        # Bytes are no letters: there the words are cut first, elsewhere behind the tokenizer's own cuts.
        backend.pre_tokenizer = pre_tokenizers.Sequence([split, own] if "ByteLevel" in repr(own) else [own, split])


@dataclass(frozen=True, slots=True)
class Aligned:
    """A text as pieces.

    Args:
        windows, types, lost: as in `Encoded`.
        units: the words.
        places: (word, window, column) of each word that has a piece, in order: the piece that speaks for the word.
    """

    windows: tuple[tuple[int, ...], ...]
    types: tuple[tuple[int, ...], ...]
    lost: int
    units: tuple[Place, ...]
    places: tuple[tuple[int, int, int], ...]


def align(texts: Sequence[str], tokenizer: Any, max_length: int, *, windows: bool, last: bool) -> list[Aligned]:
    """Pieces and places of each text; `last`: a word's last piece speaks for it, else its first.

    A text that is too long loses its end, or with `windows` is cut into windows that share a quarter; a word that
    stands in two of them is taken where it stands farther from an edge. Raises RowError `row.no_tokens`.
    """
    if not texts:
        return []
    how: dict[str, Any] = {"return_offsets_mapping": True, "return_attention_mask": False, "verbose": False}
    whole = tokenizer(list(texts), **how)
    room = max_length - tokenizer.num_special_tokens_to_add()
    marks = {tokenizer.convert_tokens_to_ids(m) for m in _MARKS} - {tokenizer.unk_token_id}
    out = []
    for i, text in enumerate(texts):
        got, size = _rows(whole, i), len(whole["input_ids"][i])
        if not size:
            raise RowError("row.no_tokens", "", t("the tokenizer makes no token of this text: {x!r}",
                                                  "分词器没有从该文本得到任何词元：{x!r}", x=text[:60]))
        if size > max_length:
            more = {"return_overflowing_tokens": True, "stride": room // _SHARED} if windows else {}
            cut = tokenizer([text], truncation=True, max_length=max_length, **more, **how)
            got = [r for k in range(len(cut["input_ids"])) for r in _rows(cut, k)]
        lost = 0 if windows or size <= max_length else size - len(got[0][0])
        words = units(text)
        out.append(Aligned(tuple(ids for ids, _, _ in got), tuple(kinds for _, kinds, _ in got if kinds), lost,
                           tuple(words), _places(words, [(ids, offsets) for ids, _, offsets in got], marks, last)))
    return out


def _rows(got: Any, i: int) -> list[tuple[tuple[int, ...], tuple[int, ...], list[Place]]]:
    kinds = got.get("token_type_ids")
    return [(tuple(got["input_ids"][i]), tuple(kinds[i]) if kinds else (), got["offset_mapping"][i])]


def _places(words: Sequence[Place], windows: Sequence[tuple[tuple[int, ...], list[Place]]], marks: set[int],
            last: bool) -> tuple[tuple[int, int, int], ...]:
    starts = [s for s, _ in words]
    found: dict[int, tuple[int, int, int]] = {}  # word: distance from the window's edge, window, column
    for number, (ids, offsets) in enumerate(windows):
        columns: dict[int, list[int]] = {}
        for column, (start, end) in enumerate(offsets):
            # The last word that the piece touches: some normalisers make a space of U+FFFD and the like before it.
            word = bisect_left(starts, end) - 1
            if start < end and word >= 0 and start < words[word][1]:
                columns.setdefault(word, []).append(column)
        for word, those in columns.items():
            spoken = [c for c in those if ids[c] not in marks] or those
            column = spoken[-1 if last else 0]
            distance = min(column, len(ids) - 1 - column)
            if word not in found or found[word][0] < distance:
                found[word] = (distance, number, column)
    return tuple((word, *found[word][1:]) for word in sorted(found))
