"""What one process does in a search: trials until their share of the time is over, confirming, the full run.

>>> work(run, recipe, on_event, began=time.monotonic())     # run/result.json, run/report.html, run/best/

Any number of processes may do this at once; each ends when all is done.
"""

from __future__ import annotations

from collections.abc import Callable

from filelock import FileLock

from weitiao import events
from weitiao.recipe import Recipe, budget_seconds
from weitiao.run import Run
from weitiao.searching import ending
from weitiao.searching.clock import Clock
from weitiao.searching.confirm import confirm
from weitiao.searching.session import opened
from weitiao.searching.trials import run_trials


def work(run: Run, recipe: Recipe, on_event: Callable[[events.Event], None], began: float) -> None:
    """Work on the search until it is over. Raises what tuning raises; KeyboardInterrupt leaves all in order."""
    asked = run.manifest["search"]
    with Clock(run.folder, budget_seconds(asked["budget"]), began) as clock:
        found = opened(run, recipe, clock, on_event, final=asked["final"])
        on_event(events.Plan(tuple(ending.plan(found))))
        on_event(events.StageStarted("search", str(run.folder)))
        run_trials(found)
        confirmed = confirm(found)
        with FileLock(run.folder / ".ending.lock"):  # whoever comes second finds all done
            if not (run.folder / "result.json").is_file():
                ending.end(found, confirmed)
