"""The command line called in-process, and stand-ins for the slow parts behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weitiao import events
from weitiao.cli import main
from weitiao.example import Row
from weitiao.formats import BadRow
from weitiao.metrics import Score
from weitiao.pipeline import OnEvent, Result
from weitiao.recipe import Recipe
from weitiao.tasks import HeadSpec

Weitiao = Callable[..., tuple[int, str, str]]
SCORE = Score("accuracy", 0.9, 0.85, 0.94, 200, "wilson95")


@pytest.fixture
def weitiao(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weitiao:
    """`weitiao("runs", "--json")` gives exit code, standard output and standard error; it runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEITIAO_LANG", "en")
    monkeypatch.delenv("WEITIAO_TRACEBACK", raising=False)

    def call(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(args))
        out, err = capsys.readouterr()
        return code, out, err

    return call


@dataclass
class Started:
    """What the stand-in for the pipeline was asked for, and what it does."""

    recipes: list[Recipe] = field(default_factory=list)
    resumed: list[tuple[Path, bool]] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)
    fails_with: BaseException | None = None
    fails_at: str = "tune"

    def start(self, recipe: Recipe, out: Path | None, on_event: OnEvent, *, processes: int, max_restarts: int) -> Result:
        self.recipes.append(recipe)
        self.processes.append(processes)
        self.restarts.append(max_restarts)
        return self._work(recipe, out or Path("runs/reviews-1"), on_event)

    def resume(self, folder: Path, on_event: OnEvent, *, allow_inexact: bool, processes: int,
               max_restarts: int) -> Result:
        self.processes.append(processes)
        self.restarts.append(max_restarts)
        self.resumed.append((folder, allow_inexact))
        return self._work(Recipe().updated({"data": {"train": ["reviews.csv"]}}), folder, on_event)

    def _work(self, recipe: Recipe, folder: Path, on_event: OnEvent) -> Result:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
        for event in happenings(str(folder)):
            on_event(event)
            if self.fails_with and isinstance(event, events.StageStarted) and event.stage == self.fails_at:
                raise self.fails_with
        return Result(folder, {"metrics": [SCORE.as_dict()]}, "fine-tuning beats TF-IDF", SCORE)


def happenings(folder: str) -> list[events.Event]:
    """One run's events, each kind at least once."""
    return [
        events.StageStarted("prepare", folder),
        events.Understood(("task classify: 2 labels",)),
        events.DataVerdict(("3 of 300 rows rejected",)),
        events.StageStarted("select", folder),
        events.Download("e5-small", 10, 100),
        events.Plan(("base model e5-small",)),
        events.StageStarted("tune", folder),
        events.Progress(1, 10, 0.7, 1e-4, 85.0, 12.0),
        events.Validated(5, 10, {"accuracy": 0.8, "loss": 0.5}, True),
        events.Validated(10, 10, {"accuracy": 0.79, "loss": 0.52}, False),
        events.Note("2 texts were cut"),
        events.StageStarted("evaluate", folder),
        events.StageStarted("report", folder),
        events.Verdict(("fine-tuning beats TF-IDF", "accuracy 0.900 [0.850, 0.940]"), folder),
    ]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Started:
    started = Started()
    monkeypatch.setattr("weitiao.pipeline.start", started.start)
    monkeypatch.setattr("weitiao.pipeline.resume", started.resume)
    return started


class FakeTask:
    """Reads the column `text`; says "long" with a probability that grows with the text."""

    columns = {"text": "text", "label": "label"}  # noqa: RUF012
    roles = ("text",)

    def specimen(self) -> dict[str, Any]:
        return self.decode(np.zeros((1, 2), np.float32))[0]

    def head(self) -> HeadSpec:
        return HeadSpec(2, "single_label_classification", ("long", "short"))

    def decode(self, logits: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        p = 1 / (1 + np.exp(-logits[:, 0]))
        return [{"label": "long" if x > 0.5 else "short", "probability": float(max(x, 1 - x)),
                 "probabilities": {"long": float(x), "short": float(1 - x)}} for x in p]


class FakeBundle:
    """As `weitiao.bundle.Bundle`, without a model; counts how many rows it holds at once."""

    def __init__(self) -> None:
        self.task = FakeTask()

    def predict(self, inputs: Iterable[Any]) -> list[dict[str, Any]]:
        return self.task.decode(np.array([[len(x) - 5.0] for x in inputs], np.float32))

    def predict_rows(self, rows: Iterable[Row | BadRow]) -> Iterator[tuple[Row | BadRow, dict[str, Any]]]:
        for row in rows:
            if isinstance(row, BadRow):
                yield row, {}
            elif not str(row.values.get("text", "")).strip():
                yield BadRow(row.file, row.line, "text", "row.empty", "empty"), {}
            else:
                yield row, self.predict([row.values["text"]])[0]


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> FakeBundle:
    fake = FakeBundle()
    monkeypatch.setattr("weitiao.bundle.load", lambda path, device="cpu": fake)
    return fake


def error_of(out: str) -> dict[str, Any]:
    """The error of a `--json` answer, which must be one JSON object."""
    found: dict[str, Any] = json.loads(out)["error"]
    return found
