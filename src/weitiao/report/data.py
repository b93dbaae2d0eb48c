"""The data's part of the page: what was read, what is wrong with it, what was set aside.

>>> verdict({"rows": {"read": 1503, "rejected": 3, ...}, ...}, {"train": {"rows_cut": 0, ...}, ...})
('3 of 1,503 rows were rejected', 'no test row stands in the training rows', ...)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weitiao.core.i18n import t
from weitiao.core.text import joined
from weitiao.report.view import Reject

_SHOWN = 5
_LONG = 12  # labels named in a sentence


def understood(report: Mapping[str, Any]) -> tuple[str, ...]:
    """What the files were taken for, and how many rows serve for what."""
    rows = report["rows"]
    parts = t("{a:,} rows train, {c:,} judge", "{a:,} 行用于训练，{c:,} 行用于评分", a=rows["train"], c=rows["test"])
    if rows["validation"]:
        parts += t(", {b:,} choose the best step", "，{b:,} 行用于挑选最佳步", b=rows["validation"])
    cut = [t("validation", "验证集") if p == "validation" else t("test", "测试集")
           for p in ("validation", "test") if report["how"].get(p) == "cut"]
    if cut:
        parts += t(" ({x} set aside from the training rows)", "（{x}从训练数据中划出）", x=", ".join(cut))
    counted = ", ".join(f"{name} {n:,}" for name, n in report["counted"].items())
    return report["task"]["reason"], parts, counted or _targets(report["targets"]["train"])


def _targets(targets: Mapping[str, Any]) -> str:
    if not targets:
        return t("each row has an answer of its own", "每行各有自己的答案")
    if set(targets) == {"min", "mean", "max"}:
        return t("Numbers from {a:g} to {c:g}, {b:.4g} on average", "数值范围 {a:g} 至 {c:g}，平均 {b:.4g}",
                 a=targets["min"], b=targets["mean"], c=targets["max"])
    shown = ", ".join(f"{k} {n:,}" for k, n in list(targets.items())[:_LONG])
    more = " …" if len(targets) > _LONG else ""
    return t("{k} labels in the training rows: {s}{m}", "训练数据中的 {k} 种标签：{s}{m}", k=len(targets), s=shown,
             m=more)


def verdict(report: Mapping[str, Any], cuts: Mapping[str, Any]) -> tuple[str, ...]:
    """One line for each thing that was checked."""
    return tuple(_lines(report, cuts))


def _lines(report: Mapping[str, Any], cuts: Mapping[str, Any]) -> Iterator[str]:
    rows, leaks = report["rows"], report["leaks"]
    yield (t("{r:,} of {n:,} rows were rejected", "{n:,} 行中有 {r:,} 行被拒绝", r=rows["rejected"], n=rows["read"])
           if rows["rejected"] else t("every one of the {n:,} rows could be read", "{n:,} 行全部可读", n=rows["read"]))
    leaked = leaks["test_in_train"]["rows"]
    yield (t("{k:,} of {n:,} test rows also stand in the training rows",
             "{n:,} 条测试数据中有 {k:,} 条也在训练集中", k=leaked, n=rows["test"]) if leaked else
           t("no test row stands in the training rows", "测试数据与训练数据没有重复"))
    if leaks["validation_in_train"]["rows"]:
        yield t("{k:,} validation rows also stand in the training rows", "验证数据中有 {k:,} 条也在训练集中",
                k=leaks["validation_in_train"]["rows"])
    if shared := report["passages"].get("test_in_train", {"rows": 0})["rows"]:
        yield t("{k:,} of {n:,} test questions ask about a passage on which training asks, too",
                "{n:,} 条测试问题中有 {k:,} 条所问的段落，训练数据也问到", k=shared, n=rows["test"])
    if report["duplicates"]["train"]:
        yield t("{k:,} training rows repeat another one", "训练数据中有 {k:,} 条与其他行重复",
                k=report["duplicates"]["train"])
    if report["conflicts"]["inputs"]:
        noun = report["task"]["noun"]
        yield t("{k:,} inputs stand more than once with different {w}, e.g. {e}",
                "{k:,} 条输入重复出现而{z}不同，例如 {e}", w=noun["many"], z=noun["zh"],
                k=report["conflicts"]["inputs"], e=_conflict(report["conflicts"]["examples"][0]))
    if report["rare"]:
        yield t("{k} labels have a single row: {x}", "{k} 种标签只有一行：{x}", k=len(report["rare"]),
                x=_some(report["rare"]))
    for part, name in (("validation", t("validation", "验证集")), ("test", t("test", "测试集"))):
        if report["missing"][part]:
            yield t("no row in {p} has the label {x}", "{p}中没有标签 {x}", p=name, x=_some(report["missing"][part]))
    yield _cut(cuts)
    if n := cuts["train"]["control_rows"]:
        yield t("{n:,} training rows hold what reads like a control token of the model; it is read as plain text: {x}",
                "{n:,} 条训练数据含有与模型控制词元同形的文字，均按普通文本处理：{x}", n=n,
                x=_some(cuts["train"]["control_places"]))


def checked(check: Mapping[str, Any]) -> tuple[str, ...]:
    """What the quick check found (check/report.json), the worst first, with the first place of each."""
    return tuple(f["said"] + t(" (first: {p})", "（首处：{p}）", p=f["spots"][0]["source"]) if f["spots"] else f["said"]
                 for f in check["findings"])


def _conflict(example: Mapping[str, Any]) -> str:
    places = zip(example["sources"], example["targets"], strict=True)
    return "; ".join(f"{s}: {joined(v)}" for s, v in list(places)[:2])


def _cut(cuts: Mapping[str, Any]) -> str:
    train = cuts["train"]
    if not train["rows_cut"]:
        return t("no training text is longer than the model reads", "没有超过模型长度的训练文本")
    return t("{c:,} of {n:,} training texts are longer than the model reads; {s:.1%} of all tokens were cut off",
             "{n:,} 条训练文本中有 {c:,} 条超过模型长度，共截去 {s:.1%} 的词元", c=train["rows_cut"], n=train["rows"],
             s=train["share_cut"])


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def rejects(report: Mapping[str, Any]) -> tuple[Reject, ...]:
    """How many rows for which reason, the most frequent first."""
    return tuple(Reject(code, n) for code, n in report["rejected"]["by_code"].items())


def reject_examples(report: Mapping[str, Any]) -> tuple[str, ...]:
    """The first rejected rows with their places."""
    return tuple(f"{e['place']}: {e['reason']}" for e in report["rejected"]["examples"])
