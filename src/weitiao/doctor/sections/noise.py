"""Label noise: labels that a linear model of other rows would not give, ranked for a person to read. Nothing changes.

    noise.labels    431 of 5,452 (7.9 %) labels are doubtful to a linear model that had not seen them …      look
        train.jsonl:17   What is the capital of Peru ?   [HUM; LOC? 0.97]

Out-of-fold confident learning (`_doubts`) on the frozen base model's features (`_features`); near copies, and rows of
one passage or group, lie in one fold. Of numbers those are named that are far off; of tagged texts those with doubtful
words (`_tag_doubts`), whatever the base. A list is a queue for reading, never a verdict: `MEASURED` and `MEASURED_TAGS`
say how much of such lists was truly wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from weitiao.core import personal
from weitiao.core.errors import MissingExtra, RowError
from weitiao.core.i18n import t
from weitiao.core.text import joined
from weitiao.doctor import Change, Finding, Reader, Seen, Spot, excerpt, judge, percent, reviewing, share
from weitiao.doctor.sections import _doubts, _features, _tag_doubts
from weitiao.example import Example
from weitiao.prepare import comparing, nearby
from weitiao.prepare.dividing import units

if TYPE_CHECKING:
    from numpy.typing import NDArray

TITLE = ("Label noise", "标注噪声")
_LEAST = 50  # rows below which no model is worth asking
_BETTER = 0.3  # share of the errors of always giving the most frequent label that the model must take away


class Measured(NamedTuple):
    """What lists were worth in data sets of which 8 % of the labels had been made wrong.

    Args:
        known: share of the errors of guessing that the model took away there, at least.
        sets: how many data sets.
        wrong: lowest and highest share (over the sets) of the rows listed that were among the wrong ones.
        head: the same of the first rows, a twentieth of all.
    """

    known: float
    sets: int
    wrong: tuple[float, float]
    head: tuple[float, float]


_WELL = 0.6  # known: from here on the list is short where labels are right
MEASURED = (Measured(_WELL, 4, (0.52, 0.96), (0.81, 1.0)), Measured(_BETTER, 4, (0.21, 0.46), (0.53, 0.72)))
"""From benchmarks/results/label_noise.md, the sets whose labels are known best first."""

_KNOWN_TAGS = 0.2  # known: below it tags are not judged
MEASURED_TAGS = Measured(_KNOWN_TAGS, 2, (0.17, 0.25), (0.31, 0.42))
"""From benchmarks/results/label_noise_tags.md: of 8 % of the rows one entity each had been made wrong."""
_STRETCHES = 3  # of a row, that are named


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    doubtful: Annotated[float, Field(ge=0, le=1)] = 0.06
    """Look: more than this share of the labels is doubtful, where the model knows them well."""
    doubtful_weak: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Look: more than this share of the labels is doubtful, where the model does not know them well; of numbers too."""
    doubtful_tags: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Look: more than this share of the rows has a doubtful tag."""
    rows: Annotated[int, Field(ge=_LEAST)] = 20_000
    """Rows that are judged, at most; drawn by the seed."""
    tokens: Annotated[int, Field(ge=10_000)] = 400_000
    """Tokens that a small base model reads, at most, and a larger one fewer: of long texts fewer are judged."""


def look(seen: Seen, options: Options) -> Iterator[Finding]:
    """Nothing where rows have neither tags nor a label or number of their own (texts, answers in passages), or the task
    refuses them."""
    head = seen.task.head()
    kind, tags = head.problem_type, head.kind == "tokens"
    if not (tags or (head.kind == "sequence" and kind)) or seen.refused is not None:
        return
    if kind != "regression" and not _cleanlab():
        missing = MissingExtra("cleanlab", "noise", t(*TITLE))
        yield Finding("noise.no_cleanlab", "good", f"{missing.what}: {missing.fix}", 0, 0)
        return
    rows, reader = (_tagged(seen, options), None) if tags else _drawn(seen, options)
    if len(rows) < _LEAST:
        yield Finding("noise.few", "good", t("too few rows to judge their labels: {n}", "行数太少，无法评判标签：{n}",
                                             n=len(rows)), 0, len(rows))
        return
    if tags:
        yield _tags(seen, rows, options)
    else:
        yield (_numbers if kind == "regression" else _labels)(seen, rows, reader, options)


def _cleanlab() -> bool:
    try:
        import cleanlab  # noqa: F401
    except ImportError:
        return False
    return True


# -- the rows ------------------------------------------------------------------------------------------------------

def _drawn(seen: Seen, options: Options) -> tuple[list[Example], Reader | None]:
    """Of all parts (a wrong test label costs as much as a wrong training label), as many as the options allow, and who
    reads them."""
    rows = [e for _, e in seen.sample(options.rows) if _known(seen, e)]
    reader, most = _features.affordable(seen, rows, options.tokens)
    return rows if most == len(rows) else [e for _, e in seen.sample(most) if _known(seen, e)], reader


def _tagged(seen: Seen, options: Options) -> list[Example]:
    """Rows with tags, of all parts, as many as the options and `_tag_doubts.WORDS` allow."""
    rows = [e for _, e in seen.sample(options.rows) if e.target is not None]
    most = _tag_doubts.fewer(seen.task, rows)
    return rows if most == len(rows) else [e for _, e in seen.sample(most) if e.target is not None]


def _known(seen: Seen, example: Example) -> bool:
    """Is its label on training rows?"""
    try:
        seen.task.check_target(example.target)
    except RowError:
        return False
    return True


def _units(rows: Sequence[Example], group: str) -> NDArray[np.int64]:
    """(n,) equal for rows that say nearly the same, or belong to one passage or group."""
    keys = comparing.unit_keys(rows, comparing.keys(rows))
    return units(rows, nearby.merged(keys, map(nearby.judged, rows)), group).of


class _Case(NamedTuple):
    """What is judged: the rows, their units and numbers (`Task.numbers`) by the labels `names`; `rare` are too rare."""

    rows: list[Example]
    units: NDArray[np.int64]
    y: NDArray[Any]
    names: list[str]
    rare: list[str]


def _case(seen: Seen, rows: list[Example]) -> _Case:
    """Labels in fewer than five units cannot be judged: some fold's model would not know them."""
    whole, labels = _units(rows, seen.group), seen.task.head().labels
    seen_in: dict[str, set[int]] = {name: set() for name in labels}
    for example, unit in zip(rows, whole.tolist(), strict=True):
        for name in _names(example):
            seen_in[name].add(unit)
    names = [name for name in labels if len(seen_in[name]) >= _doubts.FOLDS]
    rare = [name for name in labels if name not in names]
    number = {name: i for i, name in enumerate(names)}
    if seen.task.head().problem_type == "multi_label_classification":
        y = np.zeros((len(rows), len(names)))
        for i, example in enumerate(rows):
            y[i, [number[name] for name in _names(example) if name in number]] = 1
        return _Case(rows, whole, y, names, rare)
    kept = [i for i, e in enumerate(rows) if e.target in number]
    return _Case([rows[i] for i in kept], whole[kept], np.array([number[rows[i].target] for i in kept], np.int64),
                 names, rare)


