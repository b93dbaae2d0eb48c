"""One update has one gradient and one loss, however its rows are laid into forward passes.

The reference goes row by row, so nothing is padded; the others are padded in different ways. What divides each pass by
its own count, as many trainers do, is off by tenths here.
"""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.certifying import Line
from weitiao.certifying.case import GRADIENT, Case, apart, gradient_of, varied
from weitiao.core.i18n import t
from weitiao.tuning.batches import pack

TITLE = ("one gradient for every split of an update", "一次更新的梯度与拆分方式无关")
LOSS = 1e-5


def measure(case: Case) -> Iterator[Line]:
    """The run's own passes, quarters and a ragged split against row by row."""
    with case.engine() as engine:
        rows = varied(engine)
        loss, wanted = gradient_of(engine, [[row] for row in rows])
        how = engine.batches
        own = list(pack(rows, how.sizes, how.micro_batch_size, how.micro_batch_tokens))
        splits = {t("as this run tunes", "本次运行的方式"): own,
                  t("in passes of {k}", "每次 {k} 行", k=max(1, len(rows) // 4)): _every(rows, max(1, len(rows) // 4)),
                  t("in ragged passes", "长短不一地"): _ragged(rows)}
        for name, passes in splits.items():
            got, gradient = gradient_of(engine, passes)
            said = t("of {n} rows, {h}, against one by one", "{n} 行，{h}，与逐行相比", n=len(rows), h=name)
            yield Line("accumulation", t("gradient {s}", "梯度：{s}", s=said), apart(gradient, wanted), GRADIENT,
                       "relative")
            yield Line("accumulation", t("loss {s}", "损失：{s}", s=said), abs(got / loss - 1), LOSS, "relative")


def _every(rows: list[int], size: int) -> list[list[int]]:
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _ragged(rows: list[int]) -> list[list[int]]:
    """Passes of 1, 2, 3, … rows, from the other end."""
    left = rows[::-1]
    passes: list[list[int]] = []
    while left:
        size = len(passes) + 1
        passes.append(left[:size])
        left = left[size:]
    return passes
