"""Checking a few rows written to a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weitiao import doctor
from weitiao.doctor import Checkup, Finding
from weitiao.recipe import Recipe


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    """Write JSON Lines; the file's name."""
    path.write_text("".join(json.dumps(dict(r), ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return str(path)


def recipe(tree: Mapping[str, Any] | None = None, **data: Any) -> Recipe:
    """A recipe with these files by part."""
    return Recipe.build({"data": {k: [v] if k in ("train", "validation", "test") else v for k, v in data.items()},
                         **(tree or {})})


def checked(folder: Path, rows: Iterable[Mapping[str, Any]], *, tree: Mapping[str, Any] | None = None,
            test: Iterable[Mapping[str, Any]] = (), **how: Any) -> Checkup:
    """`check` without a tokenizer on rows."""
    data = {"train": lines(folder / "rows.jsonl", rows)}
    if held := list(test):
        data["test"] = lines(folder / "held.jsonl", held)
    return doctor.check(recipe(tree, **data), **{"tokenizer": False, **how})


def found(checkup: Checkup, code: str) -> Finding | None:
    """The finding of that code, None where there is none."""
    return next((f for s in checkup.sections.values() for f in s.findings if f.code == code), None)


def the(checkup: Checkup, code: str) -> Finding:
    """The finding of that code, which must be there."""
    finding = found(checkup, code)
    assert finding is not None, [f.code for s in checkup.sections.values() for f in s.findings]
    return finding


def places(finding: Finding) -> list[int]:
    """Lines of the rows shown."""
    return [int(s.source.rpartition(":")[2]) for s in finding.spots]
