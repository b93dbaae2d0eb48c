"""report.json: what was understood, what is wrong with which rows, what came of it. See `describe` for the keys."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao.core.text import dominant_language
from weitiao.example import Example
from weitiao.prepare import comparing
from weitiao.prepare.choosing import Choice
from weitiao.prepare.rejects import Rejects, place
from weitiao.splits import Targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXTS = 5000  # texts that the language is judged by

_PAIRS = (("test", "train"), ("validation", "train"), ("test", "validation"))

Parts = Mapping[str, Sequence[Example]]


def describe(choice: Choice, parts: Parts, keys: Mapping[str, NDArray[np.bytes_]], files: list[dict[str, Any]],
             how: Mapping[str, str], rejects: Rejects, near: Mapping[str, Any]) -> dict[str, Any]:
    """The report.

    task: name, columns (role to column), options, reason (a sentence), noun (what targets are called: one, many, zh)
    read: how targets were read where that was a decision (the task's own state "read"): scheme, mended, inside_words
    language: zh, en or other
    rows: read, rejected, train, validation, test
    how: per part `given` (files), `column` (a split column) or `cut` (set aside from train) or
        `none` (empty)
    targets: per part {label: rows}, or {min, mean, max} of numbers, or what else the task counts
    counted: the latter over all parts, else {}
    rare: labels with a single row in all parts; missing: per part the labels of train that it lacks
    lengths: per part and text column role {min, median, p95, max, mean} in characters
    files: per file part, format, rows, rejected, sha256, read_as (see `formats.Source.facts`)
    rejected: by_code, examples (place and reason of the first)
    duplicates: per part, rows minus different inputs
    conflicts: inputs, rows, examples (equal inputs with different targets, over all parts)
    leaks: test_in_train, validation_in_train, test_in_validation, each {rows, inputs}
    passages: the same for questions, each {rows, passages}: rows about a passage that stands in the other part, too;
        {} for a task without passages
    leaked_test_ids: test rows that also stand in train or validation
    leaked_validation_ids: validation rows that also stand in train
    near: held_together (rows that the split kept with near copies of theirs), and of validation and test rows that were
        given test_in_train, validation_in_train, each {rows, examples}: near copies and equal rows
    fingerprint: files (name to SHA-256), splits (part to SHA-256 of ids, inputs and targets), all
    """
    targets = {part: choice.task.tally(Targets(examples)) for part, examples in parts.items()}
    labelled = bool(choice.task.head().labels)
    return {
        "task": {"name": choice.name, "columns": dict(choice.task.columns),
                 "options": choice.task.options.model_dump(mode="json"), "reason": choice.reason,
                 "noun": choice.task.noun._asdict()},
        "read": choice.task.state().get("read", {}),
        "language": language(parts["train"]),
        "rows": {"read": sum(f["rows"] for f in files), "rejected": rejects.count,
                 **{part: len(examples) for part, examples in parts.items()}},
        "how": dict(how),
        "targets": targets,
        "counted": {} if labelled else _counted(targets),
        "rare": _rare(targets) if labelled else [],
        "missing": {part: [x for x in targets["train"] if x not in targets[part]] if labelled and parts[part] else []
                    for part in ("validation", "test")},
        "lengths": {part: _lengths(examples) for part, examples in parts.items()},
        "files": files,
        "rejected": {"by_code": dict(rejects.codes.most_common()),
                     "examples": [{"place": place(b), "reason": b.reason} for b in rejects.first]},
        "duplicates": {part: len(k) - len(np.unique(k)) for part, k in keys.items()},
        # What is learnt of raw text is the text: two spellings of one text are no contradiction.
        "conflicts": comparing.conflicts({} if choice.task.head().kind == "corpus" else parts, keys),
        "leaks": {f"{part}_in_{other}": comparing.overlap(keys[part], keys[other]) for part, other in _PAIRS},
        "passages": _passages(parts),
        "leaked_test_ids": comparing.shared_ids(parts["test"], keys["test"], keys["train"], keys["validation"]),
        "leaked_validation_ids": comparing.shared_ids(parts["validation"], keys["validation"], keys["train"]),
        "near": dict(near),
        "fingerprint": _fingerprint(files, parts),
    }


def _passages(parts: Parts) -> dict[str, dict[str, int]]:
    if not comparing.about_passages(parts["train"]):
        return {}
    found = {part: comparing.passages(examples) for part, examples in parts.items()}
    shared = {f"{part}_in_{other}": comparing.overlap(found[part], found[other]) for part, other in _PAIRS}
    return {name: {"rows": n["rows"], "passages": n["inputs"]} for name, n in shared.items()}


def _counted(targets: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Whole numbers summed over the parts; the range of a quantity is no count."""
    total: Counter[str] = Counter()
    for counts in targets.values():
        total.update({name: n for name, n in counts.items() if isinstance(n, int)})
    return dict(total)


def _rare(targets: Mapping[str, Mapping[str, int]]) -> list[str]:
    total: Counter[str] = Counter()
    for counts in targets.values():
        total.update(counts)
    return sorted(label for label, n in total.items() if n == 1)


def _texts(example: Example) -> list[str]:
    """All that stands in the inputs, and of tasks that write the answer as well: both decide the base model."""
    said = [m["content"] for v in example.inputs.values() if isinstance(v, list) for m in v if "content" in m]
    return [*(v for v in example.inputs.values() if isinstance(v, str)), *said]


def language(examples: Sequence[Example]) -> str:
    """zh, en or other: what the base model is chosen by. Some 5,000 texts are looked at."""
    step = max(1, len(examples) // _TEXTS)
    return dominant_language(text for e in examples[::step] for text in _texts(e))


def _lengths(examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    # Not every row has every role: the input beside an instruction may be left out.
    found: dict[str, array[int]] = {}
    for e in examples:
        for role, value in e.inputs.items():
            if isinstance(value, str):
                found.setdefault(role, array("Q")).append(len(value))
    out = {}
    for role, lengths in found.items():
        sizes = np.sort(np.array(lengths))
        n = len(sizes)
        out[role] = {"min": int(sizes[0]), "median": int(sizes[n // 2]), "p95": int(sizes[min(n - 1, round(0.95 * n))]),
                     "max": int(sizes[-1]), "mean": round(int(sizes.sum()) / n, 1)}
    return out


def _fingerprint(files: Sequence[Mapping[str, Any]], parts: Parts) -> dict[str, Any]:
    splits = {part: _digest([e.id, e.inputs, e.target] for e in examples) for part, examples in parts.items()}
    return {"files": {f["file"]: f["sha256"] for f in files}, "splits": splits,
            "all": _digest([[f["sha256"] for f in files], sorted(splits.items())])}


def _digest(values: Any) -> str:
    hashed = hashlib.sha256()
    for value in values:
        hashed.update(json.dumps(value, ensure_ascii=False, sort_keys=True).encode() + b"\n")
    return hashed.hexdigest()
