"""What the baselines for answers in a passage have in common: sentences, their overlap with the question, silence.

>>> sentences("It rains. It is wet.")
[(0, 9), (10, 20)]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from weitiao.core.text import dominant_language
from weitiao.evaluate.baselines import Case
from weitiao.example import Example
from weitiao.metrics import answers
from weitiao.tasks._spans import Span, Spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 2000  # training rows on which a baseline chooses
_SURE = 1e6  # a baseline's answer stands, whatever threshold the tuned model has
_END = re.compile(r"[。！？!?\n]|\.\s|\.$")
_WORD = re.compile(r"\w+")


class Answer(NamedTuple):
    """Where a baseline's answer stands in the passage, and how sure it is of it."""

    start: int
    end: int
    sureness: float


Answerer = Callable[[Sequence[Example]], list[Answer]]


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence without the white space around it; at least one."""
    found, start = [], 0
    for match in _END.finditer(text):
        found.append((start, match.end()))
        start = match.end()
    found.append((start, len(text)))
    bare = [(a + len(text[a:b]) - len(text[a:b].lstrip()), a + len(text[a:b].rstrip())) for a, b in found]
    return [(a, b) for a, b in bare if a < b]


class Overlap:
    """Which sentence of a passage is most like the question, by TF-IDF learnt from the training passages."""

    def __init__(self, train: Sequence[Example]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        passages = list(dict.fromkeys(e.inputs["context"] for e in train))
        chinese = dominant_language(passages[:200]) == "zh"
        how: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 2)} if chinese else {"analyzer": words}
        self.how = "characters 1-2" if chinese else "words"
        self._vectors = TfidfVectorizer(sublinear_tf=True, **how)
        self._vectors.fit([p[a:b] for p in passages for a, b in sentences(p)])

    def __call__(self, examples: Sequence[Example]) -> list[Answer]:
        """The most similar sentence of each passage, the first of equals, with its cosine."""
        places = [sentences(e.inputs["context"]) for e in examples]
        texts = [e.inputs["context"][a:b] for e, found in zip(examples, places, strict=True) for a, b in found]
        owner = np.repeat(np.arange(len(examples)), [len(found) for found in places])
        asked = self._vectors.transform([e.inputs["question"] for e in examples])
        cosine = np.asarray(self._vectors.transform(texts).multiply(asked[owner]).sum(1)).ravel()
        starts = np.searchsorted(owner, np.arange(len(examples)))
        out = []
        for found, first in zip(places, starts, strict=True):
            own = cosine[first : first + len(found)]
            out.append(Answer(*found[int(own.argmax())], float(own.max())))
        return out


def words(text: str) -> list[str]:
    """Words in lower case; of a text without any the text itself."""
    return _WORD.findall(text.lower()) or [text]


def outputs(case: Case, answerer: Answerer) -> list[Spans]:
    """The answers for the test rows. Where questions may have none, the baseline is silent below a sureness that it
    chooses on training rows, as the tuned model does."""
    given = answerer(case.test)
    least = -_threshold(case, answerer) if case.task.abstains else -np.inf
    return [spans(e, a) if a.sureness >= least else () for e, a in zip(case.test, given, strict=True)]


def spans(example: Example, answer: Answer) -> Spans:
    """One answer in the task's form."""
    text = example.inputs["context"][answer.start : answer.end]
    return (Span(text, answer.start, answer.end, _SURE),)


def f1(examples: Sequence[Example], given: Sequence[str]) -> NDArray[np.float64]:
    return answers.each([e.target["text"] for e in examples], given)[0]


def _threshold(case: Case, answerer: Answerer) -> float:
    train = case.train[:MOST]
    got = answerer(train)
    said = [e.inputs["context"][a.start : a.end] for e, a in zip(train, got, strict=True)]
    return answers.best_threshold([-a.sureness for a in got], f1(train, said), f1(train, [""] * len(train)))
