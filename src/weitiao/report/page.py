"""From artefacts to the page: which number stands where.

>>> build(read(run), recipe).verdict
'fine-tuning beats TF-IDF by 6.8 ± 2.3 points (n=1,200, p<0.001)'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from weitiao.core.i18n import language, t
from weitiao.core.seeds import rng
from weitiao.metrics import naming
from weitiao.recipe import Recipe
from weitiao.report import charts, data, decisions, scoring, words
from weitiao.report.artefacts import Artefacts
from weitiao.report.learning import learning
from weitiao.report.view import Card, ClassRow, Confusion, ErrorRow, Errors, Numbers, Page

_MOST_POINTS = 1500  # in the scatter: more of them make the file heavy and the picture black


def build(found: Artefacts, recipe: Recipe) -> Page:
    """All of the page's content in the user's language."""
    scores, folder = found.scores, found.folder
    metrics = scores["metrics"]
    verdict, verdict_note = _split(scores["verdict"][language()])
    return Page(
        run=folder.name, version=found.manifest["weitiao"], created=found.manifest["created"][:16].replace("T", " "),
        verdict=verdict, verdict_note=verdict_note, cards=_cards(found), test_rows=scores["n"],
        comparison=_comparison(found), comparison_notes=tuple(_notes(scores)), warnings=tuple(_warnings(scores)),
        metrics=scoring.rows(metrics), classes=_classes(found), confusion=_confusion(found.confusion),
        numbers=_numbers(found), errors=_errors(found),
        learning=learning(found.course, found.bundle["run"]["best_step"], recipe.tune.metric),
        understood=data.understood(found.report),
        data_verdict=(*data.verdict(found.report, found.cuts), *data.checked(found.check)),
        rejects=data.rejects(found.report), reject_examples=data.reject_examples(found.report),
        decisions=decisions.decisions(recipe, found.decision, found.plan, found.course.seconds, found.costs),
        commands=decisions.next_commands(folder, recipe), again=decisions.again(folder),
        facts=decisions.facts(recipe, found.manifest, found.report))


def ours(found: Artefacts) -> str:
    """What the tuned model is called beside its baselines."""
    return t("fine-tuned {b}", "微调后的 {b}", b=Path(found.decision["base"]["name"]).name)


def _cards(found: Artefacts) -> tuple[Card, ...]:
    first, rows = found.scores["metrics"][0], found.report["rows"]
    cards = [Card(naming.metric(first["name"]), naming.number(first["name"], first["value"]),
                  t("95 %: {i}", "95 %：{i}", i=naming.interval(first["name"], first["low"], first["high"])))]
    if found.scores["baselines"]:
        best = next(b for b in found.scores["baselines"] if b["name"] == found.scores["best_baseline"])
        value = best["metrics"][0]
        cards.append(Card(t("best simple model", "最好的简单模型"), naming.number(value["name"], value["value"]),
                          best["title"][language()]))
    cards.append(Card(t("rows: training / test", "条数：训练 / 测试"), f"{rows['train']:,} / {found.scores['n']:,}",
                      t("{k:,} rejected", "拒绝 {k:,} 条", k=rows["rejected"])))
    cards.append(Card(t("training time", "训练用时"), words.duration(found.course.seconds), found.plan["device"]))
    return tuple(cards)


def _comparison(found: Artefacts) -> Markup:
    first = found.scores["metrics"][0]
    bars = [scoring.bar(ours(found), first, main=True)]
    bars += [scoring.bar(b["title"][language()], b["metrics"][0]) for b in found.scores["baselines"]]
    return charts.intervals(sorted(bars, key=lambda b: -b.value), naming.tick(first["name"]))


def _notes(scores: Mapping[str, Any]) -> Iterator[str]:
    """What each baseline is made of."""
    for b in scores["baselines"]:
        if b["name"] != "majority":
            yield t("{n}: {h}; trained on {k:,} rows in {s}.", "{n}：{h}；用 {k:,} 条数据训练，{s}。",
                    n=b["title"][language()], h=b["how"], k=b["train_rows"], s=words.duration(b["seconds"]))


def _warnings(scores: Mapping[str, Any]) -> Iterator[str]:
    """What makes the score less than it seems."""
    without = scores["without_leaks"]
    if without:
        rest = ""
        if without["metrics"]:
            m = without["metrics"][0]
            rest = t(" Without them: {v} {i}. Believe this one.", "去掉它们：{v} {i}。请以此为准。",
                     v=naming.number(m["name"], m["value"]), i=naming.interval(m["name"], m["low"], m["high"]))
        yield t("{k:,} test rows also stand in the training rows.", "{k:,} 条测试数据也在训练集中。",
                k=without["leaked"]) + rest
    if scores["unknown_labels"]:
        yield t("{k:,} test rows were left out: no training row has their label.",
                "{k:,} 条测试数据未计入：训练数据中没有它们的标签。", k=scores["unknown_labels"])


def _classes(found: Artefacts) -> tuple[ClassRow, ...]:
    return scoring.labels(found.scores["metrics"])


def _confusion(matrix: Mapping[str, Any] | None) -> Confusion | None:
    """The matrix of one label a row. (With several a row there is none: the table label by label says it.)"""
    return scoring.confusion(matrix["labels"], matrix["counts"]) if matrix and "counts" in matrix else None


def _numbers(found: Artefacts) -> Numbers | None:
    """Nothing where answers are labels."""
    points, note = found.numbers, ""
    if not points:
        return None
    residuals = charts.histogram([b - a for a, b in points], t("prediction minus truth", "预测值 − 真实值"))
    if len(points) > _MOST_POINTS:
        note = t("{k:,} of {n:,} rows are drawn.", "图中随机取了 {n:,} 条中的 {k:,} 条。",
                 k=_MOST_POINTS, n=len(points))
        points = [points[i] for i in rng(0, "scatter").permutation(len(points))[:_MOST_POINTS]]
    return Numbers(charts.scatter(points, t("truth", "真实值"), t("prediction", "预测值")), note, residuals)


_NOT_INPUTS = ("source", "id", "target", "prediction", "error", "probability", "correct")


def _errors(found: Artefacts) -> Errors:
    """The worst rows; the last column of errors.csv says what they are ordered by."""
    kind = next((k for k in ("error", "probability", "correct") if found.errors and k in found.errors[0]), "")
    noun = found.report["task"]["noun"]
    first = t("The rows with the largest errors. ", "误差最大的数据。") if kind == "error" else t(
        "Where the model was surest and wrong. Read these first: often it is the {w} that is wrong. ",
        "模型最有把握却答错的数据。请先看这些：错的往往是{z}。", w=noun["one"], z=noun["zh"])
    if kind == "correct":
        first = t("The rows with the least right in them. ", "答对最少的数据。")
    rest = t("All {n:,} rows that are not wholly right: {f}", "全部 {n:,} 条不完全正确的数据见 {f}",
             n=found.error_count,
             f="evaluate/errors.csv")
    names = {"error": t("error", "误差"), "correct": t("right share", "正确程度")}
    return Errors(first + rest, names.get(kind, t("probability", "概率")), tuple(_error(r, kind) for r in found.errors))


def _error(row: Mapping[str, str], kind: str) -> ErrorRow:
    text = " ⟂ ".join(v for k, v in row.items() if k not in _NOT_INPUTS)
    value = float(row[kind])
    shown = f"{value:.3g}" if kind == "error" else f"{100 * value:.1f} %"
    truth, answer = (f"{float(row[k]):.4g}" if kind == "error" else row[k] or "–" for k in ("target", "prediction"))
    return ErrorRow(charts.shorten(text, 400), truth, answer, shown, Path(row["source"]).name, row["source"])


def _split(sentence: str) -> tuple[str, str]:
    """The sentence, and the numbers of rows and p in brackets at its end, which are shown smaller."""
    found = re.fullmatch(r"(.*?)\s*([(（]n=[^()（）]*[)）])(.*)", sentence)
    text, note = (found[1] + found[3], found[2]) if found else (sentence, "")
    return text[:1].upper() + text[1:], note
