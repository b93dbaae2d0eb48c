"""What becomes of an update whose loss or gradient is not a finite number: `tune.non_finite`.

>>> for update in enduring(session, start=0, steps=100, note=print):
...     update.left_out                         # None but for updates that were not made

stop: the run ends and names step and rows; the last checkpoint is whole. skip: the update is left out, rate and order
of the rows go on. roll_back: weights and moments of the last regular checkpoint are taken up again, and all updates
since are left out, as Chowdhery et al. 2022 ("PaLM", arXiv:2204.02311, section 5.1) did at spikes of the loss.

Each one left out is a line of metrics.jsonl and is said on the screen. Which ones they are follows from the run's
bytes, so a resumed run leaves out the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from weitiao.core.i18n import t
from weitiao.tuning.loop import SHOWN, LeftOut, NonFinite, Update, updates

if TYPE_CHECKING:
    from weitiao.tuning.session import Session

MOST = 10  # in a row: what comes after so many is no training


def enduring(session: Session, start: int, steps: int, note: Callable[[str], None]) -> Iterator[Update]:
    """Updates `start` to `steps` − 1 as `loop.updates` makes them; those left out come with `left_out`.

    Raises NonFinite by the session's policy, or after `MOST` in a row; what else `loop.updates` raises.
    """
    while start < steps:
        try:
            for update in updates(session.engine, start, steps):
                start, session.left_out = update.step, 0
                yield update
        except NonFinite as e:
            if session.policy == "stop" or session.left_out == MOST:
                raise
            update = _without(session, e)
            note(_said(e, update))
            start, session.left_out = update.step, session.left_out + 1
            yield update


def _without(session: Session, e: NonFinite) -> Update:
    session.engine.weights.clear()
    back = session.go_back(e.step) if session.policy == "roll_back" else e.step
    return Update(e.step + 1, math.nan, 0.0, math.nan, 0, 0, session.engine.batches.micro_batch_size,
                  LeftOut(e.named, tuple(e.sources[:SHOWN]), back))


def _said(e: NonFinite, update: Update) -> str:
    assert update.left_out, "it was not made"
    if update.left_out.back_to == e.step:
        return t("{w}: this update is left out", "{w}：跳过这次更新", w=_place(e))
    return t("{w}: back to the weights after step {b}, without the updates since", "{w}：退回第 {b} 步后的权重，"
             "舍弃其后的更新", w=_place(e), b=update.left_out.back_to)


def _place(e: NonFinite) -> str:
    return f"{e.what} ({e.where})" if e.where else e.what
