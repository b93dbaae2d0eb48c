"""Word vectors learnt from the training texts alone, their mean for each text, and a linear model.

Counts of words within five places of each other, as positive pointwise mutual information with the context's share to
the power 0.75, cut to 100 dimensions (Levy, Goldberg & Dagan 2015, "Improving Distributional Similarity with Lessons
Learned from Word Embeddings"); a text is the mean of its words, each weighed by a / (a + its share) (Arora, Liang & Ma
2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings"). Chinese is read by characters. It knows what no
label says, so it may help where few rows have one; it has read nothing but these rows, so it knows little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core.text import dominant_language
from weitiao.evaluate.baselines import Baseline, Case, _linear
from weitiao.evaluate.baselines._features import TOKEN
from weitiao.example import Example

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TITLE = ("word vectors", "词向量")
_WINDOW = 5
_WIDTH = 100
_SMOOTH = 0.75
_WEIGHT = 1e-3
_LEAST = 2  # times that a word must occur
_MOST_WORDS = 20_000


def make(case: Case) -> Baseline:
    """Needs no model."""
    task = case.task
    vectors = Vectors(case.train, case.recipe.seed)
    got = _linear.fit(vectors(case.train), task.numbers([e.target for e in case.train]), task, _linear.dense,
                      _linear.DENSE_GRID, case.recipe.seed)
    kind = "ridge" if task.head().problem_type == "regression" else "logistic regression"
    outputs = _linear.at_threshold(got, got.model(vectors(case.test)), task)
    return Baseline(list(outputs), f"{len(vectors.words):,} word vectors of {vectors.table.shape[1]} numbers + {kind}, "
                    f"l2={got.strength:g}", len(case.train))


class Vectors:
    """Texts as means of word vectors that are learnt from `examples`; pairs as both means, |a − b| and a · b.

    `words`: word to row of `table` (words, numbers); the last row is that of no word.
    """

    def __init__(self, examples: Sequence[Example], seed: int) -> None:
        self._chinese = dominant_language([x for e in examples[:2000] for x in e.inputs.values()]) == "zh"
        texts = [self._tokens(x) for e in examples for x in e.inputs.values()]
        counts = Counter(word for text in texts for word in text)
        kept = [w for w, n in counts.most_common(_MOST_WORDS) if n >= min(_LEAST, len(examples) - 1)]
        self.words = {word: i for i, word in enumerate(kept)}
        share = np.array([counts[w] for w in kept], np.float64) / max(1, sum(counts.values()))
        weights = (_WEIGHT / (_WEIGHT + share))[:, None]
        pairs = _pairs([[self.words[w] for w in text if w in self.words] for text in texts], len(kept))
        self.table = np.pad(weights * _reduced(_mutual(pairs), seed), ((0, 1), (0, 0))) if kept else np.zeros((1, 1))

    def _tokens(self, text: str) -> list[str]:
        return [c for c in text.lower() if not c.isspace()] if self._chinese else TOKEN.findall(text.lower())

    def _mean(self, text: str) -> Array:
        rows = [self.words[w] for w in self._tokens(text) if w in self.words]
        return np.asarray(self.table[rows or [-1]].mean(0))

    def __call__(self, examples: Sequence[Example]) -> Array:
        """(n, numbers)."""
        sides = [np.array([self._mean(str(e.inputs[role])) for e in examples]).reshape(len(examples), -1)
                 for role in examples[0].inputs] if examples else []
        if len(sides) == 2:
            sides += [np.abs(sides[0] - sides[1]), sides[0] * sides[1]]
        return np.concatenate(sides, axis=1) if sides else np.zeros((0, self.table.shape[1]))


def _pairs(texts: Sequence[Sequence[int]], words: int) -> Any:
    """Sparse symmetric counts (words, words) of pairs within the window."""
    from scipy.sparse import coo_matrix

    left = np.concatenate([np.asarray(x[:-k], np.int64) for x in texts for k in range(1, _WINDOW + 1)])
    right = np.concatenate([np.asarray(x[k:], np.int64) for x in texts for k in range(1, _WINDOW + 1)])
    one = coo_matrix((np.ones(len(left)), (left, right)), (words, words)).tocsr()
    return one + one.T


def _mutual(pairs: Any) -> Any:
    """max(0, log p(w, c) / (p(w) · p'(c))), p'(c) the context's count to the power `_SMOOTH`, normalised."""
    found = pairs.tocoo()
    words = np.asarray(pairs.sum(1)).ravel()
    smooth = words**_SMOOTH
    ratio = found.data * smooth.sum() / (words[found.row] * smooth[found.col])
    found.data = np.maximum(np.log(ratio), 0.0)
    return found.tocsr()


def _reduced(matrix: Any, seed: int) -> Array:
    """Left singular vectors times the root of the singular values, (words, at most `_WIDTH`)."""
    from sklearn.decomposition import TruncatedSVD

    wanted = min(_WIDTH, matrix.shape[0])
    if wanted == matrix.shape[0] or not matrix.nnz:
        left, sizes, _ = np.linalg.svd(matrix.toarray()[:, :wanted], full_matrices=False)
        return np.asarray(left * np.sqrt(sizes))
    svd = TruncatedSVD(wanted, n_iter=4, random_state=seed)
    scaled = svd.fit_transform(matrix)
    return np.asarray(scaled / np.sqrt(np.maximum(svd.singular_values_, 1e-12)))
