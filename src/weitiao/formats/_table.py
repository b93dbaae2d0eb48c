"""Lines to records of fields: CSV as RFC 4180 has it, and no row lost where a file breaks its rules.

    text,label                     a quoted field may hold delimiters, doubled quotes and line ends:
    "He said ""no"", and          one record of two lines
    left",negative
    5" disc, good                  a quote inside a field is a character like any other
    "Great" he said,positive       a quote that opens but does not close before a delimiter is one, too

The rule for a field that opens with a quote and does not close on its line: it is read across lines only when the
record it gives closes by the book within 10,000 lines, has as many fields as the header, and not every one of its
lines is by itself a whole row with a label that repeats in the file. Else the quote is literal and each line a row.
The last condition is dropped for a file that quotes by the book elsewhere: its writer can be trusted. And a file in
which quotes never do the work of quoting, and at least one breaks the rules, has no quoting at all.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from weitiao.formats._shared import without_end

_MAX_LINES = 10_000  # lines of one record


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written.

    Args:
        delimiter: one character, or "" where each line is one field.
        quoting: quotes are syntax; else they are characters.
        width: fields of a record; 0: not known.
        usual: per column the values that occur more than once, with their counts, each line taken as a row.
    """

    delimiter: str
    quoting: bool = True
    width: int = 0
    usual: tuple[Mapping[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one record and the line it starts on.

    Args:
        stray: a quote in it was taken as a character.
        needed: a quote in it did the work of quoting.
        raw: the text as it stands in the file.
    """

    fields: list[str]
    line: int
    raw: str
    stray: bool = False
    needed: bool = False


def records(lines: Iterable[str], dialect: Dialect, *, partial: bool = False) -> Iterator[Record]:
    """The records of `lines` (with their ends); lines without any character are skipped.

    With `partial`, `lines` is the beginning of a file: reading stops where a record may go on beyond it.
    """
    queue: deque[str] = deque()
    source = iter(lines)
    number = 0
    while True:
        line = queue.popleft() if queue else next(source, None)
        if line is None:
            return
        number += 1
        text = without_end(line)
        if not text:
            continue
        if '"' not in text or not dialect.quoting:
            yield Record(text.split(dialect.delimiter) if dialect.delimiter else [text], number, text)
            continue
        got = _scan(text, dialect.delimiter)
        if not got.open:
            yield _record(got, number, text, dialect)
            continue
        joined, ended = _joined(line, queue, source, dialect)
        if ended and partial:
            return
        if joined is None:
            yield _record(got, number, text, dialect)
            continue
        count, whole = joined
        for _ in range(count - 1):
            queue.popleft()
        yield Record(whole.fields, number, whole.text, needed=True)
        number += count - 1


# -- one record ----------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class _Scan:
    """What one pass over a text found. `open`: a quoted field did not close; it was then read as literal."""

    fields: list[str]
    text: str
    stray: bool = False
    needed: bool = False
    open: bool = False


@cache
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A field quoted by the book; one that never closes; one that holds undoubled quotes but closes before the end."""
    end = f"(?:{re.escape(delimiter)}|\\Z)" if delimiter else "\\Z"
    return (re.compile(f'"((?:[^"]++|"")*+)"(?={end})'), re.compile('"(?:[^"]++|"")*+\\Z'),
            re.compile(f'"(.*?)"(?={end})', re.DOTALL))


def _scan(text: str, delimiter: str) -> _Scan:
    """The fields of a text, quotes read as leniently as the text needs."""
    strict, unclosed, lenient = _patterns(delimiter)
    fields: list[str] = []
    stray = needed = open_ = False
    at = 0
    while True:
        if text.startswith('"', at):
            match = strict.match(text, at)
            if match is None:
                stray = True
                if unclosed.match(text, at):
                    open_ = True
                else:
                    match = lenient.match(text, at)
            if match is not None:
                value = match[1]
                needed = needed or '"' in value or "\n" in value or (bool(delimiter) and delimiter in value)
                fields.append(value.replace('""', '"'))
                at = match.end()
                if at == len(text):
                    break
                at += len(delimiter)
                continue
        end = text.find(delimiter, at) if delimiter else -1
        value = text[at:] if end < 0 else text[at:end]
        stray = stray or '"' in value
        fields.append(value)
        if end < 0:
            break
        at = end + len(delimiter)
    # Every field in quotes is a habit of writers that quote, also where no field needs it.
    all_quoted = not stray and len(fields) > 1 and text.count('"') >= 2 * len(fields)
    return _Scan(fields, text, stray, (needed or all_quoted) and not stray, open_)


def _record(got: _Scan, number: int, text: str, dialect: Dialect) -> Record:
    """The scan as a record; where it has the wrong number of fields and plain cutting has the right one, that."""
    if dialect.width and len(got.fields) != dialect.width and dialect.delimiter:
        plain = text.split(dialect.delimiter)
        if len(plain) == dialect.width:
            return Record(plain, number, text, stray=True)
    return Record(got.fields, number, text, got.stray, got.needed)


# -- a record of several lines -------------------------------------------------------------------------------------

def _joined(first: str, queue: deque[str], source: Iterator[str],
            dialect: Dialect) -> tuple[tuple[int, _Scan] | None, bool]:
    """How many lines from `first` on make one record by the book, and its fields; None where none do.

    Lines that had to be looked at are left in `queue`. The second value says whether the end of `source` was met.
    By the book a whole record has an even number of quotes, so only there a scan is worth its time.
    """
    pieces = [first]
    quotes = first.count('"')
    for i in range(_MAX_LINES - 1):
        if i == len(queue):
            line = next(source, None)
            if line is None:
                return None, True
            queue.append(line)
        pieces.append(queue[i])
        quotes += queue[i].count('"')
        if quotes % 2 == 0 and '"' in queue[i]:
            got = _scan(without_end("".join(pieces)), dialect.delimiter)
            return ((len(pieces), got) if _believable(got, pieces, dialect) else None), False
    return None, False


def _believable(got: _Scan, pieces: Sequence[str], dialect: Dialect) -> bool:
    if got.stray or got.open:
        return False
    if dialect.width and len(got.fields) != dialect.width:
        # Wrong either way: then the reading that makes fewer rows up, unless the first line is a row as it stands.
        return len(_scan(without_end(pieces[0]), dialect.delimiter).fields) != dialect.width
    if not dialect.usual or dialect.width < 2:
        return True
    alone = [_scan(without_end(p), dialect.delimiter).fields for p in pieces]
    if any(len(fields) != dialect.width for fields in alone):
        return True
    return not any(_repeats([fields[k] for fields in alone], usual) for k, usual in enumerate(dialect.usual))


def _repeats(values: Sequence[str], usual: Mapping[str, int]) -> bool:
    """Do all of these lines hold a value that repeats in the file, at least one of them outside these lines?"""
    here = Counter(values)
    return all(v in usual for v in here) and any(usual[v] > n for v, n in here.items())


# -- what the dialect is -------------------------------------------------------------------------------------------

def survey(sample: Sequence[str], delimiters: Sequence[str], *, whole: bool) -> tuple[Dialect, list[Record]]:
    """The dialect of a file by its first lines, and their records. `whole`: these are all of its lines.

    Of several possible delimiters the one wins that gives the most records the first record's number of fields
    (more than one); of equals the first in `delimiters`.
    """
    dialect = Dialect(max(delimiters, key=lambda d: _regularity(sample[:1000], d), default=""))
    if len(delimiters) != 1 and not _regularity(sample[:1000], dialect.delimiter):
        dialect = Dialect("")
    return _quoting(sample, dialect.delimiter, whole)


def _quoting(sample: Sequence[str], delimiter: str, whole: bool) -> tuple[Dialect, list[Record]]:
    """Whether quotes are syntax, and whether records over several lines need the evidence of `usual`."""
    trusting = Dialect(delimiter, width=_width(sample, Dialect(delimiter)))
    believed = _records(sample, trusting, whole)
    if not any(r.stray or "\n" in r.raw for r in believed):
        return trusting, believed
    wary = replace(trusting, usual=_usual(sample, delimiter, trusting.width))
    found = _records(sample, wary, whole)
    if any(r.needed for r in found):
        return (wary, found) if any(r.stray for r in believed) else (trusting, believed)
    plain = Dialect(delimiter, quoting=False)
    plain = replace(plain, width=_width(sample, plain))
    literal = _records(sample, plain, whole)
    if any(r.stray for r in found) and _whole_rows(literal, plain) >= _whole_rows(found, wary):
        return plain, literal
    return wary, found


def _whole_rows(found: Sequence[Record], dialect: Dialect) -> int:
    return sum(len(r.fields) == dialect.width for r in found)


def _width(sample: Sequence[str], dialect: Dialect) -> int:
    return next((len(r.fields) for r in records(sample, dialect)), 0)


def _records(sample: Sequence[str], dialect: Dialect, whole: bool) -> list[Record]:
    return list(records(sample, dialect, partial=not whole))


def _regularity(sample: Sequence[str], delimiter: str) -> float:
    """Share of the records that have the first one's number of fields; 0 where that is one."""
    widths = [len(r.fields) for r in records(sample, Dialect(delimiter))]
    if not widths or widths[0] < 2:
        return 0.0
    return sum(w == widths[0] for w in widths) / len(widths)


def _usual(sample: Sequence[str], delimiter: str, width: int) -> tuple[Mapping[str, int], ...]:
    counts: list[Counter[str]] = [Counter() for _ in range(width)]
    for line in sample:
        fields = _scan(without_end(line), delimiter).fields
        if len(fields) == width:
            for count, value in zip(counts, fields, strict=True):
                count[value] += 1
    return tuple({v: n for v, n in c.items() if n > 1 and v.strip() and '"' not in v} for c in counts)
