"""Trials that several processes share and that outlive any of them: Optuna on a journal file.

>>> study = Study(folder, space.distributions(recipe), space.defaults(recipe), maximise=True, seed=1, folds=False)
>>> with study.claim() as trial:          # a trial that a dead worker left behind, else a new one
...     trial.report(0.81, 2); study.tell(trial, 0.84)

A trial belongs to the process that holds the lock of its folder. That is a lock of the operating system: it dies with
its process, so a trial that is running in the journal and whose lock is free was left behind, and whoever finds it goes
on with that very trial, from its last checkpoint. No heartbeat and no waiting is needed, and a search that was killed
ends with the same trials as one that was not.

Stopping early: successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning",
arXiv:1810.05934) where there are validation rows: half of the trials are stopped at a quarter of their course, half of
the rest in the middle. Not Hyperband, which is the same over several rungs at once: Optuna then shows its sampler the
trials of one rung only, and the tens of trials of an hour would be too few for each to learn from. With folds: a signed
rank test against the best trial over blocks of rows (`WilcoxonPruner`).

The sampler (TPE, Bergstra et al. 2011) is made anew for each trial from the seed and the trial's number, so that what
is tried next follows from seed and history alone, not from which process asks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, SuccessiveHalvingPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from weitiao.core.i18n import t
from weitiao.core.seeds import key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.distributions import BaseDistribution

COURSE = 8  # validations of a trial, at equal shares of its own steps
_FIRST, _KEPT = 2, 2  # the first may stop it after a quarter; one in two goes on
_STARTUP = 8  # trials drawn at random before the sampler learns
_SURE = 0.1  # p below which a trial's blocks are behind those of the best
_ATTEMPTS = 3  # a trial that takes its process down with it must not do so for ever
_NAME = "search"


class Study:
    """The trials of a search.

    Args:
        folder: the search's; trials lie in `trials/<number>`.
        distributions: what is drawn, by the recipe's keys.
        defaults: the values of trial 0, which is never stopped early.
        maximise: is more of the metric better?
        seed: decides what is drawn.
        folds: trials are cross-validated.
    """

    def __init__(self, folder: Path, distributions: Mapping[str, BaseDistribution], defaults: Mapping[str, Any], *,
                 maximise: bool, seed: int, folds: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder, self.distributions = folder, dict(distributions)
        self._claiming = FileLock(folder / ".claim.lock")
        with self._claiming:
            self._study = optuna.create_study(
                storage=_storage(folder / "journal.log"), study_name=_NAME, load_if_exists=True,
                direction="maximize" if maximise else "minimize", sampler=Seeded(seed), pruner=_pruner(folds=folds))
            if not self._study.get_trials(deepcopy=False):
                self._study.enqueue_trial(dict(defaults))

    @contextmanager
    def claim(self) -> Iterator[Trial]:
        """A trial to work on, which is this process's until the block ends."""
        with self._claiming:
            trial, lock = self._left_behind() or self._new()
        try:
            yield trial
        finally:
            lock.release()

    def tell(self, trial: Trial, value: float | None, state: str = "done", why: str = "") -> None:
        """The end of a trial: "done", "pruned" (how far it came still teaches the sampler), "cut" or "failed"."""
        trial.set_user_attr("state", state)
        if why:
            trial.set_user_attr("why", why)
        kind = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(state, TrialState.FAIL)
        self._study.tell(trial, value if kind == TrialState.COMPLETE else None, kind)

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """All of them as the journal has them now."""
        return self._study.get_trials(deepcopy=False)

    @property
    def done(self) -> list[FrozenTrial]:
        """Those that came to their end."""
        return [x for x in self.trials if x.state == TrialState.COMPLETE]

    @property
    def best(self) -> FrozenTrial | None:
        """The best of these; the first one of equals, which is the default where it is among them."""
        sign = 1 if self._study.direction == optuna.study.StudyDirection.MAXIMIZE else -1
        return max(self.done, key=lambda x: (sign * _value(x), -x.number), default=None)

    def busy(self) -> bool:
        """Is another process at work on a trial?"""
        with self._claiming:
            for trial in self.trials:
                if trial.state == TrialState.RUNNING:
                    try:
                        self._lock(trial.number).release()
                    except Timeout:
                        return True
        return False

    def close(self) -> None:
        """Give up the trials that dead processes left behind: the time for them is over."""
        with self._claiming:
            while (found := self._left_behind()) is not None:
                trial, lock = found
                self.tell(trial, None, "cut")
                lock.release()

    def importances(self) -> dict[str, float]:
        """How much each setting decides, as shares of 1 (PED-ANOVA; Watanabe et al. 2023, arXiv:2304.10255), the
        largest first; nothing from fewer than four trials that came to their end with different values."""
        if len(self.done) < 4 or len({_value(x) for x in self.done}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is new in Optuna
            return {k: float(v) for k, v in optuna.importance.get_param_importances(self._study).items()}

    # -- which trial -----------------------------------------------------------------------------------------------

    def _left_behind(self) -> tuple[Trial, FileLock] | None:
        for found in self.trials:
            if found.state != TrialState.RUNNING:
                continue
            try:
                lock = self._lock(found.number)
            except Timeout:
                continue
            trial = Trial(self._study, found._trial_id)
            attempts = found.user_attrs.get("attempts", 1)
            if attempts >= _ATTEMPTS:
                self.tell(trial, None, "failed", t("its process died {n} times", "其进程中断了 {n} 次", n=attempts))
                lock.release()
                continue
            trial.set_user_attr("attempts", attempts + 1)
            return self._drawn(trial), lock
        return None

    def _new(self) -> tuple[Trial, FileLock]:
        trial = self._study.ask()
        return self._drawn(trial), self._lock(trial.number)

    def _drawn(self, trial: Trial) -> Trial:
        for name, distribution in self.distributions.items():
            _draw(trial, name, distribution)
        return trial

    def _lock(self, number: int) -> FileLock:
        folder = self.folder / "trials" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
        return lock


def _draw(trial: Trial, name: str, distribution: BaseDistribution) -> None:
    """A value for a setting; the one that it has already where the trial was taken up again."""
    if isinstance(distribution, CategoricalDistribution):
        trial.suggest_categorical(name, distribution.choices)
    elif isinstance(distribution, IntDistribution):
        trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    elif isinstance(distribution, FloatDistribution):
        trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def report(trial: Trial, value: float, step: int) -> bool:
    """Tell the study an intermediate value; should the trial stop? (Trial 0 never should.) A trial that was taken up
    again says some of them twice."""
    known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    if step not in known:
        trial.report(value, step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of blocks on which the best trial has no value
        return trial.should_prune() and trial.number > 0


class Seeded(BaseSampler):
    """TPE whose random numbers depend on the seed and the trial's number only."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._now = TPESampler(n_startup_trials=_STARTUP, seed=0)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        seed = key(self._seed, "trial", trial.number) % 2**32
        self._now = TPESampler(n_startup_trials=_STARTUP, seed=seed)
        self._now.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._now.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial,
                        search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return self._now.sample_relative(study, trial, search_space)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str,
                           param_distribution: BaseDistribution) -> Any:
        return self._now.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState,
                    values: Sequence[float] | None) -> None:
        self._now.after_trial(study, trial, state, values)


class SystemLock:
    """The journal's lock. Optuna's own are files that a killed process leaves behind, for half a minute at best."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


def _storage(path: Path) -> JournalStorage:
    lock = SystemLock(path.with_name(".journal.lock"))
    if path.exists():
        lock.acquire()
        try:
            _mend(path)
        finally:
            lock.release()
    # The class that Optuna's locks derive from is not public; these two methods are all that it asks of one.
    return JournalStorage(JournalFileBackend(str(path), lock_obj=cast("Any", lock)))


def _mend(path: Path) -> None:
    """Drop a last line that a power cut left half written: everything after it would be unreadable."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("r+b") as f:
            f.truncate(data.rfind(b"\n") + 1)


def _pruner(*, folds: bool) -> BasePruner:
    if not folds:
        return SuccessiveHalvingPruner(min_resource=_FIRST, reduction_factor=_KEPT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is new in Optuna
        return WilcoxonPruner(p_threshold=_SURE)


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, "a trial that came to its end has a value"
    return trial.value
