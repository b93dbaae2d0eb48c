"""JSON Lines: one object a line.

    {"text": "很好吃", "label": "positive"}
    {"text": "太慢了", "label": "negative"}
"""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.example import Row
from weitiao.formats import BadRow, Source, empty
from weitiao.formats._json import read_json_lines
from weitiao.formats._squad import questions

SUFFIXES = (".jsonl", ".ndjson")
SAMPLES = (
    '{"text": "好", "label": "a"}\n{"text": "good, yes", "label": ["b"]}\n'.encode(),
    '\ufeff{"text": "\\u597d"}\r\n\r\n{"text": "good, yes", "n": 1.5}'.encode(),
)


def read(source: Source) -> Iterator[Row | BadRow]:
    """The file's rows with JSON values. A line that is no sound object is a BadRow."""
    nothing = True
    for row in questions(source, read_json_lines(source)):
        nothing = False
        yield row
    if nothing:
        raise empty(source)
