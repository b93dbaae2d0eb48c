"""`weitiao evaluate RUN other.csv`: the tuned model's scores on another labelled file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weitiao.cli.options import Columns, Device, Encoding, Format, Json, Lang, Quiet, pairs
from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.screen import Screen

if TYPE_CHECKING:
    from weitiao.bundle import Bundle
    from weitiao.example import Example
    from weitiao.predicting import Rows
    from weitiao.tasks import Noun, Task


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=t("A run's or a model's folder.", "运行目录或模型目录。"))],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help=t(
        "Rows with the right answers.", "带正确答案的数据。"))],
    format: Format = "auto",
    encoding: Encoding = "auto",
    columns: Columns = "",
    baselines: Annotated[bool, typer.Option("--baselines", help=t(
        "Let the run's baselines answer the same rows, too.", "让该运行的基线也回答同样的数据。"))] = False,
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> None:
    """One parameter a flag; see `weitiao evaluate --help`."""
    from weitiao import predicting
    from weitiao.run import Run

    rows = predicting.Rows(tuple(files), format, encoding, pairs(columns, "--columns"))
    rows.check()
    if baselines:
        Run.open(run)  # a mere model folder has no training rows: say so before the model is loaded
    tuned = predicting.load(run, device)
    with Screen(quiet=quiet, as_json=as_json) as screen:
        screen.say(t("Judging on {f} …", "正在用 {f} 评估……", f=", ".join(map(str, files))), style="dim")
        from weitiao.evaluate import evaluate_file

        examples, reasons = _read(tuned, rows)
        scores = evaluate_file(tuned, examples, run=Run.open(run) if baselines else None)
        scores |= {"bad_rows": len(reasons), "unlabelled_rows": sum(e.target is None for e in examples),
                   "counted": _counted(tuned.task, examples)}
        _show(screen, scores, reasons, tuned.task.noun)


def _read(tuned: Bundle, rows: Rows) -> tuple[list[Example], list[str]]:
    """The rows that can be used, and a reason for each that cannot."""
    from weitiao.formats import BadRow
    from weitiao.predicting import reason

    examples, reasons = [], []
    for row in rows.named_for(tuned):
        if isinstance(row, BadRow):
            reasons.append(f"{row.file}:{row.line}: {reason(row)}")
            continue
        try:
            examples.append(tuned.read(row))
        except RowError as e:
            reasons.append(f"{row.source}: {e.field}: {e.reason}")
    return examples, reasons


def _counted(task: Task, examples: list[Example]) -> dict[str, int]:
    """What a task without labels counts in its targets, e.g. answers that were moved to where they stand."""
    if task.head().labels:
        return {}
    found = task.tally([e.target for e in examples if e.target is not None])
    return {name: n for name, n in found.items() if isinstance(n, int)}


def _show(screen: Screen, scores: dict[str, Any], reasons: list[str], noun: Noun) -> None:
    metrics = scores["metrics"]
    if screen.as_json or screen.quiet:
        screen.result(scores, " ".join(_row(metrics[0])))
        return
    screen.table((t("metric", "指标"), t("value", "数值"), t("95 % interval", "95 % 区间"), t("rows", "行数")),
                 [_row(m) for m in metrics])
    if scores["baselines"]:
        from weitiao.evaluate import summary

        for line in summary(scores):
            screen.say(line)
    if counted := scores["counted"]:
        shown = ", ".join(f"{name} {n:,}" for name, n in counted.items())
        screen.say(t("in these rows: {s}", "这些数据中：{s}", s=shown))
    if reasons:
        screen.say(t("{b:,} rows could not be read; the first: {r}", "{b:,} 行无法读取；第一行：{r}", b=len(reasons),
                     r=reasons[0]), style="yellow")
    if n := scores["unlabelled_rows"]:
        screen.say(t("{n:,} rows have no {w} and do not count", "{n:,} 行没有{z}，未计入", n=n, w=noun.one, z=noun.zh),
                   style="yellow")
    if n := scores["unknown_labels"]:
        screen.say(t("{n:,} rows have a label that the model does not know and do not count",
                     "{n:,} 行的标签是模型不认识的，未计入", n=n), style="yellow")


def _row(m: dict[str, Any]) -> tuple[str, str, str, str]:
    interval = "" if m["low"] is None else f"[{m['low']:.4f}, {m['high']:.4f}]"
    return m["name"], f"{m['value']:.4f}", interval, f"{m['n']:,}"
