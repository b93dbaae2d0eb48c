"""The order of the stages: prepare → check → select → tune → evaluate → report, in one run directory.

>>> result = tune("reviews.csv", model="e5-small", out="runs/reviews")
>>> result.verdict
'fine-tuning beats TF-IDF by 4.1 ± 0.6 points (n = 1,200)'

The whole recipe is checked first; a stage that is up to date is skipped; a run that stopped goes on with `resume`.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao import events
from weitiao.core import files, launcher, memory
from weitiao.core.errors import RecipeError, RunError
from weitiao.core.i18n import t
from weitiao.metrics import Score
from weitiao.recipe import Recipe
from weitiao.run import Run, machine

if TYPE_CHECKING:
    from weitiao.doctor import Checkup

OnEvent = Callable[[events.Event], None]
Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Result:
    """What a run ended with.

    Args:
        folder: the run directory.
        scores: the content of evaluate/scores.json.
        verdict: one sentence in the user's language.
        primary: the task's first metric on the test rows.
    """

    folder: Path
    scores: dict[str, Any]
    verdict: str
    primary: Score


def tune(data: Paths, *, validation: Paths = (), test: Paths = (), recipe: Recipe | None = None,
         out: str | Path | None = None, on_event: OnEvent | None = None, **settings: Any) -> Result:
    """Fine-tune a model on a file of labelled text and judge it on rows that it has not seen.

    Args:
        data: one or several files or folders with the training rows.
        validation, test: files; what is missing is set aside from the training rows.
        recipe: settings; all have defaults.
        out: a new folder for the run; by default `runs/<name of the file>-<number>`.
        on_event: called with each `weitiao.events.Event`.
        settings: shorthands laid over the recipe: `model=`, `task=`, `method=` (names), `epochs=` and any other
            key of the section tune, `seed=`.

    Raises:
        WeitiaoError: see docs/errors.md.
    """
    base = recipe or Recipe()
    return start(base.updated(shorthands(data, validation, test, settings)),
                 None if out is None else Path(out), on_event)


def check(data: Paths, *, validation: Paths = (), test: Paths = (), recipe: Recipe | None = None,
          out: str | Path | None = None, sections: Sequence[str] = (),
          thresholds: Mapping[str, Mapping[str, Any]] | None = None, tokenizer: bool = True,
          **settings: Any) -> Checkup:
    """Look for what is wrong with labelled data before anything is tuned on it. Nothing is changed.

    Args:
        data, validation, test, recipe, settings: as for `tune`.
        out, sections, thresholds, tokenizer: as for `weitiao.doctor.check`.

    Raises:
        WeitiaoError: see docs/errors.md.
    """
    from weitiao import doctor

    base = recipe or Recipe()
    return doctor.check(base.updated(shorthands(data, validation, test, settings)),
                        out=None if out is None else Path(out), sections=sections, thresholds=thresholds,
                        tokenizer=tokenizer)


def start(recipe: Recipe, out: Path | None = None, on_event: OnEvent | None = None, *, processes: int = 1,
          max_restarts: int = 0) -> Result:
    """A new run of a whole recipe; that in `out` goes on where torchrun or SLURM has started the job again."""
    if not recipe.data.train:
        raise RecipeError("recipe.no_data", t("no training file is named", "没有指定训练文件"), where="data.train",
                          expected="weitiao tune reviews.csv")
    if out and launcher.restarted() and _begun(out, recipe):
        return resume(out, on_event, processes=processes, max_restarts=max_restarts)
    run = Run.create(out or next_folder(recipe, "runs"), recipe.to_toml(), recipe.hash, {"asked": recipe.hash})
    with run.lock():
        resolved = begin(recipe, run, on_event or _silent)
        return _work(resolved, run, on_event or _silent, allow_inexact=False, processes=processes,
                     max_restarts=max_restarts)


def _begun(folder: Path, recipe: Recipe) -> bool:
    """Is the run of this very recipe there? One that died before anything of value was in it is removed."""
    if not (folder / "manifest.json").is_file() or (manifest := Run.open(folder).manifest)["asked"] != recipe.hash:
        return False
    if "resolved" not in manifest:
        shutil.rmtree(folder)
    return "resolved" in manifest


def begin(recipe: Recipe, run: Run, on_event: OnEvent) -> Recipe:
    """Prepare and select in a new run: the recipe without "auto". A run in which that fails is removed."""
    try:
        prepared(recipe, run, on_event)
        resolved = _select(recipe, run, on_event)
        _fits(resolved, run)
        return resolved
    except BaseException:
        # Nothing of value is in it yet: a wrong file must not leave an empty run behind.
        shutil.rmtree(run.folder, ignore_errors=True)
        raise


def resume(folder: str | Path, on_event: OnEvent | None = None, *, allow_inexact: bool = False,
           processes: int = 1, max_restarts: int = 0) -> Result:
    """Go on with a run that was stopped, to the same bytes as if it had not been; a finished run is left as it is.
    With as many `processes` as it was begun with; where one of them is lost it starts again up to `max_restarts` times.

    Raises RunError: `run.changed` when its recipe or data are no longer those it began with, `run.unbegun` when it was
    killed before tuning.
    """
    run = Run.open(Path(folder))
    with run.lock():
        run.sweep()
        recipe = Recipe.read(run.folder / "recipe.toml")
        manifest = run.manifest
        if "resolved" not in manifest:
            raise RunError("run.unbegun", t("it was killed before tuning began: there is nothing to go on from",
                                            "训练开始前就已被终止，没有可继续的进度"), where=str(run.folder),
                           fix=t("remove the folder and start again with: weitiao tune",
                                 "请删除该目录，用 weitiao tune 重新开始"))
        if recipe.hash != manifest["resolved"]:
            raise _changed(run.folder / "recipe.toml")
        for stage in ("prepare", "select"):
            for name, digest in manifest["stages"][stage]["files"].items():
                path = run.folder / stage / name
                if not path.is_file() or files.sha256(path) != digest:
                    raise _changed(path)
        return _work(recipe, run, on_event or _silent, allow_inexact=allow_inexact, processes=processes,
                     max_restarts=max_restarts)


def _work(recipe: Recipe, run: Run, on_event: OnEvent, *, allow_inexact: bool, processes: int,
          max_restarts: int) -> Result:
    """The stages from tuning on; each is skipped when it is done for this recipe and data."""
    from weitiao import evaluate as evaluating
    from weitiao import report as reporting
    from weitiao import together

    with _stage(run, "tune", recipe.hash, on_event) as todo:
        if todo:
            together.tune(recipe, run, on_event, allow_inexact=allow_inexact, processes=processes,
                          max_restarts=max_restarts)
        elif launcher.size() > 1:
            together.dismiss()
    with _stage(run, "evaluate", recipe.hash, on_event) as todo:
        if todo:
            evaluating.evaluate(recipe, run)
    with _stage(run, "report", recipe.hash, on_event) as todo:
        if todo:
            reporting.report(recipe, run)
    scores = files.read_json(run.folder / "evaluate" / "scores.json")
    on_event(events.Verdict(lines=tuple(evaluating.summary(scores)), folder=str(run.folder)))
    return Result(run.folder, scores, evaluating.verdict(scores), Score(**scores["metrics"][0]))


def prepared(recipe: Recipe, run: Run, on_event: OnEvent) -> None:
    """The first stage alone, with what it tells."""
    from weitiao import prepare as preparing

    with _stage(run, "prepare", recipe.hash, on_event) as todo:
        if todo:
            preparing.prepare(recipe, run)
    run.note(data=files.read_json(run.folder / "prepare" / "report.json")["fingerprint"])
    report = files.read_json(run.folder / "prepare" / "report.json")
    understood, verdict = preparing.summary(report)
    on_event(events.Understood(lines=tuple(understood)))
    if recipe.check.mode == "off":
        on_event(events.DataVerdict(lines=tuple(verdict)))
    else:
        _check(recipe, run, verdict, on_event)


def _check(recipe: Recipe, run: Run, verdict: Sequence[str], on_event: OnEvent) -> None:
    """The data doctor's quick look at the prepared rows. Raises DataError `check.stopped`."""
    from weitiao.doctor import quick

    if not run.done("check", recipe.hash):
        started = time.perf_counter()
        quick.stage(recipe, run)
        run.finish("check", recipe.hash, time.perf_counter() - started)
    found = files.read_json(run.folder / "check" / "report.json")
    on_event(events.DataVerdict(lines=(*verdict, *quick.lines(found, recipe))))
    quick.stop_if_hopeless(found, recipe)


