"""From a recipe to what the sections look at: files read as `weitiao tune` reads them, put on disk row by row.

>>> seen, understood = see(recipe, folder, listener)
>>> seen.name, seen.count("train"), seen.unused
('classify', 300, ('user', 'date'))

Nothing stops here that `weitiao tune` would stop at for the rows' sake: too many bad rows, ids that stand twice and
targets that cannot be learnt become findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from weitiao import models, select
from weitiao.core.errors import WeitiaoError
from weitiao.core.i18n import t
from weitiao.doctor import Reader, Seen, Spot, Spots, excerpt
from weitiao.doctor.store import Store
from weitiao.example import Example, Row
from weitiao.formats import BadRow
from weitiao.prepare import describing
from weitiao.prepare.checking import Checker, Reading
from weitiao.prepare.sources import part_of
from weitiao.prepare.understanding import Understood, understand
from weitiao.recipe import Recipe
from weitiao.tasks import Task

Listener = Callable[[str, Spot], None]
FITTED = 20_000
"""Training rows that the task is fitted on."""


def see(recipe: Recipe, folder: Path, listener: Listener, *, tokenizer: bool = True,
        source_root: Path | None = None) -> tuple[Seen, Understood]:
    """Read everything into `folder`.

    Args:
        recipe: sections data, clean, task, model and the seed are used.
        folder: an empty one, for the rows.
        listener: gets every spot.
        tokenizer: False: without one.

    Raises DataError and RecipeError as `prepare.understanding.understand` and `prepare.checking.Reading` do;
    ModelError for a base model that the recipe names.
    """
    understood = understand(recipe, source_root)
    pass_ = _Pass(recipe, understood, Store(folder), listener)
    files = tuple(pass_.run())
    seen = Seen(understood.choice.name, understood.choice.task, pass_.store, unused=pass_.unused, files=files,
                rejects=pass_.rejects, faults=pass_.faults, seed=recipe.seed, listener=listener,
                group=recipe.data.group)
    drawn = [example for _, example in seen.sample(FITTED, ("train",))]
    seen = replace(seen, refused=_fit(seen.task, drawn))
    if not tokenizer:
        return replace(seen, no_reader=t("it was not wanted", "按您的要求未使用")), understood
    reader, why = _reader(recipe, seen, drawn)
    return replace(seen, reader=reader, no_reader=why), understood


def _fit(task: Task, examples: list[Example]) -> WeitiaoError | None:
    """What the task has against its training rows."""
    try:
        task.fit(examples)
    except WeitiaoError as e:
        return e
    return None


# -- reading -------------------------------------------------------------------------------------------------------

class _Pass:
    """One reading of all files into a store, with what was rejected and what was odd."""

    def __init__(self, recipe: Recipe, understood: Understood, store: Store, listener: Listener) -> None:
        self._recipe, self._understood, self.store, self._listener = recipe, understood, store, listener
        self.rejects: dict[str, Spots] = {}
        self.faults: dict[str, Spots] = {}
        used = {*understood.choice.task.columns.values(), understood.split}
        self.unused = tuple(c.name for c in understood.profile.columns if c.name not in used)

    def run(self) -> Iterator[Mapping[str, Any]]:
        """The facts of each file."""
        task, clean = self._understood.choice.task, self._recipe.clean.model_dump(mode="json")
        for part, found in self._understood.found.items():
            split = self._understood.split if part == "train" else ""
            checker = Checker(task, self._recipe.data, clean, split)
            for file in found:
                reading = Reading(file, checker, self._rejected)
                for row, example in reading:
                    self._take(part, row, example, split)
                yield {"part": part, **reading.facts()}
        self.store.close()

    def _take(self, part: str, row: Row, example: Example, split: str) -> None:
        if split:
            part = part_of(example.meta[split]) or "train"
        for fault in self._understood.choice.task.faults(row, example):
            spots = self.faults.setdefault(fault.code, Spots(f"forms.{fault.code}", self._listener))
            field = self._understood.choice.task.columns.get(fault.role, fault.role)
            spots.add(Spot(example.source, field, excerpt(_shown(example, fault.role)), fault.reason))
        values = {c: "" if row.values.get(c) is None else str(row.values[c]) for c in self.unused}
        self.store.add(part, replace(example, meta={**values, **example.meta}))

    def _rejected(self, bad: BadRow) -> None:
        code = f"shape.rejected.{bad.code.removeprefix('row.')}"
        spots = self.rejects.setdefault(bad.code, Spots(code, self._listener))
        spots.add(Spot(f"{bad.file}:{bad.line}", bad.field, excerpt(bad.raw), f"{bad.code}: {bad.reason}"))


def _shown(example: Example, role: str) -> str:
    """What stands in the role that a fault names; the first input where that is no text."""
    value = example.inputs.get(role, example.target)
    return value if isinstance(value, str) else next((v for v in example.inputs.values() if isinstance(v, str)), "")


# -- the base model's tokenizer ------------------------------------------------------------------------------------

def _reader(recipe: Recipe, seen: Seen, examples: list[Example]) -> tuple[Reader | None, str]:
    """The tokenizer of the base that `weitiao tune` would choose, or why there is none."""
    try:
        name, _ = select.base_name(recipe, describing.language(examples), seen.count("train"), seen.name, seen.task)
        base = models.find(name, hub=recipe.model.hub, revision=recipe.model.revision)
        tokenizer = models.tokenizer(base.folder)
        seen.task.bind(base.kind, tokenizer)
        return Reader(base, tokenizer, select.max_length(recipe, base)[0]), ""
    except WeitiaoError as e:
        if recipe.model.name != "auto":
            raise
        return None, f"{excerpt(e.what)} [{e.code}]"
