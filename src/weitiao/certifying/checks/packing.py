"""Rows that are laid end to end in one do not see one another: packed and padded give one gradient."""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.certifying import Line
from weitiao.certifying.case import GRADIENT, Case, apart, gradient_of, varied
from weitiao.core.i18n import t
from weitiao.models import kind_of

TITLE = ("packed rows do not see one another", "打包的行互不可见")


def measure(case: Case) -> Iterator[Line]:
    """Of decoders that write answers, whether the run packs or not."""
    if "packing" not in case.recipe.task or kind_of(case.run.folder / "model") != "decoder":
        return
    found = []
    for packing in (False, True):
        with case.engine(case.task(packing=packing)) as engine:
            rows = varied(engine)
            found.append(gradient_of(engine, [rows]))
    said = t("gradient of {n} rows, packed against padded", "梯度：{n} 行，打包与填充相比", n=len(rows))
    yield Line("packing", said, apart(found[1][1], found[0][1]), GRADIENT, "relative")
