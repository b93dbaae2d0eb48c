"""Labels: how the rows share them out, labels too rare to be learnt, names that seem to be one name, and equal texts
that are labelled differently.

    “体育” (1,204 rows) and “體育” (3 rows) may be one label: the other Chinese form     look
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, judge, percent, share
from weitiao.doctor.sections import _conflicts, _near_names

TITLE = ("Labels", "标签")

Share = Annotated[float, Field(ge=0, le=1)]
_LISTED = 12
_NOTHING = frozenset({"-", "--", "?", "n/a", "na", "nan", "null", "none", "unknown", "unk", "tbd", "todo", "无", "未知",
                      "待定", "待标注", "空", "未标注"})


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rare: Annotated[int, Field(ge=1)] = 10
    """Look: a label on fewer training rows than this."""
    majority: Share = 0.9
    """Look: one label on more than this share of the training rows."""
    conflicts: Share = 0.005
    """Look: more than this share of the rows says something else than a row with the same text."""
    conflicts_stop: Share = 0.2
    """Stop: more than this share of the rows says something else than a row with the same text."""
    typo: Share = 0.02
    """A name one letter away from another is taken for a typo where it is on at most this share of the other's rows."""


def look(seen: Seen, options: Options) -> Iterator[Finding]:
    """Names where the task has labels; contradictions where it has answers of any kind."""
    if seen.labelled and seen.count("train"):
        counts = _count(seen)
        yield _balance(seen, counts, options)
        yield from _rare(seen, counts, options)
        yield from _missing(seen, counts)
        yield from _placeholders(seen, counts)
        yield from _near(seen, counts, options)
        yield from _spaces(seen)
    yield from _conflicts.findings(seen, options.conflicts, options.conflicts_stop)


def _count(seen: Seen) -> dict[str, Counter[str]]:
    """Per part: label to rows (of entities: how many)."""
    return {part: sum((Counter(seen.task.tally([e.target for e in chunk])) for chunk in seen.rows(part)), Counter())
            for part in seen.parts}


def _rows(seen: Seen, names: set[str]) -> Iterator[tuple[str, Spot]]:
    """Every row with one of these labels, with the label."""
    for _, example in seen.all():
        for name in seen.task.tally([example.target]):
            if name in names:
                role, text = next(seen.texts(example))
                yield name, Spot(example.source, seen.column(role), excerpt(text), name)


def _balance(seen: Seen, counts: Mapping[str, Counter[str]], options: Options) -> Finding:
    train = counts["train"]
    total, ranked = train.total(), train.most_common()
    listed = ", ".join(f"{name} {n:,}" for name, n in ranked[:_LISTED])
    if len(ranked) > _LISTED:
        listed += t(" … the rarest {x} {n:,}", " …… 最少的是 {x} {n:,}", x=ranked[-1][0], n=ranked[-1][1])
    part = ranked[0][1] / total
    verdict = judge(part, options.majority)
    return Finding("labels.balance", verdict, t("{k} labels in the training rows: {l}", "训练数据有 {k} 个标签：{l}",
                                                k=len(ranked), l=listed), ranked[0][1], total,
                   t("look: more than {p} of them are one label", "注意：超过 {p} 属于同一标签",
                     p=percent(options.majority)),
                   do="" if verdict == "good" else t(
                       "look at F1 beside accuracy; --set task.class_weights=balanced may help",
                       "除准确率外请看 F1；可尝试 --set task.class_weights=balanced"),
                   facts={part: dict(n.most_common()) for part, n in counts.items()})


def _rare(seen: Seen, counts: Mapping[str, Counter[str]], options: Options) -> Iterator[Finding]:
    rare = {name: n for name, n in counts["train"].items() if n < options.rare}
    if not rare:
        return
    spots = seen.spots("labels.rare")
    for _, spot in _rows(seen, set(rare)):
        spots.add(spot)
    single = sum(n == 1 for n in rare.values())
    listed = ", ".join(f"{name} {n}" for name, n in sorted(rare.items(), key=lambda x: (x[1], x[0]))[:_LISTED])
    yield Finding("labels.rare", "look", t(
        "labels on fewer than {r} training rows: {k} ({s} on a single one): {l}{m}",
        "训练数据不足 {r} 行的标签：{k} 个（其中 {s} 个只有一行）：{l}{m}", k=len(rare), r=options.rare, s=single,
        l=listed, m=" …" if len(rare) > _LISTED else ""), len(rare), len(counts["train"]),
        t("look: any label on fewer than {r} training rows", "注意：任一标签不足 {r} 行", r=options.rare), spots.shown,
        t("label more such rows, or merge the label with another", "请补充数据，或并入其他标签"), {"labels": rare})


