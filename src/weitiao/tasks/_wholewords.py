"""Which pieces of a tokenizer stand in one word, for masks that hide words as wholes.

>>> numbers("我们在北京大学", offsets)     # of a tokenizer with a piece for each character
[0, 0, 1, 2, 2, 2, 2]

Chinese is cut into words by rjieba (the authors of BERT-wwm use LTP: Cui et al. 2019, arXiv 1906.08101, section 3.1),
everything else at spaces and signs. A piece that reaches over two words makes one of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.core.text import segmenter

_WORD = re.compile(r"\w+|[^\w\s]")
_HAN = re.compile("[㐀-鿿豈-\ufaff\U00020000-\U000323af]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff]")  # Thai, Lao, Burmese, Khmer, kana
_MOST_UNSPACED = 0.05


def check(texts: Sequence[str]) -> None:
    """Raises MissingExtra for rjieba where texts hold Chinese, RecipeError for scripts that put no spaces between words
    and of which nothing here finds them (Japanese, Thai, …)."""
    if any(map(_HAN.search, texts)):
        segmenter()
    characters = sum(map(len, texts))
    if sum(len(_UNSPACED.findall(x)) for x in texts) > _MOST_UNSPACED * characters:
        raise RecipeError("recipe.bad_value", t("where words of this script begin cannot be told here",
                                                "无法识别这种文字的词边界"), where="task.whole_word", expected="false",
                          fix=t("set task.whole_word=false", "请设 task.whole_word=false"))


def numbers(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """For each piece (where it stands in the text) the number of its word, from 0."""
    word = [-1] * len(text)
    for number, (start, end) in enumerate(_places(text)):
        word[start:end] = [number] * (end - start)
    out: list[int] = []
    last = -1
    for start, end in offsets:
        inside = [x for x in word[start:end] if x >= 0]
        goes_on = bool(inside) and inside[0] == last
        out.append((out[-1] if out else -1) + (not goes_on))
        last = inside[-1] if inside else -1
    return out


def _places(text: str) -> list[tuple[int, int]]:
    if not _HAN.search(text):
        return [m.span() for m in _WORD.finditer(text)]
    places, at = [], 0
    for word in segmenter()(text):
        if not word.isspace():
            places.append((at, at + len(word)))
        at += len(word)
    return places
