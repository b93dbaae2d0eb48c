"""What bfloat16 costs: the gradient of an update beside that of float32.

bfloat16 keeps 8 bits of a number, an error of up to 2^-9 = 0.2 % at each rounding, which adds up over layers like steps
of a random walk. Masters, sums over passes, head and loss are float32, so the error does not grow with the number of
passes.
"""

from __future__ import annotations

from collections.abc import Iterator

from weitiao.certifying import Line
from weitiao.certifying.case import Case, apart, gradient_of
from weitiao.core.i18n import t

TITLE = ("the rounding of bfloat16", "bfloat16 的舍入误差")
BOUND = 0.1


def measure(case: Case) -> Iterator[Line]:
    """Where the run was tuned in bfloat16."""
    if case.plan.precision != "bf16":
        return
    with case.engine() as engine:
        passes = engine.batches(0)
        _, exact = gradient_of(engine, passes)
    with case.engine(precision="bf16") as engine:
        _, rounded = gradient_of(engine, passes)
    yield Line("precision", t("gradient in bf16 against fp32", "梯度：bf16 与 fp32 相比"), apart(rounded, exact), BOUND,
               "relative")
