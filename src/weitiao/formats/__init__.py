"""File formats. One file each; its name is the format's name.

A format module has

- `SUFFIXES: tuple[str, ...]`: file endings that mean this format, lower case, with the dot (".csv"); `.gz` after one of
  them is looked through;
- `SAMPLES: tuple[bytes, ...]`: small whole files of the format, each holding two rows of a column `text` with the
  values "好" and "good, yes" (and any other columns): the contract suite reads them;
- `read(source: Source) -> Iterator[Row | BadRow]`: streams rows in constant memory, in file order. A row that cannot
  be read is yielded as `BadRow`, never skipped. A file that is not of this format at all raises DataError.

>>> [row.values["text"] for row in read_rows(["reviews.csv"])]
['好吃', '太慢了']
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from weitiao.core import plugins
from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.example import Row


@dataclass(frozen=True, slots=True)
class Source:
    """What a format reads.

    Args:
        path: the file.
        encoding: None to detect it (BOM, then UTF-8, then GB18030), else a codec name the user gave.
        delimiter: for csv-like formats; None to detect it.
        name: how rows and messages call the file; "" for the path as it is.
        facts: what the reader found out, filled while it reads: `encoding`, `delimiter`, `header` ("none": columns
            are named by position), `quotes` ("literal": no quoting in this file), `stray_quotes` (rows with a quote
            that opens nothing), `sheet`, `key`, `ignored`, `places` ("questions": a row's line is the
            number of its question).
    """

    path: Path
    encoding: str | None = None
    delimiter: str | None = None
    name: str = ""
    facts: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def shown(self) -> str:
        return self.name or str(self.path)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read: goes to rejected.jsonl with its place, its reason and its raw text."""

    file: str
    line: int
    field: str
    code: str
    reason: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file with the name of the format that reads it. Found by `find`."""

    format: str
    source: Source

    def rows(self) -> Iterator[Row | BadRow]:
        return load(self.format).read(self.source)


class Format(Protocol):
    """What `load` returns (a module)."""

    SUFFIXES: tuple[str, ...]
    SAMPLES: tuple[bytes, ...]

    def read(self, source: Source) -> Iterator[Row | BadRow]: ...


def names() -> tuple[str, ...]:
    """All formats, sorted."""
    return plugins.names(__name__)


def load(name: str) -> Format:
    """The format of that name. Raises RecipeError `plugin.unknown`."""
    return plugins.load(__name__, name)


def read_rows(paths: Sequence[str | Path], format: str = "auto", encoding: str = "auto",
              delimiter: str = "auto") -> Iterator[Row | BadRow]:
    """The rows of files and folders, one after the other, in constant memory.

    Args:
        paths: files, or folders of files of known formats.
        format: a format's name, or "auto": by each file's ending.
        encoding: a codec's name, or "auto".
        delimiter: of csv-like files, or "auto"; "tab" and "\\t" mean a tab.

    Raises:
        DataError: `data.missing_file`, `data.no_files`, `data.unknown_format`, `data.empty_file`, `data.binary`,
            `data.encoding`, `data.not_this_format`, `data.unreadable`, `data.duplicate_column`, `data.delimiter`.
    """
    for file in find(paths, format, encoding, delimiter):
        yield from file.rows()


def find(paths: Sequence[str | Path], format: str = "auto", encoding: str = "auto", delimiter: str = "auto",
         root: Path | None = None) -> list[File]:
    """The files behind `paths`, each once, those of a folder sorted. Arguments and errors as in `read_rows`.

    `root` is what relative paths are relative to; rows and messages keep the name as it was given.
    """
    # Here, not above: what the formats share needs Source and BadRow from this file.
    from weitiao.formats._paths import expand

    return expand(paths, format, encoding, delimiter, root)


def empty(source: Source) -> DataError:
    """The one error for a file without rows: `data.empty_file`."""
    return DataError("data.empty_file", t("there are no rows in it", "文件中没有任何数据行"), where=source.shown,
                     expected=t("rows of text", "若干行文本"),
                     fix=t("check that the export finished", "请检查导出是否完成"))
