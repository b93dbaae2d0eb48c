"""A csv-like file to rows: sample it, find dialect and header, then stream. Shared by csv, tsv and txt.

>>> for row in read_table(Source(Path("reviews.csv")), (",", ";", "\\t", "|")):
...     row.values["text"], row.line
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weitiao.core.i18n import t
from weitiao.example import Row
from weitiao.formats import BadRow, Source, empty
from weitiao.formats._header import column_names, is_header, names_by_position
from weitiao.formats._shared import Encoding, detect, lines, shortened
from weitiao.formats._table import Dialect, Record, records, survey

_SAMPLE_LINES = 20_000
_SAMPLE_CHARACTERS = 1 << 22


def head(source: Source, encoding: Encoding) -> tuple[list[str], bool]:
    """The first lines of a file, and whether they are all of it."""
    sample: list[str] = []
    size = 0
    for line in lines(source, encoding):
        if len(sample) == _SAMPLE_LINES or size > _SAMPLE_CHARACTERS:
            return sample, False
        sample.append(line)
        size += len(line)
    return sample, True


def read_table(source: Source, delimiters: Sequence[str]) -> Iterator[Row | BadRow]:
    """The rows of a csv-like file, values as strings. A record with too few or too many fields is a BadRow.

    `delimiters` are tried where the user named none.
    """
    encoding = detect(source)
    sample, whole = head(source, encoding)
    dialect, found = survey(sample, [source.delimiter] if source.delimiter else delimiters, whole=whole)
    if not dialect.quoting:
        source.facts["quotes"] = "literal"
    yield from read_records(source, encoding, dialect, found)


def read_records(source: Source, encoding: Encoding, dialect: Dialect, found: Sequence[Record], *,
                 header_usual: bool = True) -> Iterator[Row | BadRow]:
    """The rows of a file whose dialect is known; `found` are its first records."""
    if not found:
        raise empty(source)
    source.facts["delimiter"] = dialect.delimiter
    first, rest = found[0].fields, [r.fields for r in found[1:]]
    headed = is_header(first, rest, usual=header_usual)
    names = column_names(source, first) if headed else names_by_position([first, *rest], len(first))
    if not headed:
        source.facts["header"] = "none"
    stray = 0
    for i, record in enumerate(records(lines(source, encoding), dialect)):
        stray += record.stray
        if i or not headed:
            yield _row(source, names, record)
    if stray:
        source.facts["stray_quotes"] = str(stray)


def _row(source: Source, names: list[str], record: Record) -> Row | BadRow:
    if len(record.fields) == len(names):
        return Row(dict(zip(names, record.fields, strict=True)), source.shown, record.line)
    reason = t("{k} fields where the table has {n}", "有 {k} 个字段，而表格应有 {n} 个",
               k=len(record.fields), n=len(names))
    return BadRow(source.shown, record.line, "", "row.fields", reason, shortened(record.raw))
