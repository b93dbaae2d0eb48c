"""Numbers for each row that know its texts and not its label: what a linear model judges labels by.

>>> features(seen, rows).how
'e5-small, frozen, mean-pooled'

The base model that tuning would choose reads the beginning of each text; where there is none, TF-IDF brought down to
256 directions by a truncated singular value decomposition (latent semantic analysis, Deerwester et al. 1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from weitiao.core import memory
from weitiao.core.i18n import t
from weitiao.doctor import Reader, Seen
from weitiao.evaluate.baselines._features import Features as Tfidf
from weitiao.example import Example

if TYPE_CHECKING:
    from numpy.typing import NDArray

READ = 128
"""Tokens of a text that the base reads: its cost grows with them, and labels are mostly clear by then."""
_SMALL = 25_000_000  # parameters beside the embeddings that a budget of tokens is meant for
_LEAST = 1000  # rows
_DIRECTIONS = 256


class Features(NamedTuple):
    """`x` (rows, d), each number of size 1 on average, and in words what they were made of."""

    x: NDArray[np.float64]
    how: str


def features(seen: Seen, reader: Reader | None, rows: Sequence[Example]) -> Features:
    """Of these rows, in their order; of a base where there is a reader. Raises ModelError as building it does."""
    return _tfidf(seen, rows) if reader is None else _frozen(seen, reader, rows)


def affordable(seen: Seen, rows: Sequence[Example], tokens: int) -> tuple[Reader | None, int]:
    """Who reads rows like these within a budget of a small base's tokens, and how many of them: the base that tuning
    would choose, or TF-IDF, which costs nothing beside, where there is none or it would read less than `_LEAST`."""
    if seen.reader is None or not rows:
        return None, len(rows)
    encoded = seen.task.encode(rows[:500], seen.reader.tokenizer, min(READ, seen.reader.max_length))
    base = seen.reader.base
    larger = max(1.0, (base.parameters - base.embedding_parameters) / _SMALL)
    most = int(tokens / larger * len(encoded) / sum(row.length for row in encoded))
    return (seen.reader, min(most, len(rows))) if most >= min(_LEAST, len(rows)) else (None, len(rows))


def _frozen(seen: Seen, reader: Reader, rows: Sequence[Example]) -> Features:
    from weitiao.evaluate.baselines.frozen import Encoder
    from weitiao.models.build import build
    from weitiao.tuning import precision

    where = precision.device("auto")
    model = build(reader.base, seen.task.head(), pooling="auto", dropout=None, seed=seen.seed).to(where)
    width = model.base.config.get_text_config().hidden_size
    model = model.to(precision.DTYPES[precision.choose("auto", where, width).name])
    task: Any = seen.task  # one whose answers are whole rows' is a `TextTask`
    encoder = Encoder(model, reader.tokenizer, task, min(READ, reader.max_length), str(where))
    x = encoder(rows)
    memory.release()
    how = t("{b}, frozen, mean-pooled", "{b}（冻结，均值池化）", b=reader.base.name)
    return Features((x - x.mean(0)) / np.maximum(x.std(0), 1e-6), how)


def _tfidf(seen: Seen, rows: Sequence[Example]) -> Features:
    from sklearn.decomposition import TruncatedSVD

    made, matrix = Tfidf.fit([tuple(text for _, text in seen.texts(e)) for e in rows], outputs=1)
    directions = min(_DIRECTIONS, matrix.shape[1] - 1)
    x = np.asarray(TruncatedSVD(directions, random_state=seen.seed).fit_transform(matrix), np.float64)
    # Directions keep their weights beside one another: the last ones are noise.
    length = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    return Features(x / length * np.sqrt(directions), f"TF-IDF ({made.how}), {directions}")
