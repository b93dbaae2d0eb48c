"""The scores of written answers: which of the text metrics, in which order, compared by which.

>>> [s.name for s in scores(outputs, references, "rougeL", "en", seed=0, resamples=2000)][:3]
['rougeL', 'rouge1', 'rouge2']

An empty answer counts as wrong: no metric skips it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weitiao.metrics import Score
from weitiao.tasks._speaker import Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weitiao.metrics.paired import Paired

References = Sequence[Sequence[str]]


def scores(outputs: Sequence[Text], references: References, metric: str, language: str, *, varied: bool = False,
           seed: int, resamples: int) -> list[Score]:
    """All of them, `metric` first; `varied` adds distinct-n. `stopped`: the share of answers that the model ended."""
    from weitiao.metrics import intervals, matching, rouge, translation, wording

    said = [o.text for o in outputs]
    found = rouge.scores(said, references, seed=seed, resamples=resamples)
    found = found[::-1] if metric == "rougeL" else found
    found += [s for s in translation.scores(said, references, language, seed=seed, resamples=resamples)
              if s.name != "ter"]
    found.append(matching.exact_match(said, references))
    if metric == "numeric_match":
        found.append(matching.numeric_match(said, references))
    worded = wording.scores(said, references, seed=seed, resamples=resamples)
    found += worded if varied else [s for s in worded if s.name == "length_ratio"]
    found.append(intervals.share_score("stopped", sum(o.stopped for o in outputs), len(outputs)))
    return sorted(found, key=lambda s: s.name != metric)


def compare(first: Sequence[Text], second: Sequence[Text], references: References, metric: str, language: str, *,
            seed: int, resamples: int) -> Paired:
    """First minus second by `metric`, on the same resamples."""
    from weitiao.metrics import paired, translation

    if metric in ("bleu", "chrf"):
        named: Any = metric
        return translation.compare([o.text for o in first], [o.text for o in second], references, language,
                                   metric=named, seed=seed, resamples=resamples)
    one, two = (per_row(x, references, metric, language) for x in (first, second))
    return paired.mean(metric, one, two, seed=seed, resamples=resamples)


def per_row(outputs: Sequence[Text], references: References, metric: str, language: str) -> NDArray[np.float64]:
    """(n,) each row's own value: ROUGE-L, 1 or 0 of the matches, and chrF for BLEU and chrF."""
    from weitiao.metrics import matching, rouge, translation

    said = [o.text for o in outputs]
    if metric == "rougeL":
        return rouge.per_row(said, references)["rougeL"]
    if metric in ("bleu", "chrf"):
        return translation.per_row(said, references, language)
    match = matching.exact if metric == "exact_match" else matching.numeric
    return match(said, references).astype("float64")
