"""An answer depends on its own row alone: not on what stands in the same batch, nor on the order."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from weitiao.certifying import Line
from weitiao.certifying.case import Case
from weitiao.certifying.comparing import differences
from weitiao.core.i18n import t
from weitiao.tuning.loop import Rows
from weitiao.tuning.validate import rows_and_loss

TITLE = ("answers for every batch size and order", "预测与批大小和顺序无关")
NUMBERS, LOSS = 1e-4, 1e-5  # of probabilities and scores; of the mean loss


def measure(case: Case) -> Iterator[Line]:
    """The tuned model's answers to the drawn test rows, one by one, together and in reverse."""
    tuned, rows = case.bundle(), case.drawn("test")
    if not rows:
        return
    wanted = tuned.task.decode(tuned.outputs(rows, batch_tokens=1))
    others = {t("together", "成批"): tuned.outputs(rows, batch_tokens=8192),
              t("in reverse", "逆序"): list(tuned.outputs(rows[::-1]))[::-1]}
    for how, outputs in others.items():
        said = t("{n} test rows {h}, against one by one", "{n} 条测试数据，{h}与逐条相比", n=len(rows), h=how)
        number, other = differences(tuned.task.decode(outputs), wanted)
        yield Line("evaluation", t("answers that differ: {s}", "不同的答案：{s}", s=said), float(other), 0.0, "answers")
        yield Line("evaluation", t("numbers in the answers: {s}", "答案中的数值：{s}", s=said), number, NUMBERS,
                   "absolute")
    yield from _loss(case)


def _loss(case: Case) -> Iterator[Line]:
    """The mean loss on the drawn rows, in passes of one row and of many."""
    task = case.task()
    made = case.ready(case.exact(), task)
    part: Rows = made.rows["validation"] if made.rows["validation"].encoded else made.rows["train"]
    one, many = (rows_and_loss(made.model, task, part, torch.device("cpu"), most_tokens=tokens)[1]
                 for tokens in (1, 8192))
    said = t("loss of {n} rows, together against one by one", "{n} 行的损失，成批与逐条相比", n=len(part.encoded))
    yield Line("evaluation", said, abs(many / one - 1), LOSS, "relative")
