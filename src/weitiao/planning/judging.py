"""How well a candidate suits the rows, without tuning it: a linear model on its frozen features, cross-validated.

>>> judged = judge(scene, "e5-small")
>>> judged.score.value, judged.logme, judged.seconds
(0.871, 0.42, 11.3)

Tasks that write texts have no features to fit: there the untouched base's bits per byte of the right answers tell how
much of the way it has gone already.

Most of the time goes into features. A base that is clearly behind another one on a fifth of the rows is therefore not
asked for the rest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from weitiao import models, splits
from weitiao.bundle import Bundle, Settings
from weitiao.core import seeds
from weitiao.core.errors import WeitiaoError
from weitiao.core.i18n import t
from weitiao.evaluate import baselines
from weitiao.evaluate.baselines import Case, _linear, _words, frozen, frozen_words
from weitiao.example import Example
from weitiao.metrics import LOWER_IS_BETTER, Score, transfer
from weitiao.metrics.paired import Paired
from weitiao.planning.curve import Fold, Learner
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.searching.parts import parts
from weitiao.select import max_length
from weitiao.tasks import Task
from weitiao.tuning import precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000
_BYTES = {"sequence": 1_000_000, "tokens": 150_000, "span": 0, "language": 100_000, "corpus": 100_000}
"""Of text that a candidate reads, by `HeadSpec.kind`: some four bytes make a token."""
_FEWEST = 50  # rows, however long they are
_WIDTH = 384  # of small bases: for such, bf16 pays last
_FIRST = 400  # rows of the first look at a base, at least; a fifth of the rows where that is more
_FAR = 0.02  # of the metric: two points, by which a base is behind for sure (the interval's near end) or looked at on
_WORDS = 20_000  # of which LogME is computed: more move its third digit


@dataclass(frozen=True, slots=True)
class Scene:
    """What all candidates share.

    Args:
        run: a folder with `prepare/`.
        recipe: as asked; each candidate's name is put into it.
        name: of the task.
        rows: the sample of training rows.
        folds: row numbers to learn from and to judge.
        device, bf16: where and in what an untouched base computes.
    """

    run: Run
    recipe: Recipe
    name: str
    rows: Sequence[Example]
    folds: Sequence[Fold]
    device: str
    bf16: bool

    def task(self) -> Task:
        """A task of one's own: a base is met by binding it."""
        return splits.load_task(self.run)[1]

    @property
    def judged(self) -> list[int]:
        """Numbers of the rows that are judged, fold by fold."""
        return [i for _, rows in self.folds for i in rows]

    def only(self, numbers: Sequence[int]) -> Scene:
        """The same rows, of which no others than these are learnt from and judged."""
        kept = set(numbers)
        return replace(self, folds=[([i for i in train if i in kept], [i for i in judged if i in kept])
                                    for train, judged in self.folds])


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of a candidate.

    Args:
        name: of the rung or the base.
        rung: it learns from the rows alone.
        base: what the base's files say; None for rungs, and where it could not be had.
        score: cross-validated (or bits per byte); None where this task is not ranked, or the candidate failed.
        outputs: for the judged rows, in their order.
        logme: of the features, where there are some.
        seconds: that judging took.
        unfit: why it was not judged (to the end), "" where it was.
        behind: the base that it is so far behind on a few rows that it was left there, else ""; `beside`: the two on
            those rows, this one minus the other.
        learn: fits and answers again, for a learning curve; None without features.
    """

    name: str
    rung: bool = False
    base: models.Base | None = None
    score: Score | None = None
    outputs: Sequence[Any] = ()
    logme: float | None = None
    seconds: float = 0.0
    unfit: str = ""
    behind: str = ""
    beside: Paired | None = None
    learn: Learner | None = None


def scene(run: Run, recipe: Recipe, most: int) -> tuple[Scene, int]:
    """The scene of at most so many of a run's training rows, and how many there are.

    Raises DataError `data.too_few_rows` where the rows cannot be folded.
    """
    name, task = splits.load_task(run)
    train, kind = splits.load(run, "train"), task.head().kind
    rows = _drawn(train, most, _BYTES[kind], recipe.seed)
    device = precision.device(recipe.tune.device)
    bf16 = precision.choose("auto", device, _WIDTH).name == "bf16"
    folds: list[Fold] = [((), range(len(rows)))]
    if kind in ("sequence", "tokens"):
        at = {e.source: i for i, e in enumerate(rows)}
        folds = [([at[e.source] for e in part.train], [at[e.source] for e in part.judged])
                 for part in parts(rows, [], task, recipe)]
    return Scene(run, recipe, name, rows, folds, str(device), bf16), len(train)


def _drawn(rows: Sequence[Example], most: int, size: int, seed: int) -> list[Example]:
    """At most so many rows and about so many bytes of text, drawn by the seed, in their order."""
    order = seeds.rng(seed, "plan").permutation(len(rows))[:most]
    sizes = np.cumsum([sum(len(str(x).encode()) for x in (*rows[i].inputs.values(), rows[i].target)) for i in order])
    return [rows[i] for i in sorted(order[: max(_FEWEST, int((sizes <= size).sum()))])]


def rung(scene: Scene, name: str) -> Judged:
    """One of the classical systems, cross-validated."""
    began, module, task = time.perf_counter(), baselines.load(name), scene.task()

    def learn(train: Sequence[int], judged: Sequence[int]) -> Sequence[Any]:
        asked = [replace(scene.rows[i], target=None) for i in judged]
        case = Case(task, [scene.rows[i] for i in train], asked, scene.recipe, "cpu", bf16=False)
        made: baselines.Baseline = module.make(case)
        return made.outputs

    outputs, score = _validated(scene, task, learn)
    return _defined(Judged(name, True, None, score, outputs, seconds=time.perf_counter() - began, learn=learn))


def _defined(judged: Judged) -> Judged:
    """A correlation with equal answers is no number: then there is no score."""
    if judged.score is None or math.isfinite(judged.score.value):
        return judged
    return replace(judged, score=None, outputs=(), learn=None,
                   unfit=t("its score is not defined on these rows", "在这些数据上分数没有定义"))


def judge(scene: Scene, name: str, progress: models.Progress | None = None, ahead: Judged | None = None) -> Judged:
    """A base, frozen; one that cannot be had or cannot have the task's head comes back with the reason.

    Args:
        ahead: the best base so far: a base that a first look puts clearly behind it is left at that. None: every row is
            looked at.
    """
    began = time.perf_counter()
    try:
        base = models.find(name, hub=scene.recipe.model.hub, revision=scene.recipe.model.revision, progress=progress)
        found = _judged(scene, base, ahead)
    except WeitiaoError as e:
        return Judged(name, unfit=e.what, seconds=time.perf_counter() - began)
    return _defined(replace(found, seconds=time.perf_counter() - began))


def _judged(scene: Scene, base: models.Base, ahead: Judged | None) -> Judged:
    task = scene.task()
    recipe = scene.recipe.updated({"model": {"name": base.name}})
    recipe = recipe.updated({"model": {"max_length": max_length(recipe, base)[0]}})
    task.bind(base.kind, models.tokenizer(base.folder))
    case = Case(task, (), (), recipe, scene.device, scene.bf16)
    kind = task.head().kind
    if kind == "span":
        return Judged(base.name, base=base)
    if kind in ("language", "corpus"):
        return _written(scene, case, base)
    if kind == "sequence":
        asked = _Features(frozen.encoder_of(case), scene.rows)
        if left := _left(scene, base, asked, case, ahead):
            return left
        asked.want(range(len(scene.rows)))
        features, targets, learn = _sequence(scene, asked, case)
    else:
        features, targets, learn = _tokens(scene, case)
    outputs, score = _validated(scene, task, learn)
    return Judged(base.name, False, base, score, outputs, transfer.logme(features, targets), learn=learn)


def _validated(scene: Scene, task: Task, learn: Learner) -> tuple[list[Any], Score]:
    outputs = [x for train, judged in scene.folds for x in learn(train, judged)]
    targets = [scene.rows[i].target for i in scene.judged]
    return outputs, task.score(outputs, targets, seed=scene.recipe.seed, resamples=RESAMPLES)[0]


_Known = tuple["NDArray[np.float64]", "NDArray[Any]", Learner]  # features, targets as numbers, a linear model on them


class _Features:
    """Of a frozen base, for the rows that were asked for.

    Args:
        encode: features (n, width) of rows.
    """

    def __init__(self, encode: Callable[[Sequence[Example]], NDArray[np.float64]], rows: Sequence[Example]) -> None:
        self._encode, self._rows = encode, rows
        self._known = np.zeros(len(rows), np.bool_)
        self.x = np.zeros((len(rows), 0))

    def want(self, numbers: Sequence[int]) -> None:
        """Have those of these rows."""
        new = [i for i in numbers if not self._known[i]]
        if new:
            got = self._encode([self._rows[i] for i in new])
            if not self.x.size:
                self.x = np.zeros((len(self._rows), got.shape[1]))
            self.x[new] = got
            self._known[new] = True


def _sequence(scene: Scene, features: _Features, case: Case) -> _Known:
    task, seed = case.task, scene.recipe.seed
    y = task.numbers([e.target for e in scene.rows])

    def learn(train: Sequence[int], judged: Sequence[int]) -> Sequence[Any]:
        got = _linear.fit(features.x[train], y[train], task, _linear.dense, _linear.DENSE_GRID, seed)
        return list(_linear.at_threshold(got, got.model(features.x[judged]), task))

    return features.x, y, learn


def _left(scene: Scene, base: models.Base, features: _Features, case: Case, ahead: Judged | None) -> Judged | None:
    """The base as it is left after a first look; None where the other rows are worth their time."""
    few = max(_FIRST, len(scene.rows) // 5)
    if ahead is None or ahead.learn is None or len(scene.rows) < 2 * few:
        return None
    drawn = seeds.rng(scene.recipe.seed, "first look").permutation(len(scene.rows))[:few]
    part = scene.only(drawn.tolist())
    if not all(train and judged for train, judged in part.folds):
        return None
    features.want(part.judged)
    both = []
    for learn in (_sequence(scene, features, case)[2], ahead.learn):
        outputs, score = _validated(part, case.task, learn)
        both.append(Judged(base.name, score=score, outputs=outputs))
    pair = compare(part, *both)
    sign = -1 if pair.metric in LOWER_IS_BETTER else 1
    if pair.low is None or pair.high is None or not max(sign * pair.low, sign * pair.high) < -_FAR:
        return None
    return Judged(base.name, base=base, behind=ahead.name, beside=pair, unfit=t(
        "left after {n} rows, clearly behind {x} (--model {m} looks at all)",
        "考察 {n} 行后已明显落后于 {x}，不再继续（加 --model {m} 则考察全部）", n=few, x=ahead.name, m=base.name))


def _tokens(scene: Scene, case: Case) -> _Known:
    rows, task, seed = frozen_words.reader_of(case)(scene.rows), case.task, scene.recipe.seed

    def learn(train: Sequence[int], judged: Sequence[int]) -> Sequence[Any]:
        model, _ = _words.fit([rows[i] for i in train], task, _linear.dense, _linear.DENSE_GRID, seed)
        answers: Sequence[Any] = _words.answers(model, [rows[i] for i in judged], task)
        return answers

    x, y = _words.stacked([r.features for r in rows]), np.concatenate([r.tags for r in rows])
    known = np.flatnonzero(y >= 0)[:_WORDS]
    return x[known], y[known], learn


def _written(scene: Scene, case: Case, base: models.Base) -> Judged:
    """By the right answers' likelihood, which an encoder that never filled masks nor wrote cannot give."""
    from weitiao.models.build import build

    if base.kind == "encoder":
        return Judged(base.name, base=base, unfit=t("it has no head of its own for this task, so it is not ranked",
                                               "该基座没有适用于此任务的输出头，无法排序"))
    task, recipe = case.task, case.recipe
    model = build(base, task.head(), pooling="auto", dropout=None, seed=recipe.seed).to(scene.device)
    bundle = Bundle(base.folder, model.bfloat16() if scene.bf16 else model, models.tokenizer(base.folder), scene.name,
                    task, Settings(int(recipe.model.max_length), False, recipe.clean.model_dump()))
    targets = [e.target for e in scene.rows]
    ask: Callable[..., list[Score]] = task.score_rows if task.likelihood else task.score
    costs = bundle.forward(scene.rows) if task.likelihood else bundle.outputs(scene.rows)
    scores = ask(costs, targets, seed=recipe.seed, resamples=RESAMPLES)
    return Judged(base.name, False, base, next(s for s in scores if s.name == "bits_per_byte"), costs)


def compare(scene: Scene, first: Judged, second: Judged) -> Paired:
    """First minus second on the rows that both were judged on."""
    from weitiao.metrics import likelihood

    assert first.score is not None, "only judged candidates are compared"
    how = {"seed": scene.recipe.seed, "resamples": RESAMPLES}
    if first.score.name == "bits_per_byte":
        return likelihood.compare(first.outputs, second.outputs, **how)
    return scene.task().compare(first.outputs, second.outputs, [scene.rows[i].target for i in scene.judged], **how)
