"""What gives the answer away: signs in the texts, columns, the order of the rows, targets in their input, the same
user or the future on both sides of a split, questions of a benchmark.

    leaks.sign       “[POS]” stands in 1,900 of 2,000 rows of positive and in 3 of others      stop
    leaks.column     the column id says the label of 96 % of the rows (the most frequent one is on 51 %)      look
    leaks.group      310 of 400 (77.5 %) rows of test have a user whom train knows      look

Test rows that stand in train are in the section duplicates. Signs and columns are judged on 50,000 rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.i18n import t
from weitiao.core.text import fold
from weitiao.doctor import Finding, Seen, Spot, excerpt, percent, share
from weitiao.doctor.sections import _against, _columns, _groups, _marks
from weitiao.example import Example

TITLE = ("Leaks", "泄漏")
_SAMPLED = 50_000
_LISTED = 12


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    cover: float = Field(default=0.2, gt=0, le=1)
    """Share of a label's rows that a sign must stand in to count."""
    order: float = Field(default=0.5, gt=0, le=1)
    """Look: rows follow a row of their own label more often than by chance, by this share of what is possible."""
    copied: float = Field(default=0.05, gt=0, le=1)
    """Look: share of targets that stand in their input word for word."""
    against: str = ""
    """A file or folder with a benchmark's questions: rows that are copies or near copies of one are counted."""


def look(seen: Seen, options: Options) -> Iterator[Finding]:
    """See the module."""
    rows = [example for _, example in seen.sample(_SAMPLED)]
    if seen.labelled and not seen.places:
        yield from _signs(seen, rows, options)
        yield from _names(seen, rows)
        yield from _predictors(seen, rows)
        yield from _order(seen, options)
    if seen.writes:
        yield _copied(seen, options)
    yield from _groups.look(seen, rows)
    if options.against:
        yield _against.look(seen, options.against)


# -- signs in the texts --------------------------------------------------------------------------------------------

def _labels(seen: Seen, example: Example) -> list[str]:
    return list(seen.task.tally([example.target]))


def _text(seen: Seen, example: Example) -> str:
    return "\n".join(text for _, text in seen.texts(example))


def _pairs(seen: Seen, rows: list[Example]) -> tuple[list[str], list[str]]:
    """A text and a label for each label of each row."""
    pairs = [(_text(seen, e), label) for e in rows for label in _labels(seen, e)]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def _signs(seen: Seen, rows: list[Example], options: Options) -> Iterator[Finding]:
    found = _marks.marks(*_pairs(seen, rows), options.cover)
    threshold = t(
        "stop: a sign that is no word; look: a word; 95 % of the rows that have it are of one label (and that is sure "
        "for all signs tried), and {c} of the label's rows have it (a word: 60 %)",
        "停止：非文字符号；注意：词；含有它的行至少 95% 属于同一标签（按全部候选校正后仍显著），"
        "且覆盖该标签 {c} 的行（词为 60%）",
        c=percent(options.cover))
    if not found:
        yield Finding("leaks.sign", "good", t("no single sign gives a label away", "没有单个符号或词泄漏标签"), 0,
                      len(rows), threshold)
    for mark in found[:_LISTED]:
        spots = seen.spots("leaks.sign")
        for example in rows:
            if mark.label in _labels(seen, example) and mark.sign in _marks.signs(_text(seen, example)):
                role, text = next(seen.texts(example))
                at = 0 if mark.sign.endswith("…") else len(text) if mark.sign.startswith("…") else text.find(mark.sign)
                spots.add(Spot(example.source, seen.column(role), excerpt(text, max(0, at)), repr(mark.sign)))
        yield Finding(
            "leaks.sign", "stop" if mark.kind == "sign" else "look",
            t("{m!r} stands in {n:,} of {o:,} rows of {x} and in {r:,} of others",
              "{m!r} 出现在标签 {x} 的 {o:,} 行中的 {n:,} 行，其他标签仅 {r:,} 行", m=mark.sign, n=mark.with_label,
              o=mark.of, x=mark.label, r=mark.rows - mark.with_label),
            mark.with_label, mark.of, threshold, spots.shown,
            t("cut it out, or say how it came in: a model will learn it instead of the text",
              "请删去，或弄清其来源：模型会学它而不学文本"), mark._asdict())


