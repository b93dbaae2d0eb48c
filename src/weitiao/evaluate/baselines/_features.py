"""Texts as TF-IDF: the features of the classical baseline.

Chinese is read by characters (single ones and pairs) or, when asked for, by segmented words; everything else by words
(single ones and pairs, punctuation included) and runs of 2 to 4 characters within words. Pairs of texts have the
features of either side and how much the two have in common.

>>> features, matrix = Features.fit([("很好吃",), ("太慢了",)], outputs=2)
>>> features([("很好吃",)]).shape
(1, 10)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core.errors import MissingExtra
from weitiao.core.i18n import t
from weitiao.core.text import dominant_language, segmenter

if TYPE_CHECKING:
    from numpy.typing import NDArray

Texts = Sequence[tuple[str, ...]]  # one or two texts a row
TOKEN = re.compile(r"\w+|[^\w\s]")
_OVERLAP_WEIGHT = 0.1  # of a standardised overlap number beside TF-IDF rows of length 1 (docs/log.md)
_DENSE_BUDGET = 60_000_000  # training characters x outputs up to which runs of characters are added to words


class Features:
    """TF-IDF of one text or two, learnt from the training rows. Made by `fit`."""

    def __init__(self, vectorizers: list[Any], how: str, sides: int) -> None:
        self.vectorizers, self.how, self.sides = vectorizers, how, sides
        self._centre: NDArray[np.float64] = np.zeros(0)
        self._scale: NDArray[np.float64] = np.ones(0)

    @classmethod
    def fit(cls, texts: Texts, *, outputs: int, words: bool = False,
            stop_words: bool = False) -> tuple[Features, Any]:
        """Learn vocabulary and weights; returns the features and the matrix of these rows.

        Args:
            texts: of the training rows.
            outputs: how many linear models will be fitted on them: decides what can be afforded.
            words: segment Chinese into words.
            stop_words: leave stop words out; Chinese is then segmented, since they are words.

        Raises MissingExtra for rjieba or stopwordsiso.
        """
        sides = len(texts[0])
        flat = [side for row in texts for side in row]
        language = dominant_language(flat[:2000])
        few = 1 if len(texts) < 1000 else 2
        stop = _stop_words(language) if stop_words else frozenset()
        if language == "zh" and not (words or stop_words):
            made, how = _characters(sides), "characters 1-2"
        else:
            tokens = segmenter() if language == "zh" else TOKEN.findall
            made, how = [_vectorizer(analyzer=_Ngrams(tokens, stop))], "words 1-2"
            if language != "zh" and sum(map(len, flat)) * outputs <= _DENSE_BUDGET:
                made.append(_vectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=few))
                how += ", characters 2-4"
        self = cls(made, how + (", no stop words" if stop_words else "") + (", overlap" if sides == 2 else ""), sides)
        whole = [v.fit_transform(flat) for v in made]
        blocks = [[matrix[side::sides] for side in range(sides)] for matrix in whole]
        if sides == 2:
            overlap = self._overlap(blocks)
            self._centre, self._scale = overlap.mean(0), np.maximum(overlap.std(0), 1e-9)
        return self, self._join(blocks)

    def __call__(self, texts: Texts) -> Any:
        """A sparse matrix, a row for each of `texts`."""
        columns = [list(side) for side in zip(*texts, strict=True)]
        return self._join([[v.transform(column) for column in columns] for v in self.vectorizers])

    def _join(self, blocks: list[list[Any]]) -> Any:
        """One matrix from, for each vectorizer, the matrix of each side."""
        from scipy.sparse import csr_matrix, hstack

        parts = [m for block in blocks for m in block]
        if self.sides == 2:
            common = (self._overlap(blocks) - self._centre) / self._scale
            parts.append(csr_matrix(_OVERLAP_WEIGHT * common))
        return hstack(parts, format="csr")

    def _overlap(self, blocks: list[list[Any]]) -> NDArray[np.float64]:
        """For each block cosine, its square, Jaccard, share of either side in the other, and the sizes."""
        out = []
        for a, b in blocks:
            cosine = np.asarray(a.multiply(b).sum(1)).ravel()
            has_a, has_b = (a > 0).astype(np.float64), (b > 0).astype(np.float64)
            both = np.asarray(has_a.multiply(has_b).sum(1)).ravel()
            in_a, in_b = (np.asarray(m.sum(1)).ravel() for m in (has_a, has_b))
            size_a, size_b = np.log1p(in_a), np.log1p(in_b)
            out += [cosine, cosine**2, both / np.maximum(in_a + in_b - both, 1), both / np.maximum(in_a, 1),
                    both / np.maximum(in_b, 1), size_a, size_b, np.abs(size_a - size_b)]
        return np.column_stack(out)


def _vectorizer(**how: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, dtype=np.float64, **how)


def _characters(sides: int) -> list[Any]:
    """Pairs are also compared by single characters, which their two sides share more often than runs of two."""
    runs = [(1, 1), (1, 2)] if sides == 2 else [(1, 2)]
    return [_vectorizer(analyzer="char", ngram_range=r) for r in runs]


class _Ngrams:
    """Words and pairs of neighbouring words of a text."""

    def __init__(self, tokens: Callable[[str], list[str]], stop: frozenset[str]) -> None:
        self.tokens, self.stop = tokens, stop

    def __call__(self, text: str) -> list[str]:
        found = [w for w in self.tokens(text.lower()) if not w.isspace() and w not in self.stop]
        # A text of nothing but stop words still is a row; scikit-learn refuses an empty vocabulary.
        return found + [f"{a} {b}" for a, b in pairwise(found)] or [""]


def _stop_words(language: str) -> frozenset[str]:
    try:
        import stopwordsiso
    except ImportError:
        raise MissingExtra("stopwordsiso", "zh", t("leaving stop words out", "去除停用词")) from None
    return frozenset(stopwordsiso.stopwords("zh" if language == "zh" else "en"))
