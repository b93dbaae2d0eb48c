"""How good are found spans: precision, recall and F1 of whole spans as conlleval counts them, and words with the right
tag.

>>> got = Counted.of([[(0, 2, "PER"), (3, 4, "LOC")]], [[(0, 2, "PER"), (3, 5, "LOC")]], [(3, 4)])
>>> quick(got)
{'span_f1': 0.5, 'token_accuracy': 0.75}

A span is right when its begin, its end and its label all are (Tjong Kim Sang and Buchholz 2000, "Introduction to the
CoNLL-2000 Shared Task: Chunking", section 4; https://www.clips.uantwerpen.be/conll2000/chunking/output.html). The
averages pool all spans (micro) or take the mean over labels that are true or given at least once (macro). What there is
nothing to divide by is 0. Intervals resample rows, since the spans of one text are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.metrics import Score
from weitiao.metrics.counts import averages, f1, ratio
from weitiao.metrics.intervals import bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NAMES = {"span_f1": "f1_micro", "span_precision": "precision_micro", "span_recall": "recall_micro",
          "span_f1_macro": "f1_macro"}


@dataclass(frozen=True, slots=True)
class Counted:
    """What each of n rows adds to the sums.

    Args:
        labels: all that occur, sorted.
        true, given, both: (n, labels) spans.
        words: (n, 2) words with the right tag, and words.
    """

    labels: tuple[str, ...]
    true: NDArray[np.int64]
    given: NDArray[np.int64]
    both: NDArray[np.int64]
    words: NDArray[np.int64]

    @classmethod
    def of(cls, truth: Sequence[Sequence[tuple[Any, ...]]], given: Sequence[Sequence[tuple[Any, ...]]],
           words: Sequence[tuple[int, int]]) -> Counted:
        """From spans (begin, end, label) of each row; spans of one row are all different."""
        labels = sorted({x[2] for rows in (truth, given) for row in rows for x in row})
        index = {name: k for k, name in enumerate(labels)}

        def table(rows: Sequence[Any]) -> NDArray[np.int64]:
            out = np.zeros((len(rows), len(labels)), np.int64)
            for i, row in enumerate(rows):
                for x in row:
                    out[i, index[x[2]]] += 1
            return out

        both = [set(map(tuple, a)) & set(map(tuple, b)) for a, b in zip(truth, given, strict=True)]
        return cls(tuple(labels), table(truth), table(given), table(both),
                   np.array(words, np.int64).reshape(len(words), 2))

    @property
    def sums(self) -> NDArray[np.int64]:
        """(n, 3): true, given and both over all labels."""
        return np.column_stack([x.sum(1) for x in (self.true, self.given, self.both)])


def quick(got: Counted) -> dict[str, float]:
    """Micro-F1 of spans and the share of words with the right tag, without intervals."""
    right, words = got.words.sum(0)
    return {"span_f1": float(f1(*got.sums.sum(0).astype(np.float64))), "token_accuracy": float(right / max(words, 1))}


def row_f1(got: Counted) -> Array:
    """Each row's F1 over its spans; 1 where none is true and none is given."""
    true, given, both = got.sums.T.astype(np.float64)
    return np.where(true + given == 0, 1.0, f1(true, given, both))


def scores(got: Counted, *, seed: int, resamples: int) -> list[Score]:
    """All metrics, micro-F1 first, those of single labels last; `n` of these counts spans, elsewhere rows."""
    k = len(got.labels)
    rows, cells = np.unique(np.concatenate([got.true, got.given, got.both, got.words], axis=1), axis=0,
                            return_counts=True)

    def statistic(counts: Array) -> Array:
        sums = counts @ rows
        true, given, both = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
        mean = averages(true, given, both)
        return np.column_stack([*(mean[m] for m in _NAMES.values()), ratio(sums[:, -2], sums[:, -1]),
                                f1(true, given, both), ratio(both, given), ratio(both, true)])

    each = [f"{m}[{name}]" for m in ("f1", "precision", "recall") for name in got.labels]
    found = bootstrap([*_NAMES, "token_accuracy", *each], statistic, cells, resamples=resamples, seed=seed)
    words = found["token_accuracy"]
    found["token_accuracy"] = replace(words, signature=f"{got.words[:, 1].sum()} words; {words.signature}")
    for i, name in enumerate(got.labels):
        for metric, n in (("f1", got.true), ("recall", got.true), ("precision", got.given)):
            key = f"{metric}[{name}]"
            found[key] = replace(found[key], n=int(n[:, i].sum()))
    return [replace(s, signature=f"whole spans; {s.signature}") if s.name.startswith("span_") else s
            for s in found.values()]
