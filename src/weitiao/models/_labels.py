"""A checkpoint's labels and ours, matched by name and never by position.

>>> Labels(config, HeadSpec(2, "single_label_classification", ("bad", "good"))).order()   # theirs: 0 good, 1 bad
[1, 0]
"""

from __future__ import annotations

from typing import Any

from weitiao.core.i18n import t
from weitiao.models.spec import HeadSpec


class Labels:
    """What the checkpoint's config says about its outputs, beside what the task wants."""

    def __init__(self, config: Any, head: HeadSpec) -> None:
        self.head = head
        self.theirs = tuple(str(config.id2label[i]) for i in sorted(config.id2label))
        self._regression = config.problem_type == "regression" and len(self.theirs) == head.outputs

    @property
    def same(self) -> bool:
        """Does their head answer our question?"""
        if not self.head.labels:
            return self.head.problem_type == "regression" and self._regression
        return sorted(self.theirs) == sorted(self.head.labels)

    def order(self) -> list[int]:
        """For each of our outputs, the row of theirs. Only where `same`."""
        if not self.head.labels:
            return list(range(self.head.outputs))
        return [self.theirs.index(name) for name in self.head.labels]

    def write(self, config: Any) -> None:
        """Our labels into the config that is loaded with and saved."""
        names = self.head.labels or tuple(f"LABEL_{i}" for i in range(self.head.outputs))
        config.id2label = dict(enumerate(names))
        config.label2id = {name: i for i, name in enumerate(names)}
        config.problem_type = self.head.problem_type

    def notes(self) -> list[str]:
        """For a person, where the checkpoint has a head."""
        shown = ", ".join(self.theirs[:5]) + (" …" if len(self.theirs) > 5 else "")
        if self.same:
            return [t("the checkpoint's own head is kept, its rows matched by name ({x})",
                      "沿用模型自带的分类头，按名称对应（{x}）", x=shown)]
        return [t("the checkpoint's own labels ({x}) are others: a new head is drawn",
                  "模型自带的标签（{x}）不同：新建分类头", x=shown)]
