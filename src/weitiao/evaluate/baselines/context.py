"""A linear tagger on hand-made features: a word, its neighbours, its beginning and end, its shape.

Two words to each side, pairs of neighbours, the first and last three characters, and what kinds of characters the word
is made of: what taggers were built on before pretrained models (Zhang and Johnson 2003; Peng and Dredze 2015 for
Chinese, by characters). A linear support vector machine for each tag; the likeliest legal sequence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from weitiao.evaluate.baselines import Baseline, Case, _linear, _words
from weitiao.example import Example
from weitiao.tasks._units import units

TITLE = ("a linear tagger on words in context", "上下文特征线性标注器")
_GRID = (0.05, 0.2, 0.8)  # C of the support vector machine
_HASHES = 2**20
_RUNS = ((re.compile(r"[A-Z]+"), "A"), (re.compile(r"[a-z]+"), "a"), (re.compile(r"\d+"), "0"))


def make(case: Case) -> Baseline:
    """Needs no model."""
    model, strength = _words.fit(rows(case.train, case.task), case.task, _linear.sparse, _GRID, case.recipe.seed)
    outputs = _words.answers(model, rows(case.test, case.task), case.task)
    return Baseline(outputs, f"words in context + linear SVM, C={strength:g}", len(case.train))


def rows(examples: Sequence[Example], task: Any) -> list[_words.Row]:
    """A row of hashed features (2^20 wide, sparse) for each word of examples."""
    from scipy import sparse
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(_HASHES, input_type="string", dtype=np.float64)
    out = []
    for example in examples:
        text = example.inputs["text"]
        places = units(text)
        shown = [text[a:b] for a, b in places]
        given = [(x["start"], x["end"], x["label"]) for x in example.target or ()]
        tags = np.maximum(task.tag_numbers(given, places), -1)
        notes = (text, places, [(i,) for i in range(len(places))])
        features = hasher.transform([list(_features(shown, i)) for i in range(len(shown))]) if shown else \
            sparse.csr_matrix((0, _HASHES))
        out.append(_words.Row(notes, features, np.asarray(tags, np.int64), example.target))
    return out


def _features(words: Sequence[str], i: int) -> Iterator[str]:
    def at(k: int) -> str:
        return words[k].casefold() if 0 <= k < len(words) else "|"

    for k in range(-2, 3):
        yield f"{k} {at(i + k)}"
    for k in range(-2, 2):
        yield f"{k}+ {at(i + k)} {at(i + k + 1)}"
    yield f"3 {at(i - 1)} {at(i)} {at(i + 1)}"
    for n in range(1, 4):
        yield f"< {at(i)[:n]}"
        yield f"> {at(i)[-n:]}"
    for k in (-1, 0, 1):
        yield f"s{k} {_shape(words[i + k]) if 0 <= i + k < len(words) else '|'}"
    yield ""


def _shape(word: str) -> str:
    for pattern, kind in _RUNS:
        word = pattern.sub(kind, word)
    return word if len(word) <= 4 and word.isascii() else "…"
