"""CSV: fields between commas, semicolons, tabs or bars; detected, with or without a header.

    text,label
    "good, yes",positive
"""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.example import Row
from weitiao.formats import BadRow, Source
from weitiao.formats._rows import read_table

SUFFIXES = (".csv",)
SAMPLES = (
    'text,label\n好,positive\n"good, yes",positive\n'.encode(),
    '\ufefflabel;text\r\n1;好\r\n0;"good, yes"\r\n'.encode(),
    "text|label\n好|正面\ngood, yes|负面\n".encode("gb18030"),
)


def read(source: Source) -> Iterator[Row | BadRow]:
    """The file's rows, values as strings. See `formats._table` for what happens to stray quotes."""
    return read_table(source, (",", "\t", ";", "|"))
