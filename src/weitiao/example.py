"""An Example: one labelled (or unlabelled) row after it was checked, and where it came from.

>>> Example(id="7", inputs={"text": "好吃"}, target="positive", source="reviews.csv:8")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One raw row of a file, before a task looks at it.

    Args:
        values: column name to value; strings from csv-like formats, JSON values from json-like ones.
        file: name of the file as the user gave it.
        line: 1-based line on which the row starts (row number for formats without lines).
    """

    values: Mapping[str, Any]
    file: str
    line: int

    @property
    def source(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Example:
    """One checked row.

    Args:
        id: unique in its data set; the row's own id column, else `file:line`.
        inputs: role to value, e.g. {"text": ...} or {"text_a": ..., "text_b": ...}; the task defines the roles.
        target: what the task learns (label name, list of names, float, ...); None where it is unknown.
        source: `file:line`.
        meta: columns kept along for splits and slices (group, time, ...).
    """

    id: str
    inputs: Mapping[str, Any]
    target: Any
    source: str
    meta: Mapping[str, str] = field(default_factory=dict)
