"""Rows as token ids on the disk say what rows in memory say, and are never those of other data, settings or code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning_case import Case, make_task, table
from weitiao import models, splits, tuning
from weitiao.bundle import Settings
from weitiao.example import Example
from weitiao.splits import Stored
from weitiao.tasks import Encoded, Task
from weitiao.tuning import kept, stage
from weitiao.tuning.loop import Rows

SETTINGS = Settings(8, True, {})


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "_CHUNK", 7)
    monkeypatch.setattr(stage, "FEW", 0)


def written(path: Path, examples: Sequence[Example]) -> Stored:
    splits.write(path, examples)
    return Stored(path)


def both(kind: str, folder: Path, tokenizer: Any) -> tuple[Task, Rows, Rows | None]:
    """The task, its rows in memory and on the disk."""
    task, examples = make_task(kind, table(40))
    stored, settings = written(folder / "rows.parquet", examples), Settings(8 if kind != "spans" else 16, True, {})
    here, _ = stage._rows(list(stored), task, tokenizer, settings)
    there = stage._on_disk(stored, (kind, "encoder"), task, tokenizer, settings)
    return task, here, there[0] if there else None


@pytest.mark.parametrize("kind", ["single", "multi", "regression", "pairs"])
def test_both_say_the_same(kind: str, tiny_folder: Path, tmp_path: Path) -> None:
    _, here, there = both(kind, tmp_path, models.tokenizer(tiny_folder))
    assert there is not None and isinstance(there.encoded, kept.Kept)
    assert list(there.encoded) == list(here.encoded) and there.encoded[-3:] == list(here.encoded)[-3:]
    assert any(len(row.windows) > 1 for row in here.encoded)
    assert list(there.sizes) == list(here.sizes) and there.sizes[3:5] == list(here.sizes)[3:5]
    assert list(there.sources) == list(here.sources) and there.sources[5] == here.sources[5]
    assert list(there.targets) == list(here.targets) and there.targets[5:7] == list(here.targets)[5:7]
    assert there.encoded.used().tolist() == sorted({i for row in here.encoded for w in row.windows for i in w})
    assert stage._cuts(there.encoded) == stage._cuts(here.encoded)


def test_answers_that_are_places_stay_in_memory(tiny_folder: Path, tmp_path: Path) -> None:
    assert both("spans", tmp_path, models.tokenizer(tiny_folder))[2] is None
    assert not list((tmp_path / "cache" / "tokens").glob("*/manifest.json"))


def test_rows_that_cannot_be_learnt_and_documents_in_blocks(tmp_path: Path) -> None:
    examples = [Example(str(i), {"text": "x"}, None, f"f:{i}") for i in range(20)]

    def encode(some: Sequence[Example]) -> list[Encoded]:
        return [Encoded(((1, 2), (3,)), (), ((4, 5), (6,)), notes=((7,), (8,)), left_out=int(e.id) % 3 == 0)
                for e in some]

    found = kept.kept(written(tmp_path / "a", examples), "key", encode, lambda e: e.id in ("4", "5"), apart=True)
    assert found is not None and len(found) == 26 and found.facts["left_out"] == 7
    assert found[1] == Encoded(((3,),), (), ((6,),), notes=((8,),)) and found.places[:4].tolist() == [1, 1, 2, 2]
    assert found.facts["control_rows"] == 2 and found.facts["control_places"] == ["f:4", "f:5"]


def test_a_run_takes_the_same_course(tiny_folder: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    case = Case(tiny_folder, tiny_tokenizer, rows=60)
    task, examples = make_task("single", table(60))
    stored = written(tmp_path / "rows", examples)
    made = kept.kept(stored, "key", lambda some: task.encode(some, tiny_tokenizer, 32), lambda _: False, apart=False)
    assert made is not None
    there = Rows(made, *(splits.Column(stored.path, name, made.places) for name in ("source", "target")),
                 case.rows.pad_id, case.rows.pad_side)
    for name, rows in (("here", case.rows), ("there", there)):
        tuning.fit(folder=tmp_path / name, on_event=lambda _: None, **{**case.inputs(), "train": rows})
    course = [(tmp_path / name / "tune" / "metrics.jsonl").read_bytes() for name in ("here", "there")]
    assert course[0] == course[1] and course[0].count(b"\n") > 10


class Asked:
    """An encoder that counts its rows."""

    def __init__(self, task: Task, tokenizer: Any) -> None:
        self.task, self.tokenizer, self.rows = task, tokenizer, 0

    def __call__(self, some: Sequence[Example]) -> list[Encoded]:
        self.rows += len(some)
        return self.task.encode(some, self.tokenizer, 8)

    def found(self, stored: Stored, settings: Settings = SETTINGS) -> int:
        """How many rows had to be encoded for these."""
        self.rows = 0
        assert kept.kept(stored, kept.identity(("classify", "encoder"), self.task, self.tokenizer, settings), self,
                         lambda _: False, apart=False) is not None
        return self.rows


def test_the_cache_is_never_stale(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, examples = make_task("single", table(30))
    asked = Asked(task, models.tokenizer(tiny_folder))
    stored = written(tmp_path / "rows", examples)
    assert [asked.found(stored), asked.found(stored)] == [30, 0]
    again = written(tmp_path / "elsewhere", examples)
    assert asked.found(again) == 0  # the same bytes in another file
    # The data.
    other = [*examples[:-1], Example("x", {"text": "something else"}, examples[-1].target, "f:1")]
    assert asked.found(written(tmp_path / "rows", other)) == 30
    # The tokenizer: another word, another template, another limit.
    asked.tokenizer.add_tokens(["weitiao"])
    assert asked.found(again) == 30
    asked.tokenizer.chat_template = "{{ messages }}"
    assert asked.found(again) == 30
    assert asked.found(again, Settings(12, True, {})) == 30
    # The task's options and what it learnt.
    task.restore({**task.state(), "labels": list(reversed(task.state()["labels"]))})
    assert asked.found(again) == 30
    assert asked.found(again) == 0
    # The code.
    monkeypatch.setattr(kept, "code", lambda: "another version")
    assert asked.found(again) == 30


@pytest.mark.parametrize("harm", ["flip", "cut", "manifest", "gone"])
def test_what_was_damaged_is_made_again(harm: str, tiny_folder: Path, tmp_path: Path) -> None:
    task, examples = make_task("single", table(30))
    asked = Asked(task, models.tokenizer(tiny_folder))
    stored = written(tmp_path / "rows", examples)
    assert asked.found(stored) == 30
    folder = next((tmp_path / "cache" / "tokens").glob("*/manifest.json")).parent
    ids = folder / "ids.bin"
    match harm:
        case "flip":
            ids.write_bytes(bytes([ids.read_bytes()[0] ^ 1]) + ids.read_bytes()[1:])
        case "cut":
            ids.write_bytes(ids.read_bytes()[:-4])
        case "manifest":
            (folder / "manifest.json").write_text("{")
        case "gone":
            (folder / "extra.bin").unlink()
    assert asked.found(stored) == 30 and asked.found(stored) == 0


def test_what_was_not_used_for_longest_goes_first(tiny_folder: Path, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    task, examples = make_task("single", table(30))
    asked = Asked(task, models.tokenizer(tiny_folder))
    first, second = (written(tmp_path / str(i), examples[i:]) for i in range(2))
    assert asked.found(first) == 30
    monkeypatch.setattr(kept, "_MOST", 0)
    assert asked.found(second) == 29 and asked.found(second) == 0 and asked.found(first) == 30


def test_the_code_is_part_of_the_key() -> None:
    assert len(kept.code()) == 64 and kept.code() == kept.code()


def test_sizes_are_a_few_bytes_a_row() -> None:
    sizes = kept.Sizes(np.arange(1000), np.ones(1000, np.int64))
    assert sizes.lengths.nbytes + sizes.windows.nbytes == 8000 and sizes[999] == (999, 1)
