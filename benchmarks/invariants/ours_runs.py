"""weitiao's long runs, to be killed and damaged by faults.py like the peer's: `pipeline.start` and `pipeline.resume`,
which are `weitiao tune` and `weitiao tune --resume`.

    python ours_runs.py WORK KILLS                      # writes WORK/weitiao-runs.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - these are imported before the fork, as all below: a child starts in no time
from ours import recipe
from safetensors.torch import load_file

import weitiao.evaluate
import weitiao.models.build
import weitiao.prepare
import weitiao.report
import weitiao.select
import weitiao.tuning.stage
from faults import SAVE_EVERY, UPDATES, Bench, Job, Misfortune, Side, beside, ended
from weitiao import events, pipeline
from weitiao.core.errors import WeitiaoError
from weitiao.recipe import Recipe

SETTINGS = {"plain": ("classification-small", "classification"), "masked": ("masked-LM-small", "masked LM")}


def main() -> None:
    work, kills = Path(sys.argv[1]), int(sys.argv[2])
    found: dict[str, Any] = {"version": weitiao.__version__, "kills": {}}
    for setting, (folder, _) in SETTINGS.items():
        bench = Bench(SIDE, Job(work / folder, setting), work / f"weitiao-runs-{setting}", "ours_runs")
        found["kills"][setting] = [bench.kills(kills, aimed=False)]
        if setting == "plain":
            found["kills"][setting].append(bench.kills(kills, aimed=True))
            found |= damaged(bench)
    (work / "weitiao-runs.json").write_text(json.dumps(found))


def damaged(bench: Bench) -> dict[str, Any]:
    code, out = bench.poisoned()
    error = next(line for line in beside(out, "said").read_text().splitlines() if line.startswith("["))
    nan = {"exit": code, "said": error.rpartition(": ")[2], "checkpoint": SIDE.checkpoint(out).name,
           "bad_weights": bad(SIDE.checkpoint(out) / "state.safetensors"),
           "resumed": bench.resumed(bench.job, out)[0]}
    names = bench.of_checkpoint()
    stopped = bench.stopped()
    others = sorted(str(p.relative_to(stopped)) for p in stopped.rglob("*")
                    if p.is_file() and "checkpoints" not in p.parts and p.stat().st_size)
    return {"flips": bench.flips(names), "flips_elsewhere": bench.flips(others, 1), "missing": bench.missing(names),
            "other_rows": bench.other_rows(), "other_batch": bench.other_batch(), "finished": bench.finished(),
            "nan": nan}


def run(job: Job, out: Path) -> None:
    """Begin the run in `out`, or go on with it; ends as the command line does."""
    fate = Misfortune(job, out)

    def listen(event: events.Event) -> None:
        if isinstance(event, events.StageStarted) and event.stage == "evaluate":
            ended(out)
        elif isinstance(event, events.Progress):
            fate.after(event.step)
        elif isinstance(event, events.Note):
            print(event.text)

    asked = recipe(job.folder, SETTINGS[job.setting][1], steps=UPDATES, save_every=SAVE_EVERY)
    try:
        if not out.is_dir():
            pipeline.start(asked, out, listen)
        else:
            if job.batch != asked.tune.batch_size:
                edit(out / "recipe.toml", job.batch)
            pipeline.resume(out, listen)
    except WeitiaoError as e:
        print(e)
        sys.exit(e.exit_code)


def edit(path: Path, batch: int) -> None:
    """A resumed run takes no settings: somebody writes into its recipe."""
    path.write_text(Recipe.read(path).updated({"tune": {"batch_size": batch}}).to_toml(), encoding="utf-8")


def saving(out: Path) -> bool:
    """Is something there under a temporary name?"""
    return any(True for folder in (out / "tune", out / "tune" / "checkpoints") if folder.is_dir()
               for _ in folder.glob(".*"))


def checkpoint(out: Path) -> Path:
    return max((p for p in (out / "tune" / "checkpoints").iterdir() if p.name.isdigit()), key=lambda p: int(p.name))


def bad(path: Path) -> float:
    """Share of the numbers that are not finite."""
    tensors = load_file(path).values()
    return sum(int((~t.isfinite()).sum()) for t in tensors) / sum(t.numel() for t in tensors)


SIDE = Side(run, saving, checkpoint, lambda out: out / "model" / "model.safetensors")


if __name__ == "__main__":
    main()