def _select(recipe: Recipe, run: Run, on_event: OnEvent) -> Recipe:
    from weitiao import select as selecting

    with _stage(run, "select", recipe.hash, on_event):
        resolved = selecting.select(recipe, run, progress=lambda name, done, total: on_event(
            events.Download(name=name, done=done, total=total)))
    files.write_text(run.folder / "recipe.toml", resolved.to_toml())
    memory.release()
    # What preparing leaves in the process stays while it tunes: `tuning.costs` measures in another process.
    run.note(resolved=resolved.hash, machine=machine(), resident=memory.resident())
    decision = files.read_json(run.folder / "select" / "decision.json")
    on_event(events.Plan(lines=tuple(selecting.summary(decision, resolved))))
    return resolved


def _fits(recipe: Recipe, run: Run) -> None:
    """Raises TrainingError where weights and optimiser alone are more than this machine has."""
    from weitiao import models, splits
    from weitiao.tuning import fits

    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    # Among how many ranks the weights are parted is known when these have met: the stage tune looks again.
    share = 0.0 if recipe.tune.shard == "full" else 1.0
    fits.bound(recipe, base, run.folder, splits.load_task(run)[1].head().kind, share=share)


@contextmanager
def _stage(run: Run, name: str, key: str, on_event: OnEvent) -> Iterator[bool]:
    """True where the stage has work to do; records its end with its time and the hashes of its files."""
    if run.done(name, key):
        yield False
        return
    on_event(events.StageStarted(stage=name, folder=str(run.folder)))
    started = time.perf_counter()
    yield True
    run.finish(name, key, time.perf_counter() - started)


