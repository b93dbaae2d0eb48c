"""The first stage: files of labelled text in; checked rows in three parts, a task that fits them, and a report out.

    train/validation/test files  →  prepare/{train,validation,test}.parquet, task.json, report.json, rejected.jsonl

>>> prepare(recipe, run)
>>> understood, verdict = summary(read_json(run.folder / "prepare" / "report.json"))
>>> verdict[0]
'300 rows read, 2 rejected: row.no_label 2 (see prepare/rejected.jsonl); the first: reviews.csv:17:label: ...'
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from weitiao import splits, tasks
from weitiao.core import files
from weitiao.core.errors import DataError, RowError
from weitiao.core.i18n import t
from weitiao.example import Example
from weitiao.formats import BadRow, File
from weitiao.prepare import comparing, nearby, sources
from weitiao.prepare.checking import Checker, Part, read_part
from weitiao.prepare.choosing import Choice
from weitiao.prepare.describing import describe
from weitiao.prepare.dividing import divide, strata_of
from weitiao.prepare.rejects import Rejects, stop_if_too_many, writing
from weitiao.prepare.telling import summary as summary
from weitiao.prepare.understanding import understand
from weitiao.recipe import Recipe
from weitiao.run import Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 3  # bad rows of a part that an error names


def prepare(recipe: Recipe, run: Run, *, source_root: Path | None = None) -> None:
    """Read, check, clean, split and describe the data of a recipe; all of it lands in the run, or nothing.

    Args:
        recipe: sections data, clean, split, task and the seed are used.
        run: its folder `prepare` is written.
        source_root: what relative paths in the recipe are relative to; the current directory by default.

    Raises:
        DataError: `data.missing_file`, `data.no_files`, `data.unknown_format`, `data.empty_file`, `data.binary`,
            `data.encoding`, `data.not_this_format`, `data.duplicate_column`, `data.missing_column`, `data.no_task`,
            `data.too_many_bad_rows`, `data.duplicate_id`,
            `data.too_many_labels`, `data.mixed_time`, `data.too_few_rows`, and what the task
            raises in `fit` (`data.one_class` ...).
        MissingExtra: a library for xlsx or for Chinese scripts is not installed.
    """
    found, _, choice, split = understand(recipe, source_root)
    tasks.baselines(choice.task, recipe.evaluate.baselines)  # a wrong name must not wait for the end of the run
    with run.stage("prepare") as folder:
        with writing(folder / "rejected.jsonl") as rejects, files.passing(folder / ".read") as scratch:
            read = _read(recipe, found, choice, split, rejects, scratch)
            # First on all rows: that they are of one class, or of as many as rows, says more than an empty part.
            choice.task.fit(read["train"].examples)
            _labels_repeat(choice, read["train"].examples)
            parts, how, held = _parts(recipe, read, choice, split)
            choice.task.fit(parts["train"].examples)
            parts = _known(parts, how, choice, rejects, recipe.data.max_bad_share)
            for part in splits.PARTS:
                splits.write(folder / f"{part}.parquet", parts[part].examples)
            examples = {part: _written(folder, part, parts[part].examples) for part in splits.PARTS}
        splits.write_task(folder / "task.json", choice.name, choice.task)
        listed = [file for part in splits.PARTS for file in read[part].files]
        near = {"held_together": held, **nearby.repeated(examples, how)}
        keys = {part: parts[part].keys for part in splits.PARTS}
        files.write_json(folder / "report.json", describe(choice, examples, keys, listed, how, rejects, near))


def _written(folder: Path, part: str, examples: Sequence[Example]) -> Sequence[Example]:
    """The rows as they are, where they are held; else as they were written."""
    return examples if isinstance(examples, list) else splits.Stored(folder / f"{part}.parquet")


# -- parts ---------------------------------------------------------------------------------------------------------

def _read(recipe: Recipe, found: Mapping[str, Sequence[File]], choice: Choice, split: str, rejects: Rejects,
          scratch: Path) -> dict[str, Part]:
    clean = recipe.clean.model_dump(mode="json")
    return {part: read_part(part, given, Checker(choice.task, recipe.data, clean, split if part == "train" else ""),
                            rejects, scratch)
            for part, given in found.items()}


class _Rows(NamedTuple):
    """Examples beside their keys: folding a text is too dear to do twice."""

    examples: Sequence[Example]
    keys: NDArray[np.bytes_]

    def picked(self, kept: NDArray[np.bool_]) -> _Rows:
        """Those of them."""
        return _Rows(splits.picked(self.examples, np.flatnonzero(kept)), self.keys[kept])

    def shared_out(self, names: Sequence[str]) -> dict[str, _Rows]:
        """Each row to the part that is named for it."""
        where = np.fromiter(map(splits.PARTS.index, names), np.int8, len(names))
        return {part: self.picked(where == i) for i, part in enumerate(splits.PARTS)}

    def followed_by(self, other: _Rows) -> _Rows:
        """These, then those: in memory, unless one of them has none."""
        if not len(self.keys) or not len(other.keys):
            return self if len(self.keys) else other
        return _Rows([*self.examples, *other.examples], np.concatenate([self.keys, other.keys]))


def _parts(recipe: Recipe, read: Mapping[str, Part], choice: Choice,
           split: str) -> tuple[dict[str, _Rows], dict[str, str], int]:
    """Rows by part, how each part came about (given, column, cut), and how many rows near copies held together."""
    how = {part: "given" for part in splits.PARTS if read[part].files}
    names: Sequence[str] | None = None
    if split:
        names = [sys.intern(sources.part_of(e.meta[split]) or "train") for e in read["train"].examples]
        how.update((part, "column") for part in dict.fromkeys(names) if part not in how)
    parts = {part: _Rows(read[part].examples, comparing.keys(read[part].examples)) for part in splits.PARTS}
    if names is not None:
        found = parts["train"].shared_out(names)
        parts = {part: found[part] if part == "train" else parts[part].followed_by(found[part])
                 for part in splits.PARTS}
    shares = _shares(recipe, len(parts["train"].keys), how)
    held = 0
    if any(shares.values()):
        names, held = _cut(recipe, parts["train"], choice, shares)
        found = parts["train"].shared_out(names)
        parts = {part: found[part] if part == "train" or shares.get(part) else parts[part] for part in splits.PARTS}
    how.update({part: "cut" if share else "none" for part, share in shares.items()})
    return parts, how, held


def _shares(recipe: Recipe, rows: int, how: Mapping[str, str]) -> dict[str, float]:
    """What to cut out of so many training rows for the parts that do not exist yet."""
    left = round(rows * (1.0 if "test" in how else 1.0 - recipe.split.test))
    shares = {"test": recipe.split.test, "validation": validation_share(recipe.split.validation, left)}
    return {part: share for part, share in shares.items() if part not in how}


def _labels_repeat(choice: Choice, examples: Sequence[Example]) -> None:
    """Labels that hardly ever occur twice are no labels: most likely the columns are the wrong way round."""
    labels = Counter(label for e in examples if (label := choice.task.strata(e)))
    if labels.total() >= 20 and len(labels) > labels.total() / 2:
        raise DataError("data.too_many_labels",
                        t("{k} different labels in {n} rows, e.g. {x!r}", "{n} 行中有 {k} 个不同的标签，例如 {x!r}",
                          k=len(labels), n=labels.total(), x=next(iter(labels))),
                        where=choice.task.columns.get("label", ""),
                        expected=t("labels that repeat", "会重复出现的标签"),
                        fix=t("name the columns with --columns text=…,label=…; for numbers use --task regress",
                              "请用 --columns text=…,label=… 指明各列；若为数值请用 --task regress"))


def validation_share(wanted: float | Literal["auto"], rows: int) -> float:
    """The share of the training rows set aside for validation; see `weitiao.recipe.Split`.

    Among fewer than 200 validation rows an accuracy is known to some ± 5 points: it could not choose a step.
    """
    if wanted != "auto":
        return wanted
    return 0.0 if rows < 2000 else min(0.1, 1000 / rows)


def _cut(recipe: Recipe, rows: _Rows, choice: Choice, shares: Mapping[str, float]) -> tuple[list[str], int]:
    """The part of each row; how many rows are in units that hold different texts because they are near copies."""
    examples = rows.examples
    keys = apart = comparing.unit_keys(examples, rows.keys)
    held = 0
    if recipe.split.near_duplicates:
        keys = nearby.merged(apart, map(nearby.judged, examples))
        held = nearby.held_together(apart, keys)
    strata = strata_of([sys.intern(choice.task.strata(e)) for e in examples] if recipe.split.stratify
                       else [""] * len(examples))
    return divide(examples, keys, strata, shares, seed=recipe.seed, group=recipe.data.group,
                  time=recipe.data.time), held


def _known(parts: Mapping[str, _Rows], how: Mapping[str, str], choice: Choice, rejects: Rejects,
           share: float) -> dict[str, _Rows]:
    """Without the validation and test rows whose label no training row has: no model could give it.

    Raises DataError `data.too_many_bad_rows` when that is more than `share` of a part that was not cut by us.
    """
    out = dict(parts)
    for part in ("validation", "test"):
        first: list[BadRow] = []
        known = np.ones(len(parts[part].keys), np.bool_)
        for i, example in enumerate(parts[part].examples):
            if (bad := _unknown_label(example, choice)) is not None:
                known[i] = False
                first += [bad] if len(first) < _SHOWN else []
                rejects.add(bad)
        if how.get(part) != "cut":
            stop_if_too_many(int((~known).sum()), len(known), share, first, part)
        if not known.all():
            out[part] = parts[part].picked(known)
    return out


def _unknown_label(example: Example, choice: Choice) -> BadRow | None:
    try:
        choice.task.check_target(example.target)
    except RowError as e:
        file, _, line = example.source.rpartition(":")
        return BadRow(file, int(line), e.field, e.code, e.reason)
    return None