def _names(example: Example) -> list[str]:
    return list(example.target) if isinstance(example.target, list | tuple) else [example.target]


# -- what is found -------------------------------------------------------------------------------------------------

def _labels(seen: Seen, rows: list[Example], reader: Reader | None, options: Options) -> Finding:
    kind = seen.task.head().problem_type
    case = _case(seen, rows)
    if len(case.names) < 2 or len(case.rows) < _LEAST:
        return Finding("noise.few", "good", t("too few rows a label to judge them", "各标签行数太少，无法评判"), 0,
                       len(case.rows))
    made = _features.features(seen, reader, case.rows)
    p = _doubts.out_of_fold(made.x, case.y, case.units, len(case.names), kind, seen.seed)
    known = _known_share(case.y, p)
    facts = {"features": made.how, "judged": len(case.rows), "rare": case.rare, "explained": known}
    if known < _BETTER:
        return Finding("noise.unclear", "good", t(
            "labels were not judged: a linear model on {h} hardly knows them ({p} of the errors of guessing are gone)",
            "未评判标签：{h} 上的线性模型几乎不了解它们（仅消除了 {p} 的猜测错误）", h=made.how,
            p=percent(max(0.0, known))), 0, len(case.rows), facts=facts)
    doubts = _doubts.single(case.y, p) if case.y.ndim == 1 else _doubts.several(case.y, p)
    limit = options.doubtful if known >= _WELL else options.doubtful_weak
    spots = seen.spots("noise.labels")
    for doubt in doubts:
        example = case.rows[doubt.row]
        spots.add(_spot(seen, example, _suggested(example, case.names, doubt.suggested), doubt.probability))
    return Finding(
        "noise.labels", judge(len(doubts) / len(case.rows), limit),
        t("{s} labels are doubtful to a linear model on {h} that had not seen them{d}; {m}",
          "{s}个标签在未见过它们的线性模型（{h}）看来可疑{d}；{m}", s=share(len(doubts), len(case.rows)), h=made.how,
          d=_of(len(case.rows), seen), m=_worth(known)),
        spots.count, len(case.rows),
        t("look: more than {p} of the labels; labels with fewer than {k} different texts are not judged ({r} of them)",
          "注意：超过 {p} 的标签；不同文本少于 {k} 条的标签不评判（{r} 个）", p=percent(limit), k=_doubts.FOLDS,
          r=len(case.rare)),
        spots.shown, _do(), facts, {"review": [reviewing.REVIEW]} if doubts else {})


