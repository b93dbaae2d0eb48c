"""Columns that name groups or times, and what of them stands on both sides of a given split.

>>> next(look(seen, rows)).said
'310 of 400 (77.5 %) rows of test have a value of “user” that train has too'
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, share
from weitiao.doctor.sections import _columns
from weitiao.example import Example
from weitiao.prepare.dividing import moment

_LATE = 0.01  # of the training rows: a clock that is wrong now and then is no leak


def look(seen: Seen, rows: Sequence[Example]) -> Iterator[Finding]:
    """For each column that could be one: what is wrong with the split that was given, or what to ask the split for."""
    texts = len({next(seen.texts(e), ("", ""))[1] for e in rows})
    for column in sorted({c for e in rows[:1] for c in e.meta}):
        values = [e.meta.get(column, "") for e in rows]
        if _columns.is_time(values):
            yield _time(seen, column)
        elif _columns.is_group(column, values, texts):
            yield _group(seen, column)


def _suggested(seen: Seen, kind: str, column: str, said: str) -> Finding:
    return Finding(f"leaks.{kind}", "look", said, 0, seen.total,
                   t("look: any such column, while one file is to be cut", "注意：需要切分单个文件且存在此类列"),
                   do=t("--set data.{k}={c}, if so", "若是，请加 --set data.{k}={c}", k=kind, c=column),
                   facts={"column": column})


def _group(seen: Seen, column: str) -> Finding:
    """Rows of test (else validation) whose group train has too."""
    held_out = [part for part in seen.parts if part != "train"]
    if not held_out:
        return _suggested(seen, "group", column, t(
            "the column “{c}” repeats its values: does it name users, documents, conversations?",
            "列“{c}”的取值多次重复：它是用户、文档或会话吗？", c=column))
    part = held_out[-1]
    known = {e.meta.get(column, "") for _, e in seen.all(("train",))} - {""}
    spots = seen.spots("leaks.group")
    for _, example in seen.all((part,)):
        if example.meta.get(column, "") in known:
            role, text = next(seen.texts(example), ("", ""))
            spots.add(Spot(example.source, seen.column(role), excerpt(text), f"{column}: {example.meta[column]}"))
    return Finding("leaks.group", "look" if spots.count else "good",
                   t("{s} rows of {p} have a value of “{c}” that train has too",
                     "{p} 中 {s} 行的“{c}”取值也出现在训练数据中",
                     s=share(spots.count, seen.count(part)), p=part, c=column),
                   spots.count, seen.count(part), t("look: from the first on", "注意：只要出现"), spots.shown,
                   t("where new users or documents are what the model will meet, cut by this column: "
                     "--set data.group={c}",
                     "若模型将面对新的用户或文档，请按该列划分：--set data.group={c}", c=column),
                   {"column": column})


def _time(seen: Seen, column: str) -> Finding:
    """Training rows that are newer than the oldest test row."""
    held_out = [part for part in seen.parts if part != "train"]
    if not held_out:
        return _suggested(seen, "time", column, t("the column “{c}” holds dates", "列“{c}”是日期", c=column))
    part = held_out[-1]
    oldest = min((m for _, e in seen.all((part,)) if (m := moment(e.meta.get(column, ""))) is not None), default=None)
    spots = seen.spots("leaks.time")
    for _, example in seen.all(("train",)):
        when = moment(example.meta.get(column, ""))
        if oldest is not None and when is not None and when >= oldest:
            role, text = next(seen.texts(example), ("", ""))
            spots.add(Spot(example.source, seen.column(role), excerpt(text), f"{column}: {example.meta[column]}"))
    of = seen.count("train")
    return Finding("leaks.time", "look" if spots.count > _LATE * of else "good",
                   t("{s} training rows are not older than the oldest row of {p}, by “{c}”",
                     "按“{c}”，训练数据中 {s} 行不早于 {p} 中最早的一行", s=share(spots.count, of), p=part, c=column),
                   spots.count, of, t("look: more than 1 % of the training rows", "注意：超过训练数据的 1%"),
                   spots.shown,
                   t("where the model will meet the future, cut by this column: --set data.time={c}",
                     "若模型将用于未来的数据，请按该列划分：--set data.time={c}", c=column), {"column": column})
