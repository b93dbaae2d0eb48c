"""Running the stage on a few lines of text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weitiao import prepare, splits
from weitiao.core import files
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.run import Run


class Prepared:
    """What the stage left behind."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.report: dict[str, Any] = files.read_json(run.folder / "prepare" / "report.json")
        self.parts: dict[str, list[Example]] = {part: splits.load(run, part) for part in splits.PARTS}
        lines = (run.folder / "prepare" / "rejected.jsonl").read_text(encoding="utf-8").split("\n")
        self.rejected: list[dict[str, Any]] = [json.loads(line) for line in lines if line]

    def ids(self, part: str) -> list[str]:
        return [e.id for e in self.parts[part]]

    @property
    def lines(self) -> list[str]:
        understood, verdict = prepare.summary(self.report)
        return [*understood, *verdict]


def new_run(folder: Path, recipe: Recipe) -> Run:
    return Run.create(folder, recipe.to_toml(), recipe.hash, {})


def prepared(folder: Path, *train: str, **tree: Any) -> Prepared:
    """The stage on files below `folder`; `tree` is laid over the recipe, its `data` besides the training files."""
    data = {"train": train, **tree.pop("data", {})}
    recipe = Recipe().updated({"data": data, **tree})
    run = new_run(folder / f"run-{len(list(folder.glob('run-*')))}", recipe)
    prepare.prepare(recipe, run, source_root=folder)
    return Prepared(run)


def table(folder: Path, name: str, rows: list[tuple[object, ...]], header: str = "text,label") -> str:
    """Write a csv file of cells without commas; its name."""
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name