def shorthands(data: Paths, validation: Paths, test: Paths, settings: dict[str, Any]) -> dict[str, Any]:
    """Keyword shorthands as a tree for `Recipe.updated`."""
    tree: dict[str, Any] = {"data": {"train": _paths(data), "validation": _paths(validation), "test": _paths(test)}}
    tune_keys: dict[str, Any] = {}
    for key, value in settings.items():
        if key == "seed":
            tree["seed"] = value
        elif key == "model":
            tree["model"] = {"name": str(value)}
        elif key in ("task", "method"):
            tree[key] = {"name": value} if isinstance(value, str) else value
        else:
            tune_keys[key] = value
    if tune_keys:
        tree["tune"] = tune_keys
    return tree


def _paths(value: Paths) -> tuple[str, ...]:
    return (str(value),) if isinstance(value, str | Path) else tuple(map(str, value))


def next_folder(recipe: Recipe, parent: str) -> Path:
    """<parent>/<name of the first file>-<first free number>."""
    first = Path(recipe.data.train[0])
    # A file called train.csv says less than the folder it lies in.
    name = first.resolve().parent.name if first.stem.split(".")[0] in ("train", "data") else first.stem.split(".")[0]
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    return next(p for i in range(1, 10**6) if not (p := Path(parent) / f"{stem}-{i}").exists())


def _changed(path: Path) -> RunError:
    return RunError("run.changed", t("changed since the run began: it cannot be continued to the same result",
                                     "自运行开始后已被修改，无法继续得到相同结果"), where=str(path),
                    fix=t("start a new run with: weitiao tune", "请用 weitiao tune 重新开始"))


def _silent(_: events.Event) -> None:
    """Where nobody listens."""
