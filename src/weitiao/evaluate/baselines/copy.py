"""The source itself as the answer."""

from __future__ import annotations

from weitiao.evaluate.baselines import Baseline, Case

TITLE = ("copying the source", "照抄原文")


def make(case: Case) -> Baseline:
    """Learns nothing."""
    return Baseline([case.task.written(case.task.source(e)) for e in case.test], "copy", 0)
