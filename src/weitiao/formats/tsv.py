"""TSV: fields between tabs, quoted as in CSV or (as most such files are) not quoted at all.

    text	label
    He said "no	negative
"""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.example import Row
from weitiao.formats import BadRow, Source
from weitiao.formats._rows import read_table

SUFFIXES = (".tsv", ".tab")
SAMPLES = (
    "text\tlabel\n好\tpositive\ngood, yes\tpositive\n".encode(),
    'id\ttext\n1\t好\n2\t"good, yes"\n3'.encode("utf-16").removesuffix("\n3".encode("utf-16-le")),
)


def read(source: Source) -> Iterator[Row | BadRow]:
    """The file's rows, values as strings."""
    return read_table(source, ("\t",))
