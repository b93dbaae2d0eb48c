"""What a text looks like: its folded form for comparison, its script, its language; and words made one text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from weitiao.core.errors import MissingExtra
from weitiao.core.i18n import t

# Escapes: U+F900 is the same as U+8C48 to whatever normalises this file, and Hangul lies between the two.
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]+")
# Han, kana, Thai, Lao, Tibetan, Burmese, Khmer: scripts that put no space between words.
UNSPACED = (r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u3005\u3007\u3041-\u30ff\u31f0-\u31ff"
            r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff")
_UNSPACED = re.compile(f"[{UNSPACED}]")

Language = Literal["zh", "en", "other"]


def fold(text: str) -> str:
    """The form in which two texts count as equal: NFKC, case folded, only letters, marks and numbers.

    A text without any keeps its other characters, else all of them would be one.

    >>> fold("Ｈello, World！") == fold("hello world")
    True
    """
    if text.isascii():
        low = text.lower()
        return low.encode().translate(None, _NO_WORD).decode() or "".join(low.split())
    norm = unicodedata.normalize("NFKC", text).casefold()
    kept = norm.translate(_DROPPED) or "".join(norm.split())
    # Dropping a space can join a letter and its accent: again until nothing changes.
    return kept if kept == text else fold(kept)


class _Dropped(dict[int, int | None]):
    """For `str.translate`: code points that are neither letter, mark nor number map to None. Filled as they occur."""

    def __missing__(self, code: int) -> int | None:
        # A variation selector says how the character before it is drawn (an emoji in colour), not what it is.
        drawn = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
        kept = code if unicodedata.category(chr(code))[0] in "LMN" and not drawn else None
        self[code] = kept
        return kept


_DROPPED = _Dropped()
_NO_WORD = bytes(c for c in range(128) if not chr(c).isalnum())


def joined(value: Any) -> Any:
    """A target as one cell: several labels, entities, or the texts of several answers, with ` | ` between them; else
    as it is.

    >>> joined(["joy", "pride"]), joined({"text": ["France", "France"], "answer_start": [159, 159]}), joined(4.5)
    ('joy | pride', 'France', 4.5)
    >>> joined([{"label": "PER", "text": "李开复", "start": 0, "end": 3}])
    'PER: 李开复'
    """
    if isinstance(value, Mapping):
        value = list(dict.fromkeys(value["text"]))
    if not isinstance(value, list | tuple):
        return value
    return " | ".join(f"{x['label']}: {x['text']}" if isinstance(x, Mapping) else x for x in value)


def dominant_language(texts: Iterable[str]) -> Language:
    """`zh` where Chinese characters outweigh Latin words, `en` where Latin words prevail, else `other`.

    A guess for choosing tokenisers and base models: one Chinese character weighs as much as one Latin word, and the
    share of other scripts decides for `other`. French counts as `en` here; name the model where that matters.
    """
    han = latin = letters = 0
    for text in texts:
        han += len(_HAN.findall(text))
        words = _LATIN.findall(text)
        latin += len(words)
        letters += sum(map(str.isalpha, text)) - sum(map(len, words))
    other = letters - han
    if other > han + latin:
        return "other"
    return "zh" if han >= latin and han else "en" if latin else "other"


def is_unspaced(texts: Iterable[str]) -> bool:
    """Are most letters of scripts that put no space between words (Chinese, Japanese, Thai, …)?"""
    unspaced = letters = 0
    for text in texts:
        unspaced += len(_UNSPACED.findall(text))
        letters += sum(map(str.isalpha, text))
    return unspaced * 2 > letters


# -- words joined to a text ----------------------------------------------------------------------------------------

_CLOSING = frozenset(",.!?;:%)]}”’…")
_OPENING = frozenset("([{“‘")
_BETWEEN_DIGITS = frozenset(":./-,")
_AFTER_APOSTROPHE = frozenset({"s", "t", "d", "m", "re", "ve", "ll"})
_WITHOUT_SPACES = re.compile(r"[\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u3190-\u31ef\u3400-\u4dbf\u4e00-\u9fff"
                             r"\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\U00020000-\U0003ffff]")


def join_words(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Words as a person would have written them on one line, and where each stands in it.

    Chinese and Japanese characters and their punctuation have no space beside them; single characters of a text that
    holds such are joined as they are; English punctuation and `'s` stand close.

    >>> join_words(["good", ",", "yes"]), join_words(["用", "i", "P", "a", "d"])[0]
    (('good, yes', [(0, 4), (4, 5), (6, 9)]), '用iPad')
    """
    by_characters = all(len(w) <= 1 for w in words) and any(map(_WITHOUT_SPACES.match, words))
    text = ""
    places = []
    for i, word in enumerate(words):
        if i and not by_characters and _space_between(words, i):
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
    return text, places


def _space_between(words: Sequence[str], i: int) -> bool:
    """Does a space belong between words i - 1 and i?"""
    last, word = words[i - 1], words[i]
    before, after = last[-1:], word[:1]
    if _WITHOUT_SPACES.match(before) or _WITHOUT_SPACES.match(after) or before.isspace() or after.isspace():
        return False
    first = words[i - 2][-1:] if i > 1 else ""
    following = words[i + 1] if i + 1 < len(words) else ""
    if word in _BETWEEN_DIGITS and before.isdigit() and following[:1].isdigit():
        return False
    if last in _BETWEEN_DIGITS and first.isdigit() and after.isdigit():
        return False
    if last == "'" and first.isalpha() and word.casefold() in _AFTER_APOSTROPHE:
        return False
    if word == "'" and before.isalpha() and following.casefold() in _AFTER_APOSTROPHE:
        return False
    return not (word in _CLOSING or last in _OPENING or (len(word) > 1 and after in "'’"))


def segmenter() -> Callable[[str], list[str]]:
    """Cuts Chinese text into words, nothing lost. Raises MissingExtra for rjieba."""
    try:
        import rjieba
    except ImportError:
        raise MissingExtra("rjieba", "zh", t("segmenting Chinese words", "中文分词")) from None
    cut: Callable[[str], list[str]] = rjieba.cut
    return cut
