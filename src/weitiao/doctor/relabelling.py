"""What rows are labelled anew, as the plan and the reviewed lists say; each label in the form that its row has.

>>> answers = Relabelling(plan, seen)
>>> answers("reviews.csv:17", "negative"), answers("reviews.csv:18", "negative")
('positive', 'negative')
>>> answers.unmet                # decided, but no row was there
['reviews.csv:99']
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.doctor import Seen
from weitiao.doctor.planning import Plan
from weitiao.doctor.reviewing import Decision, decisions


class Relabelling:
    """All decisions about rows, checked before anything is written.

    Raises RecipeError: `check.no_labels` where the task has no labels of whole rows, `check.bad_review` for a label
    that no row has, a number that is none, or two decisions about one row.
    """

    def __init__(self, plan: Plan, seen: Seen) -> None:
        head = seen.task.head()
        self._labels, self._kind = head.labels, head.problem_type if head.kind == "sequence" else ""
        self._separator = str(seen.task.options.model_dump().get("separator", ","))
        decided = {source: Decision(label, f"relabel.{source}") for source, label in plan.relabel.items()}
        for name in plan.review:
            for source, decision in decisions(Path(name)).items():
                if decided.setdefault(source, decision).label != decision.label:
                    raise _bad(t("{s} is decided twice", "{s} 有两个不同的决定", s=source), decision.where)
        if decided and not self._kind:
            raise RecipeError("check.no_labels", t("this task has no labels of whole rows that could be put right",
                                                   "该任务没有可更正的整行标签"), where="relabel",
                              expected=t("classification or regression", "分类或回归任务"),
                              fix=t("leave it out", "请去掉这一项"))
        self._new = {source: self._names(decision) for source, decision in decided.items()}
        self._met: set[str] = set()

    def __call__(self, source: str, old: Any) -> Any:
        """The row's new value; the old one where nothing was decided."""
        if source not in self._new:
            return old
        self._met.add(source)
        names = self._new[source]
        if isinstance(old, list):
            return list(names)
        if self._kind == "multi_label_classification":
            return self._separator.join(names) or "[]"  # an empty cell would be a missing label
        if isinstance(old, int | float) and not isinstance(old, bool):
            return float(names[0]) if self._kind == "regression" or not names[0].isdigit() else int(names[0])
        return names[0]

    @property
    def unmet(self) -> list[str]:
        return [source for source in self._new if source not in self._met]

    def _names(self, decision: Decision) -> Sequence[str]:
        """The labels that a decision names; of a number its text."""
        if self._kind == "regression":
            try:
                float(decision.label)
            except ValueError:
                raise _bad(t("{x!r} is no number", "{x!r} 不是数值", x=decision.label), decision.where) from None
            return (decision.label,)
        several = self._kind == "multi_label_classification" and decision.label not in self._labels
        if several and decision.label == "[]":
            return ()
        names = [x.strip() for x in decision.label.split("|")] if several else [decision.label]
        for name in names:
            if name not in self._labels:
                raise _bad(t("no row has the label {x!r}", "没有任何一行有标签 {x!r}", x=name), decision.where,
                           nearest(name, self._labels))
        return names


def _bad(what: str, where: str, fix: str = "") -> RecipeError:
    return RecipeError("check.bad_review", what, where=where, expected=t("a label of this data", "该数据的某个标签"),
                       fix=fix or t("put it right there", "请在该处改正"))
