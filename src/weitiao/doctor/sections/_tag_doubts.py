"""Which words' tags a linear tagger that never saw their row would not give: confident learning (`_doubts`) by word.

>>> words = words_of(seen.task, rows, units)
>>> p = out_of_fold(words, units, seed=1)
>>> [(d.row, *d.stretches[0]) for d in doubts(words, p)]
[(17, 23, 27, 'O', 'LOC', 0.97)]

A row counts as its most doubtful word does, as in Wang and Mueller 2022, "Detecting Label Errors in Token
Classification Data" (arXiv 2210.03920). The tagger is the baseline `context`: on the rows tried it knew tags better
than a linear model on a frozen base did, in half to a quarter of the time (docs/log.md). B- and I- are one tag here: a
border that is wrong shows as O, and half as many tags have twice the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from weitiao.doctor.sections import _doubts
from weitiao.evaluate import baselines
from weitiao.evaluate.baselines import _linear, _words
from weitiao.example import Example

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = 100_000
"""That are judged, at most: five models read them all."""
_TRIED = 200  # rows whose words are counted
_STRENGTH = 0.2  # C of the support vector machines: the middle of what the baseline tries
_ODDS = 2.0  # margins are -1 and 1: twice that makes odds that are neither timid nor extreme


class Words(NamedTuple):
    """The words that are judged.

    Args:
        x: (n, d) sparse features.
        y: (n,) numbers of their tags in `names`.
        row: (n,) number of the row that each stands in.
        place: (n,) where it stands in its text.
        names: O and the labels, in the task's order, that occur in enough units.
        rare: labels that do not; their words are not judged.
    """

    x: Any
    y: NDArray[np.int64]
    row: NDArray[np.int64]
    place: Sequence[tuple[int, int]]
    names: list[str]
    rare: list[str]


class Stretch(NamedTuple):
    """Neighbouring words with one tag and one suggestion: text[start:end], and the suggestion's probability where it is
    most doubtful."""

    start: int
    end: int
    given: str
    suggested: str
    probability: float


class Doubt(NamedTuple):
    """One row with doubtful tags: its number and the stretches, the most doubtful first."""

    row: int
    stretches: tuple[Stretch, ...]


def fewer(task: Any, rows: Sequence[Example]) -> int:
    """How many rows like these have `WORDS` words, by some of them; all where they have no more."""
    some = rows[:: max(1, len(rows) // _TRIED)]
    words = sum(len(r.tags) for r in _read(task, some))
    return min(len(rows), int(len(some) * WORDS / max(1, words)))


def _read(task: Any, rows: Sequence[Example]) -> list[_words.Row]:
    found: list[_words.Row] = baselines.load("context").rows(rows, task)
    return found


def words_of(task: Any, rows: Sequence[Example], whole: NDArray[np.int64]) -> Words:
    """All words of rows whose label was taught and occurs in as many units (`whole`, (rows,)) as there are folds.

    `task` is a fitted `tag.Task`; it is not bound, nor changed.
    """
    read = _read(task, rows)
    tags = np.concatenate([r.tags for r in read])
    y = (tags + 1) // 2  # O, B-a, I-a, B-b, … to O, a, b, …
    row = np.repeat(np.arange(len(rows)), [len(r.tags) for r in read])
    every = ("O", *task.labels)
    enough = [len(np.unique(whole[row[(tags >= 0) & (y == k)]])) >= _doubts.FOLDS for k in range(len(every))]
    number = np.cumsum(enough) - 1
    kept = np.flatnonzero((tags >= 0) & np.array(enough)[y])
    places = [place for r in read for place in r.notes[1]]
    return Words(_words.stacked([r.features for r in read])[kept], number[y[kept]], row[kept],
                 [places[i] for i in kept.tolist()], [n for n, e in zip(every, enough, strict=True) if e],
                 [n for n, e in zip(every, enough, strict=True) if not e and n != "O"])


def out_of_fold(words: Words, whole: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """(n, names) probabilities by taggers of the other folds; rows of one unit stay in one fold."""
    def fit(x: Any, y: Any, outputs: int, kind: _linear.Kind) -> _linear.Model:
        model = _linear.sparse(x, y, outputs, kind, _STRENGTH)
        return lambda new: _ODDS * model(new)

    return _doubts.out_of_fold(words.x, words.y, whole[words.row], len(words.names), "single_label_classification",
                               seed, fit)


def doubts(words: Words, p: NDArray[np.float64]) -> list[Doubt]:
    """Rows with a doubtful word, the most doubtful first.

    Of the words that confident learning names, those come first whose suggestion has the highest odds over the tag
    given, each probability against the mean one of words that are tagged so: a rare tag is never very probable.
    """
    named = [d.row for d in _doubts.single(words.y, p)]
    usual = np.array([p[words.y == k, k].mean() for k in range(len(words.names))])
    kind = np.column_stack([words.row, words.y, p.argmax(axis=1)])
    odds = {i: float(p[i, said] / usual[said] / (p[i, given] / usual[given]))
            for i in named for _, given, said in [kind[i]]}
    by_row: dict[int, list[int]] = {}
    for i in sorted(named, key=lambda i: -odds[i]):
        by_row.setdefault(int(words.row[i]), []).append(i)
    return [Doubt(row, tuple(_stretches(words, p, kind, those))) for row, those in by_row.items()]


def _stretches(words: Words, p: NDArray[np.float64], kind: NDArray[np.int64],
               those: Sequence[int]) -> Iterator[Stretch]:
    """Of these words, in their order, each with the neighbours of its `kind` (row, tag, suggestion); none twice."""
    done: set[int] = set()
    for i in those:
        if i in done:
            continue
        first = last = i
        while first > 0 and (kind[first - 1] == kind[i]).all():
            first -= 1
        while last + 1 < len(kind) and (kind[last + 1] == kind[i]).all():
            last += 1
        done.update(range(first, last + 1))
        _, given, said = kind[i]
        yield Stretch(words.place[first][0], words.place[last][1], words.names[given], words.names[said],
                      float(p[i, said]))
