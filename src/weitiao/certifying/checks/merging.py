"""The saved model is what tuning ended with: the best weights on disk, adapters beside the base, against model/."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from weitiao import splits
from weitiao.bundle import Bundle
from weitiao.certifying import Line
from weitiao.certifying.case import Case
from weitiao.core.i18n import t
from weitiao.models.spec import INPUTS
from weitiao.tasks import Task
from weitiao.tuning import checkpoint
from weitiao.tuning.loop import Engine

TITLE = ("saved and merged as tuned", "保存与合并后与训练结果一致")
LOGITS = 1e-4  # of the largest logit


def measure(case: Case) -> Iterator[Line]:
    """Logits of drawn training rows."""
    task, tuned = case.task(), case.bundle()
    parts = {part: splits.load(case.run, part) for part in ("train", "validation")}
    with case.session(case.exact(), task, parts) as session:  # all rows: their words are what learnt
        engine = session.engine
        engine.weights.load(checkpoint.read(case.run.folder / "tune" / "best")[0])
        engine.model.eval()
        rows = range(min(case.rows, len(engine.rows.encoded)))
        largest = max(_apart(engine, tuned, task, row) for row in rows)
    yield Line("merging", t("logits of {n} rows, the best weights of tuning (method {m}) against model/",
                            "{n} 行的 logits，训练所得最佳权重（方法 {m}）与 model/ 相比", n=len(rows),
                            m=case.recipe.method["name"]), largest, LOGITS, "relative")


@torch.no_grad()
def _apart(engine: Engine, tuned: Bundle, task: Task, row: int) -> float:
    batch = engine.rows.batch([row], task, engine.device)
    inputs = {k: batch[k] for k in INPUTS if k in batch}
    before, after = engine.model(**inputs), tuned.model(**inputs)
    return float((before - after).abs().max() / after.abs().max())
