"""Several processes learn what one does: `--nproc`, torchrun."""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.certifying import Line, ranked
from weitiao.certifying.case import GRADIENT, Case, apart, gradient_of, varied
from weitiao.core.i18n import t

TITLE = ("one gradient for every number of processes", "梯度与进程数无关")
_RANKS = 2


def measure(case: Case) -> Iterator[Line]:
    """The gradient and the loss of an update by two processes against one."""
    with case.engine() as engine:
        rows = varied(engine)
        loss, wanted = gradient_of(engine, ranked.passes(rows))
    told, gradient = ranked.by_ranks(case, _RANKS)
    said = t("of {n} rows by {k} processes against one", "{n} 行，{k} 个进程与一个进程相比", n=len(rows), k=_RANKS)
    yield Line("ranks", t("gradient {s}", "梯度：{s}", s=said), apart(gradient, wanted), GRADIENT, "relative")
    yield Line("ranks", t("loss {s}", "损失：{s}", s=said), abs(told / loss - 1), 1e-5, "relative")
