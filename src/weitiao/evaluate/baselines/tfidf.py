"""TF-IDF and a linear model, its strength chosen on a part of the training rows."""

from __future__ import annotations

from collections.abc import Sequence

from weitiao.evaluate.baselines import Baseline, Case, _linear
from weitiao.evaluate.baselines._features import Features, Texts
from weitiao.example import Example

TITLE = ("TF-IDF", "TF-IDF")


def make(case: Case) -> Baseline:
    """Raises MissingExtra where words or stop words need a library."""
    head, options = case.task.head(), case.recipe.evaluate
    features, matrix = Features.fit(_texts(case.train), outputs=head.outputs, words=options.words,
                                    stop_words=options.stop_words)
    got = _linear.fit(matrix, case.task.numbers([e.target for e in case.train]), case.task, _linear.sparse,
                      _linear.SPARSE_GRID, case.recipe.seed)
    kind = "ridge" if head.problem_type == "regression" else "linear SVM"
    outputs = _linear.at_threshold(got, got.model(features(_texts(case.test))), case.task)
    return Baseline(list(outputs), f"TF-IDF ({features.how}) + {kind}, C={got.strength:g}", len(case.train))


def _texts(examples: Sequence[Example]) -> Texts:
    """The texts of each row, in the order of the task's roles."""
    return [tuple(str(v) for v in e.inputs.values()) for e in examples]