def _numbers(seen: Seen, rows: list[Example], reader: Reader | None, options: Options) -> Finding:
    made = _features.features(seen, reader, rows)
    task: Any = seen.task  # one of numbers is a `TextTask`
    y = task.numbers([e.target for e in rows])
    said = _doubts.out_of_fold(made.x, y, _units(rows, seen.group), 1, "regression", seen.seed)[:, 0]
    doubts = _doubts.number(y, said)
    mean, scale = seen.task.state()["mean"], seen.task.state()["scale"]
    spots = seen.spots("noise.numbers")
    for row in doubts:
        spots.add(_spot(seen, rows[row], f"{mean + scale * said[row]:.4g}", None))
    return Finding(
        "noise.numbers", judge(len(doubts) / len(rows), options.doubtful_weak),
        t("{s} numbers are far from what a linear model on {h} says that had not seen them{d}",
          "{s}个数值与未见过它们的线性模型（{h}）的预测相差很远{d}", s=share(len(doubts), len(rows)), h=made.how,
          d=_of(len(rows), seen)),
        spots.count, len(rows),
        t("look: more than {p} of the rows; far: three times the usual distance (1.4826 × the median)",
          "注意：超过 {p} 的行；“很远”指常见偏差（1.4826 × 中位数）的三倍以上", p=percent(options.doubtful_weak)),
        spots.shown, _do(), {"features": made.how, "judged": len(rows)},
        {"review": [reviewing.REVIEW]} if doubts else {})


def _tags(seen: Seen, rows: list[Example], options: Options) -> Finding:
    units = _units(rows, seen.group)
    words = _tag_doubts.words_of(seen.task, rows, units)
    if len(words.names) < 2:
        return Finding("noise.few", "good", t("too few rows a tag to judge them", "各标签行数太少，无法评判"), 0,
                       len(rows))
    p = _tag_doubts.out_of_fold(words, units, seen.seed)
    known = _known_share(words.y, p)
    how = t("words in context", "上下文特征")
    facts = {"features": how, "judged": len(rows), "words": len(words.y), "rare": words.rare, "explained": known}
    if known < _KNOWN_TAGS:
        return Finding("noise.unclear", "good", t(
            "tags were not judged: a linear tagger on {h} hardly knows them ({p} of the errors of guessing are gone)",
            "未评判标签：基于{h}的线性标注器几乎不了解它们（仅消除了 {p} 的猜测错误）", h=how,
            p=percent(max(0.0, known))), 0, len(rows), facts=facts)
    doubts = _tag_doubts.doubts(words, p)
    spots = seen.spots("noise.tags")
    for doubt in doubts:
        spots.add(_tag_spot(seen, rows[doubt.row], doubt.stretches))
    return Finding(
        "noise.tags", judge(len(doubts) / len(rows), options.doubtful_tags),
        t("{s} rows have tags that are doubtful to a linear tagger on {h} that had not seen the row{d}; {m}",
          "{s}行含有在未见过该行的线性标注器（{h}）看来可疑的标签{d}；{m}", s=share(len(doubts), len(rows)), h=how,
          d=_of(len(rows), seen), m=_worth_tags()),
        spots.count, len(rows),
        t("look: more than {p} of the rows; labels in fewer than {k} different texts are not judged ({r} of them)",
          "注意：超过 {p} 的行；不同文本少于 {k} 条的标签不评判（{r} 个）", p=percent(options.doubtful_tags),
          k=_doubts.FOLDS, r=len(words.rare)),
        spots.shown, t("read these rows from the top, the likeliest errors first, and mend the tags in the file "
                       "(--out DIR lists all of them in findings.jsonl)",
                       "请从头阅读这些行（最可能有误的在前），并在文件中更正标签"
                       "（--out 目录的 findings.jsonl 列出全部）"), facts)


