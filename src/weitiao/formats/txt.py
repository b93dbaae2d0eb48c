"""Plain text: `text<TAB>label` on each line, or one text per line. Nothing is quoted.

    很好吃	positive
    太慢了	negative
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weitiao.example import Row
from weitiao.formats import BadRow, Source
from weitiao.formats._rows import head, read_records
from weitiao.formats._shared import detect, without_end
from weitiao.formats._table import Dialect, records

SUFFIXES = (".txt",)
SAMPLES = (
    "好\tpositive\ngood, yes\tpositive\n".encode(),
    "好\r\ngood, yes".encode(),
)


def read(source: Source) -> Iterator[Row | BadRow]:
    """The file's rows: columns `text` and `label` (or those of its header), or `text` alone."""
    encoding = detect(source)
    sample, whole = head(source, encoding)
    delimiter = source.delimiter or _delimiter(sample)
    width = next((line.count(delimiter) + 1 for line in map(without_end, sample) if line), 1) if delimiter else 1
    dialect = Dialect(delimiter, quoting=False, width=width)
    yield from read_records(source, encoding, dialect, list(records(sample, dialect, partial=not whole)),
                            header_usual=False)


def _delimiter(sample: Sequence[str]) -> str:
    """A tab where most lines have as many of them as the first one, else none: each line is one text."""
    tabs = [line.count("\t") for line in map(without_end, sample) if line]
    return "\t" if tabs and tabs[0] and tabs.count(tabs[0]) * 2 > len(tabs) else ""
