"""The sentence of the passage that has most in common with the question, as the answer.

Likeness is the cosine of TF-IDF vectors learnt from the training passages. An answer so long is seldom exactly right;
its F1 says how far plain word overlap leads.
"""

from __future__ import annotations

from weitiao.evaluate.baselines import Baseline, Case
from weitiao.evaluate.baselines._passages import Overlap, outputs

TITLE = ("the most similar sentence", "最相似的句子")


def make(case: Case) -> Baseline:
    """Needs no model."""
    overlap = Overlap(case.train)
    return Baseline(outputs(case, overlap), f"TF-IDF ({overlap.how}), the sentence nearest to the question",
                    len(case.train))