def _tag_spot(seen: Seen, example: Example, stretches: Sequence[_tag_doubts.Stretch]) -> Spot:
    """`Peru: O; LOC? 0.97` for some stretches; the text around the first."""
    text = example.inputs["text"]
    masked = personal.mask(text)  # as long as the text
    notes = [t("{w}: {g}; {s}? {p:.2f}", "{w}：{g}；{s}？{p:.2f}", w=" ".join(masked[x.start:x.end].split()), g=x.given,
               s=x.suggested, p=x.probability) for x in stretches[:_STRETCHES]]
    return Spot(example.source, seen.column("text"), excerpt(text, stretches[0].start), " | ".join(notes))


def _known_share(y: NDArray[Any], p: NDArray[np.float64]) -> float:
    """The share of the errors of always guessing the most frequent that the model does not make; of several labels by
    each label. At most 1; below 0 where it is worse than guessing."""
    if y.ndim == 1:
        guessed, made = 1 - np.bincount(y).max() / len(y), float((p.argmax(axis=1) != y).mean())
    else:
        share_of = y.mean(axis=0)
        guessed, made = float(np.minimum(share_of, 1 - share_of).sum()), float(((p > 0.5) != y).mean(axis=0).sum())
    return float(1 - made / guessed)


def _suggested(example: Example, names: Sequence[str], numbers: Sequence[int]) -> str:
    """The labels in the row's own order, then what is new; labels that are not judged stay."""
    given, wanted = _names(example), [names[i] for i in numbers]
    if isinstance(example.target, str):
        return wanted[0]
    kept = [name for name in given if name in wanted or name not in names]
    return joined([*kept, *(name for name in wanted if name not in given)]) or "[]"


def _spot(seen: Seen, example: Example, suggested: str, probability: float | None) -> Spot:
    said = list(seen.texts(example))
    given = str(joined(example.target)) or "[]"
    p = "" if probability is None else f" {probability:.2f}"
    return Spot(example.source, seen.column(said[0][0]), " ‖ ".join(excerpt(text) for _, text in said),
                t("{g}; {s}?{p}", "{g}；{s}？{p}", g=given, s=suggested, p=p), Change(given, suggested, probability))


def _of(judged: int, seen: Seen) -> str:
    return t(" (judged: {j:,} of {n:,} rows)", "（评判 {n:,} 行中的 {j:,} 行）", j=judged, n=seen.total) \
        if judged < seen.total else ""


def _do() -> str:
    return t("read review.csv (--out DIR) from the top and fill in its last column; --fix plan.toml then puts these "
             "labels right in a copy",
             "请从头阅读 review.csv（--out 目录）并填写最后一列；--fix plan.toml 会在副本中更正")


def _worth(known: float) -> str:
    """What such lists were worth where labels were known as well as here."""
    m = next(m for m in MEASURED if known >= m.known)
    return t("with 8 % of the labels made wrong, {a:.0%} to {b:.0%} of such lists were truly wrong, of their head (5 % "
             "of the rows) {c:.0%} to {d:.0%} ({k} data sets)",
             "在 {k} 个数据集中把 8% 的标签改错后，此类清单中 {a:.0%} 至 {b:.0%} 确实有误，"
             "开头部分（占全部 5%）为 {c:.0%} 至 {d:.0%}",
             a=m.wrong[0], b=m.wrong[1], c=m.head[0], d=m.head[1], k=m.sets)


def _worth_tags() -> str:
    """What lists of rows with doubtful tags were worth."""
    m = MEASURED_TAGS
    return t("with one entity wrong in 8 % of the rows, {a:.0%} to {b:.0%} of such lists were truly wrong, of their "
             "head (5 % of the rows) {c:.0%} to {d:.0%} ({k} data sets)",
             "在 {k} 个数据集中把 8% 的行各改错一个实体后，此类清单中 {a:.0%} 至 {b:.0%} 确实有误，"
             "开头部分（占全部 5%）为 {c:.0%} 至 {d:.0%}",
             a=m.wrong[0], b=m.wrong[1], c=m.head[0], d=m.head[1], k=m.sets)