def _names(seen: Seen, rows: list[Example]) -> Iterator[Finding]:
    found = _marks.named(*_pairs(seen, rows))
    if found:
        listed = ", ".join(t("{x} in {n:,} of its {o:,} rows, in {r:,} others",
                             "{x}：自身 {o:,} 行中 {n:,} 行，其他 {r:,} 行",
                             x=label, n=n, o=of, r=others) for label, n, of, others in found[:_LISTED])
        yield Finding("leaks.name", "look", t("labels whose own name stands in their texts: {k}: {s}",
                                              "标签名出现在自身文本中的标签 {k} 个：{s}", k=len(found), s=listed),
                      len(found), len(set(_pairs(seen, rows)[1])),
                      t("look: in half of its rows, ten times as often as in others",
                        "注意：出现在自身一半以上的行中，且频率为其他行的十倍以上"),
                      do=t("fine where texts speak of their topic; else find out who wrote the label into the text",
                           "若文本本就谈论该主题则无妨；否则请查明谁把标签写进了文本"),
                      facts={"names": [list(f) for f in found]})


# -- columns and order ---------------------------------------------------------------------------------------------

def _single(seen: Seen, rows: list[Example]) -> list[tuple[Example, str]]:
    """Rows with exactly one label."""
    return [(e, names[0]) for e in rows if len(names := _labels(seen, e)) == 1]


def _predictors(seen: Seen, rows: list[Example]) -> Iterator[Finding]:
    single = _single(seen, rows)
    columns = {c: [e.meta.get(c, "") for e, _ in single] for c in seen.unused}
    why = {"value": t("by its values", "按取值"), "prefix": t("by what its values begin with", "按取值的前缀"),
           "order": t("by its order", "按大小顺序")}
    for p in _columns.predictors(columns, [label for _, label in single]):
        yield Finding("leaks.column", "look", t(
            "the column {c} says the label of {a} of the rows, {w}; always the most frequent label: {b}",
            "列 {c} {w}可判断 {a} 的行的标签；总猜最多的标签为 {b}", c=p.column, w=why[p.why],
            a=percent(p.right / p.rows), b=percent(p.most / p.rows)), p.right, p.rows,
            t("look: half of the errors of the most frequent label are gone", "注意：比总猜最多标签减少一半以上错误"),
            do=t("weitiao tune does not read it; never add it to the text, and ask why it knows",
                 "weitiao tune 不读取该列；请勿将其加入文本，并查明原因"), facts=p._asdict())


def _order(seen: Seen, options: Options) -> Iterator[Finding]:
    for part in seen.parts:
        rows, same, chance = _columns.runs(label for chunk in seen.rows(part) for _, label in _single(seen, chunk))
        excess = (same - chance) / (1 - chance) if chance < 1 else 0.0
        if rows >= 20 and excess >= options.order:
            yield Finding("leaks.order", "look", t(
                "the rows of {p} are sorted by label: {a} follow a row of their own label, by chance {b} would",
                "{p} 数据按标签排序：{a} 的行与前一行同标签，随机时为 {b}", p=part, a=percent(same), b=percent(chance)),
                round(same * (rows - 1)), rows - 1,
                t("look: {p} of what is possible above chance", "注意：超出随机部分达到可能值的 {p}",
                  p=percent(options.order)),
                do=t("nothing for weitiao tune, which draws its parts; never cut such a file by position",
                     "weitiao tune 随机划分，无需处理；切勿按位置切分此类文件"),
                facts={"part": part, "same": same, "chance": chance})


# -- targets in their input ----------------------------------------------------------------------------------------

def _copied(seen: Seen, options: Options) -> Finding:
    spots = seen.spots("leaks.target_in_input")
    rows = 0
    for _, example in seen.all():
        rows += 1
        target = fold(_first(example.target))
        inputs = [(role, text) for role, text in seen.texts(example) if role != "target"]
        for role, text in inputs if len(target) >= 8 else ():
            if target in fold(text):
                spots.add(Spot(example.source, seen.column(role), excerpt(text), excerpt(_first(example.target))))
                break
    return Finding(
        "leaks.target_in_input", "look" if spots.count and spots.count >= options.copied * rows else "good",
        t("in {s} rows the whole target stands in the input", "{s}行的目标原样出现在输入中",
          s=share(spots.count, rows)),
        spots.count, rows,
        t("look: {p} of the rows (targets of eight letters and more)", "注意：达到 {p}（目标至少 8 个字符）",
          p=percent(options.copied)), spots.shown,
        t("such rows teach copying; right for extraction, wrong for writing",
          "这样的行教模型照抄：抽取任务可以，写作任务不宜")
        if spots.count else "")


def _first(target: Any) -> str:
    return target if isinstance(target, str) else str(target[0]) if target else ""
