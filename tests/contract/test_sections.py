"""Every section of the data doctor on every task's own samples: it runs, and its findings say what they must."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from weitiao import doctor, tasks
from weitiao.core import i18n
from weitiao.core.errors import DataError
from weitiao.doctor import Finding, Seen, Spot
from weitiao.doctor.sections.forms import KINDS
from weitiao.doctor.store import Store
from weitiao.example import Row

SAMPLES = [pytest.param(name, i, id=f"{name}-{i}")
           for name in tasks.names() for i in range(len(tasks.load(name).SAMPLES))]


def seen_of(folder: Path, name: str, number: int, listener: Any = lambda code, spot: None) -> Seen:
    sample = tasks.load(name).SAMPLES[number]
    task = tasks.make(name, sample.options, sample.columns)
    examples = [task.read(Row(r, "sample.jsonl", i + 1)) for i, r in enumerate(sample.rows)]
    task.fit(examples)
    return Seen(name, task, Store.of(folder, {"train": examples, "test": examples[:2]}), listener=listener)


@pytest.mark.parametrize("section", doctor.names())
def test_a_section_has_a_title_and_explained_options(section: str) -> None:
    module = doctor.load(section)
    assert len(module.TITLE) == 2 and all(module.TITLE)
    assert all(f.description for f in module.Options.model_fields.values()), "every option has a sentence"
    assert module.Options() == module.Options(**module.Options().model_dump())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_every_section_looks_at_every_task(tmp_path: Path, name: str, number: int, language: Any) -> None:
    told: list[tuple[str, Spot]] = []
    seen = seen_of(tmp_path, name, number, lambda code, spot: told.append((code, spot)))
    i18n.use(language)
    for section in doctor.names():
        module = doctor.load(section)
        for finding in module.look(seen, module.Options()):
            assert isinstance(finding, Finding) and finding.code.startswith(f"{section}.")
            assert finding.verdict in doctor.VERDICTS and finding.said
            assert len(finding.spots) <= doctor.SHOWN and finding.count >= 0
            assert finding.threshold or finding.verdict == "good", "what is not good states from where on"
            assert {(finding.code, s) for s in finding.spots} <= set(told), "every spot is told to the listener"
            json.dumps(asdict(finding), allow_nan=False)


@pytest.mark.parametrize("parts", [(), ("test",)], ids=["no row", "no training row"])
@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_a_file_of_which_nothing_could_be_read_is_no_bug(tmp_path: Path, name: str, number: int,
                                                         parts: tuple[str, ...]) -> None:
    for folder in ("whole", "left"):
        (tmp_path / folder).mkdir()
    whole = seen_of(tmp_path / "whole", name, number)
    fresh = tasks.make(name, tasks.load(name).SAMPLES[number].options, whole.task.columns)
    rows = {part: [example for _, example in whole.all((part,))] for part in parts}
    seen = Seen(name, fresh, Store.of(tmp_path / "left", rows), refused=DataError("data.no_rows", "nothing to fit"))
    found = {section: list(doctor.load(section).look(seen, doctor.load(section).Options()))
             for section in doctor.names()}
    assert doctor.worst(f.verdict for f in found["shape"]) == "stop"


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_faults_of_tasks_have_a_sentence(name: str, number: int) -> None:
    sample = tasks.load(name).SAMPLES[number]
    task = tasks.make(name, sample.options, sample.columns)
    for i, values in enumerate(sample.rows):
        row = Row(values, "sample.jsonl", i + 1)
        for fault in task.faults(row, task.read(row)):
            assert fault.code in {*KINDS, "label_space"} and fault.reason
