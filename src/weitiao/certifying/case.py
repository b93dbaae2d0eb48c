"""A finished run as the checks see it: its recipe, some of its rows, its base made ready for training again.

>>> case = Case.of(Path("runs/news-3"), rows=64, scratch=folder)
>>> with case.engine() as engine:              # float32, without dropout: what must be equal then is equal
...     loss, gradient = gradient_of(engine, engine.batches(0))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from weitiao import bundle, splits, tasks
from weitiao.bundle import Bundle
from weitiao.core.errors import RunError
from weitiao.core.i18n import t
from weitiao.core.seeds import rng
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.run import Run, machine
from weitiao.tasks import Task
from weitiao.tuning.loop import Engine, accumulate
from weitiao.tuning.plan import Plan
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.session import Session
from weitiao.tuning.setup import Job, prepare
from weitiao.tuning.stage import Ready, ready

UPDATES = 4  # of the short trainings that are compared
GRADIENT = 1e-4  # float32 rounds at 6e-8, through some tens of layers; a wrong division is off by tenths


@dataclass(frozen=True, slots=True)
class Case:
    """Made by `Case.of`.

    Args:
        run, recipe: the finished run and its resolved recipe.
        rows: of each part that are used at most.
        scratch: an empty folder for whatever a check writes.
    """

    run: Run
    recipe: Recipe
    rows: int
    scratch: Path

    @classmethod
    def of(cls, folder: Path, rows: int, scratch: Path) -> Case:
        """Raises RunError `run.missing`, `run.unfinished`."""
        run = Run.open(folder)
        if not (run.folder / "model" / "weitiao.json").is_file() or Plan.read(run.folder / "tune") is None:
            raise unfinished(folder)
        return cls(run, Recipe.read(run.folder / "recipe.toml"), rows, scratch)

    @property
    def machine(self) -> dict[str, Any]:
        return machine()

    @property
    def plan(self) -> Plan:
        """What the run's tuning measured and decided."""
        plan = Plan.read(self.run.folder / "tune")
        assert plan is not None, "Case.of has looked"
        return plan

    def bundle(self) -> Bundle:
        """The tuned model, on the CPU and in float32."""
        return bundle.load(self.run.folder)

    def task(self, **options: Any) -> Task:
        """The run's task as it stood before tuning, with other options."""
        name, task = splits.load_task(self.run)
        if not options:
            return task
        other = tasks.make(name, {**task.options.model_dump(mode="json"), **options}, task.columns)
        other.restore(task.state())
        return other

    def drawn(self, part: str) -> list[Example]:
        """Some rows of a part, in their order."""
        examples = splits.load(self.run, part)
        if len(examples) <= self.rows:
            return examples
        chosen = rng(self.recipe.seed, "certify", len(examples)).permutation(len(examples))[: self.rows]
        return [examples[i] for i in sorted(chosen.tolist())]

    def exact(self, **tune: Any) -> Recipe:
        """The recipe in float32 and without dropout, with a drawn head where a fitted one would only take time."""
        method = {k: 0.0 if k == "dropout" else v for k, v in self.recipe.method.items()}
        fills = self.task().head().kind == "corpus"  # there, a head that is needed must be fitted
        settled = {"precision": "fp32", "device": "cpu", "time": "", "shard": "none",
                   "head_start": "auto" if fills else "random"}
        return self.recipe.updated({"model": {"dropout": 0.0}, "method": method, "tune": {**settled, **tune}})

    def ready(self, recipe: Recipe, task: Task, parts: Mapping[str, Sequence[Example]] | None = None) -> Ready:
        """Base, method and rows as `weitiao tune` makes them, of the drawn rows where none are given."""
        return ready(recipe, task, parts or {"train": self.drawn("train"), "validation": self.drawn("validation")})

    @contextmanager
    def engine(self, task: Task | None = None, *, ranks: Ranks = ALONE, **tune: Any) -> Iterator[Engine]:
        """Ready for the first update, in `exact` numbers."""
        with self.session(self.exact(**tune), task or self.task(), ranks=ranks) as session:
            yield session.engine

    @contextmanager
    def session(self, recipe: Recipe, task: Task,
                parts: Mapping[str, Sequence[Example]] | None = None, ranks: Ranks = ALONE) -> Iterator[Session]:
        """The same with all that training keeps, in a folder of its own."""
        made = self.ready(recipe, task, parts)
        with ExitStack() as stack:
            job = Job(recipe, self.folder(), made.model, task, made.rows["train"], made.rows["validation"],
                      ranks)
            yield prepare(job, stack)[1]

    def folder(self) -> Path:
        """A new empty folder."""
        new = self.scratch / str(len(list(self.scratch.iterdir())))
        new.mkdir()
        return new


def unfinished(folder: Path) -> RunError:
    """There is no tuned model in this run."""
    return RunError("run.unfinished", t("this run has no tuned model yet", "该运行还没有微调好的模型"),
                    where=str(folder), fix=t("finish it with: weitiao tune --resume {f}",
                                             "请先完成：weitiao tune --resume {f}", f=folder))


def varied(engine: Engine) -> list[int]:
    """As many rows as an update has, from the shortest to the longest, in no order: they cannot go without padding."""
    lengths = [length for length, _ in engine.batches.sizes]
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    count = min(len(order), engine.batches.batch_size)
    rows = [order[i * (len(order) - 1) // max(1, count - 1)] for i in range(count)]
    return [rows[i] for i in rng(engine.seed, "certify", count).permutation(count)]


def gradient_of(engine: Engine, passes: Sequence[Sequence[int]]) -> tuple[float, torch.Tensor]:
    """Mean loss of the first update made of these passes, and its whole gradient as one vector of float64."""
    engine.model.train()
    loss, _ = accumulate(engine, 0, passes)
    parts = [(torch.zeros_like(m) if m.grad is None else m.grad).double().flatten().cpu()
             for m in engine.weights.masters.values()]
    engine.weights.clear()
    return loss, torch.cat(parts)


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """‖one − other‖ / ‖other‖."""
    return float((one - other).norm() / other.norm())
