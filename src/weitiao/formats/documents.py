"""Plain text in documents: paragraphs of lines, and an empty line between one document and the next.

    第一篇的第一行
    第一篇的第二行

    第二篇

A `.txt` file has one text on each line; say `--set data.format=documents` where it is such a file.
"""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.example import Row
from weitiao.formats import BadRow, Source, empty
from weitiao.formats._shared import detect, lines, without_end

SUFFIXES = (".text",)
SAMPLES = ("好\n\ngood, yes\n".encode(), "\n\n好\r\n\r\n \r\ngood, yes".encode())


def read(source: Source) -> Iterator[Row | BadRow]:
    """One row a document: column `text`, its lines joined by line ends; the row's line is the document's first."""
    begin, held, any_ = 0, list[str](), False
    for number, line in enumerate(lines(source, detect(source)), start=1):
        text = without_end(line)
        if text.strip():
            begin = begin or number
            held.append(text)
        elif held:
            yield Row({"text": "\n".join(held)}, source.shown, begin)
            begin, held, any_ = 0, [], True
    if held:
        yield Row({"text": "\n".join(held)}, source.shown, begin)
    elif not any_:
        raise empty(source)