def _missing(seen: Seen, counts: Mapping[str, Counter[str]]) -> Iterator[Finding]:
    """Labels that only one side of the split knows."""
    for part in seen.parts:
        unknown = {name: n for name, n in counts[part].items() if name not in counts["train"]}
        if not unknown:
            continue
        spots = seen.spots(f"labels.unknown_in_{part}")
        for _, spot in _rows(seen, set(unknown)):
            spots.add(spot)
        yield Finding(f"labels.unknown_in_{part}", "look", t(
            "labels of the {p} rows that are on no training row: {k}: {l}",
            "{p} 数据中有 {k} 个标签不在训练数据中：{l}", k=len(unknown), p=part,
            l=", ".join(list(unknown)[:_LISTED])), len(unknown), len(counts[part]),
            t("look: any", "注意：只要出现"), spots.shown,
            t("no model can give them: add training rows, or drop these", "模型无法给出这些标签：请补充训练数据或删去"),
            {"labels": unknown}, {"drop": [f"labels.unknown_in_{part}"]})


def _placeholders(seen: Seen, counts: Mapping[str, Counter[str]]) -> Iterator[Finding]:
    total = sum(counts.values(), Counter())
    names = {name for name in total if name.strip().casefold() in _NOTHING}
    if not names:
        return
    spots = seen.spots("labels.placeholder")
    for _, spot in _rows(seen, names):
        spots.add(spot)
    yield Finding("labels.placeholder", "look", t(
        "{s} rows have a label that looks like none: {l}", "{s}行的标签像是未标注：{l}",
        s=share(spots.count, seen.total), l=", ".join(sorted(names))), spots.count, seen.total,
        t("look: any", "注意：只要出现"), spots.shown, t("drop them unless it is meant", "若非有意，请删去"),
        fix={"drop": ["labels.placeholder"]})


def _near(seen: Seen, counts: Mapping[str, Counter[str]], options: Options) -> Iterator[Finding]:
    total = sum(counts.values(), Counter())
    pairs = list(_near_names.pairs(total, options.typo))
    if not pairs:
        return
    spots, doubtful = seen.spots("labels.near"), {pair.rare: pair for pair in pairs}
    for name, spot in _rows(seen, set(doubtful)):
        pair = doubtful[name]
        spots.add(Spot(spot.source, spot.field, spot.text, f"{name} ~ {pair.common}: {pair.why}"))
    listed = "; ".join(t("“{a}” ({n:,}) and “{b}” ({m:,}): {w}", "“{a}”（{n:,}）与“{b}”（{m:,}）：{w}", a=p.common,
                         n=total[p.common], b=p.rare, m=total[p.rare], w=p.why) for p in pairs[:_LISTED])
    yield Finding("labels.near", "look", t("names that may mean another label: {k}: {l}",
                                           "可能与另一标签相同的名称：{k} 个：{l}", k=len(pairs), l=listed),
                  len(pairs), len(total),
                  t("look: names equal but for case, width, spaces, signs or Chinese form, or one letter apart where "
                    "one is on at most {p} of the other's rows",
                    "注意：仅大小写、全半角、空格、符号或简繁不同，或只差一个字且行数不超过另一个的 {p}",
                    p=percent(options.typo)),
                  spots.shown, t("give them one name: see plan.toml", "请统一名称：见 plan.toml"),
                  {"pairs": [p._asdict() for p in pairs]},
                  {"rename": {p.rare: p.common for p in pairs}} if not seen.places else {})


def _spaces(seen: Seen) -> Iterator[Finding]:
    spots = seen.faults.get("label_space")
    if spots is not None:
        yield Finding("labels.space", "good", t(
            "{s} labels have white space around them; it is dropped when rows are read",
            "{s}个标签首尾有空白；读取时会去掉", s=share(spots.count, seen.total)), spots.count, seen.total,
            spots=spots.shown)
