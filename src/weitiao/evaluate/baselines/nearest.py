"""The answer of the nearest training source, by the cosine of TF-IDF: what is called a translation memory elsewhere."""

from __future__ import annotations

import numpy as np

from weitiao.evaluate.baselines import Baseline, Case
from weitiao.evaluate.baselines._features import Features

TITLE = ("the nearest training row", "最相近的训练样本")
_ROWS = 256  # test rows compared at a time


def make(case: Case) -> Baseline:
    """Of equally near sources the first one counts. Raises MissingExtra where stop words need a library."""
    task, options = case.task, case.recipe.evaluate
    features, known = Features.fit([(task.source(e),) for e in case.train], outputs=1, words=options.words,
                                   stop_words=options.stop_words)
    asked = features([(task.source(e),) for e in case.test])
    best: list[int] = []
    for start in range(0, asked.shape[0], _ROWS):
        best += np.asarray((asked[start : start + _ROWS] @ known.T).argmax(1)).ravel().tolist()
    outputs = [task.written(task.learnt(case.train[i].target)) for i in best]
    return Baseline(outputs, f"nearest, TF-IDF ({features.how})", len(case.train))
