"""How fast rows become token ids: the tokenizer library by itself, and the task's own encoding of the same rows.

>>> measured(examples, task, tokenizer, settings)
{'rows': 4000, 'tokens': 81034, 'seconds': 0.41, 'library_seconds': 0.38, 'share': 0.93, 'tokens_per_second': 197000}
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from weitiao.bundle import Settings
from weitiao.example import Example
from weitiao.tasks import Task

_TURNS = 5
_FEWEST = 4000  # rows; fewer are taken several times over


def measured(examples: Sequence[Example], task: Task, tokenizer: Any, settings: Settings) -> dict[str, Any]:
    """Turn by turn, medians. `share`: of the library's own rate; None where the tokenizer is not of the library
    "tokenizers"."""
    rows = list(examples) * -(-_FEWEST // len(examples))
    texts = list(_texts(rows))
    own, library = [], []
    for _ in range(_TURNS):
        own.append(_seconds(lambda: task.encode(rows, tokenizer, settings.max_length, windows=settings.windows)))
        if tokenizer.is_fast:
            library.append(_seconds(lambda: tokenizer.backend_tokenizer.encode_batch_fast(texts)))
    encoded = task.encode(rows, tokenizer, settings.max_length, windows=settings.windows)
    tokens = sum(len(w) for row in encoded for w in row.windows)
    return {"rows": len(rows), "tokens": tokens, "seconds": median(own),
            "library_seconds": median(library) if library else None,
            "share": median(b / a for a, b in zip(own, library, strict=True)) if library else None,
            "rows_per_second": len(rows) / median(own), "tokens_per_second": tokens / median(own)}


def _texts(examples: Sequence[Example]) -> Iterator[str | tuple[str, str]]:
    """What the library is given: a row's text, its pair, or each of its messages."""
    for example in examples:
        said = [v for v in example.inputs.values() if isinstance(v, str)]
        if len(said) == 2:
            yield said[0], said[1]
        else:
            yield from said
        yield from (m["content"] for v in example.inputs.values() if isinstance(v, list) for m in v
                    if isinstance(m, dict) and "content" in m)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
