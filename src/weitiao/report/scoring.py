"""The scores' part of the page: comparison, all metrics, label by label, confusion matrix.

>>> labels(metrics)[0].label, labels(metrics)[0].recall
('film', '90.5 %')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weitiao.metrics import naming
from weitiao.report import charts
from weitiao.report.view import Cell, ClassRow, Confusion, MetricRow, Pair

Score = Mapping[str, Any]
MOST_LABELS = 25  # a larger matrix cannot be read; its largest confusions can
_MOST_PAIRS = 15


def rows(metrics: Sequence[Score]) -> tuple[MetricRow, ...]:
    """Every metric that is not of one label alone and not another one's double."""
    return tuple(MetricRow(naming.metric(m["name"]), naming.number(m["name"], m["value"]),
                           naming.interval(m["name"], m["low"], m["high"]), f"{m['n']:,}", m["signature"])
                 for m in metrics if "[" not in m["name"] and not m["signature"].startswith("equals"))


def labels(metrics: Sequence[Score]) -> tuple[ClassRow, ...]:
    """Precision, recall and F1 of each label, worst F1 first; () for a task without labels."""
    found = {m["name"]: m for m in metrics}
    names = [n.removeprefix("recall[")[:-1] for n in found if n.startswith("recall[")]
    made = [_label(name, *(found[f"{m}[{name}]"] for m in ("f1", "precision", "recall"))) for name in names]
    return tuple(sorted(made, key=lambda row: row.share))


def _label(name: str, f1: Score, precision: Score, recall: Score) -> ClassRow:
    def both(m: Score) -> tuple[str, str]:
        return naming.number("f1", m["value"]), naming.interval("f1", m["low"], m["high"])

    return ClassRow(name, f"{recall['n']:,}", round(100 * f1["value"], 1), naming.number("f1", f1["value"]),
                    *both(precision), *both(recall))


def bar(name: str, score: Score, *, main: bool = False) -> charts.Bar:
    """One line of the comparison chart."""
    metric, low, high = score["name"], score["low"], score["high"]
    return charts.Bar(name, score["value"], low, high, naming.number(metric, score["value"]),
                      naming.interval(metric, low, high), main)


def confusion(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Confusion:
    """The matrix with its largest confusions; beyond 25 labels only these. `counts[truth][answer]`."""
    totals = [max(1, sum(line)) for line in counts]
    pairs = [(n, i, j) for i, line in enumerate(counts) for j, n in enumerate(line) if i != j and n]
    pairs.sort(key=lambda p: (-p[0], p[1], p[2]))
    top = tuple(Pair(names[i], names[j], n, f"{100 * n / totals[i]:.1f} %") for n, i, j in pairs[:_MOST_PAIRS])
    if len(names) > MOST_LABELS:
        return Confusion(tuple(names), (), top)
    cells = tuple(tuple(Cell(n, round(0.85 * n / totals[i], 3), f"{100 * n / totals[i]:.1f} %", i == j)
                        for j, n in enumerate(line)) for i, line in enumerate(counts))
    return Confusion(tuple(names), cells, top if len(names) > 5 else ())
