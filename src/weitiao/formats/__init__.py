"""File formats. One file each; its name is the format's name.

A format module has

- `SUFFIXES: tuple[str, ...]`: file endings that mean this format, lower case, with the dot (".csv");
- `SAMPLES: tuple[bytes, ...]`: small whole files of the format, each holding two rows of a column `text` with the
  values "好" and "good, yes" (and any other columns): the contract suite reads them;
- `read(source: Source) -> Iterator[Row | BadRow]`: streams rows in constant memory, in file order. A row that cannot
  be read is yielded as `BadRow`, never skipped. A file that is not of this format at all raises DataError.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from weitiao.core import plugins
from weitiao.example import Row


@dataclass(frozen=True, slots=True)
class Source:
    """What a format reads.

    Args:
        path: the file.
        encoding: None to detect it (BOM, then UTF-8, then GB18030), else a codec name the user gave.
        delimiter: for csv-like formats; None to detect it.
    """

    path: Path
    encoding: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read: goes to rejected.jsonl with its place, its reason and its raw text."""

    file: str
    line: int
    field: str
    code: str
    reason: str
    raw: str = ""


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
    return plugins.load(__name__, name)  # type: ignore[return-value]
