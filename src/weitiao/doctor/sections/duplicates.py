"""Rows that repeat others, word for word or nearly, within a part and across parts; texts made from one template.

    duplicates.exact           12 of 300 (4.0 %) rows of train repeat the text and the target of an earlier one
    duplicates.near            9 of 300 (3.0 %) rows of train are near copies of an earlier one, in 5 clusters …
    duplicates.test_in_train   4 of 100 (4.0 %) rows of test stand in train, 1 of them word for word

What counts as equal and as near is told in `weitiao.duplicates`. The texts and their
hashes lie in a temporary folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from weitiao import duplicates
from weitiao.core.i18n import t
from weitiao.core.numbers import Numbers
from weitiao.doctor import Finding, Seen, Spot, Spots, Verdict, excerpt, percent, share
from weitiao.doctor.sections import _templates
from weitiao.prepare import comparing

TITLE = ("Duplicates", "重复")
_ACROSS = (("test", "train"), ("validation", "train"), ("test", "validation"))


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    exact: float = Field(default=0.01, ge=0, le=1)
    """Share of rows that repeat an earlier one from which on it is "look"."""
    near: float = Field(default=0.02, ge=0, le=1)
    """Share of near copies from which on it is "look"."""
    across: float = Field(default=0.01, ge=0, le=1)
    """Share of test or validation rows that stand in another part from which on it is "stop"; "look" is from the
    first on."""
    edits: float = Field(default=duplicates.EDITS, ge=0, le=0.3)
    """Edits per character up to which texts count as near copies; 0: only equal ones are looked for."""
    template: float = Field(default=0.1, gt=0, le=1)
    """Share of different texts with the same head or tail from which on it is "look"."""


class _Rows:
    """All rows of all parts, numbered through, with what they repeat."""

    def __init__(self, seen: Seen, texts: duplicates.Texts, edits: float) -> None:
        self.borders = {}
        verbatim, targets = (Numbers(texts.folder / name, "Q") for name in ("verbatim", "targets"))
        start = 0
        for part in seen.parts:
            for chunk in seen.rows(part):
                texts.add(map(comparing.fields, chunk))
                verbatim.extend(_digest(e.inputs) for e in chunk)
                targets.extend(_digest(e.target) for e in chunk)
            self.borders[part] = (start, len(texts))
            start = len(texts)
        self.verbatim, self.targets = verbatim.read(), targets.read()
        self.found = duplicates.find(texts, edits)

    def within(self, part: str) -> slice:
        return slice(*self.borders[part])

    def mask(self, part: str) -> NDArray[np.bool_]:
        out = np.zeros(len(self.targets), np.bool_)
        out[self.within(part)] = True
        return out


def look(seen: Seen, options: Options) -> Iterator[Finding]:
    """See the module."""
    with duplicates.Texts() as texts:
        rows = _Rows(seen, texts, options.edits)
        for part in seen.parts:
            yield _exact(seen, rows, part, options)
            if options.edits:
                yield _near(seen, rows, part, options)
        for part, other in _ACROSS:
            if part in seen.parts and other in seen.parts:
                yield _across(seen, rows, texts, (part, other), options)
        yield from _templates.look(seen, options.template)


# -- within a part -------------------------------------------------------------------------------------------------

def _exact(seen: Seen, rows: _Rows, part: str, options: Options) -> Finding:
    """Rows whose inputs and target an earlier row of the part has; equal inputs alone are counted beside."""
    own = rows.within(part)
    inputs = rows.found.first[own]
    both = _mixed(inputs.astype(np.uint64), rows.targets[own])
    repeats = duplicates.firsts(both)
    extra = np.flatnonzero(repeats != np.arange(len(repeats), dtype=np.int32))
    spots = _spots(seen, "duplicates.exact", part, {int(i): int(repeats[i]) for i in extra},
                   t("the same as {p}", "与 {p} 相同", p="{p}"))
    facts = {"part": part, "inputs": len(inputs) - len(np.unique(inputs)),
             "inputs_verbatim": len(inputs) - len(np.unique(rows.verbatim[own])),
             "inputs_and_target": spots.count}
    return Finding(
        "duplicates.exact", _from(spots.count, len(inputs), options.exact),
        t("{s} rows of {p} repeat the text and the target of an earlier one; {i:,} repeat the text, {v:,} verbatim",
          "{p} 中 {s} 行的文本与目标同前面某行相同；文本相同的共 {i:,} 行，其中逐字相同的 {v:,} 行",
          s=share(spots.count, len(inputs)), p=_named(part), i=facts["inputs"], v=facts["inputs_verbatim"]),
        spots.count, len(inputs),
        t("look: from {p} of the rows on; case, width, white space and punctuation do not count",
          "注意：达到 {p}；不计大小写、全半角、空白与标点", p=percent(options.exact)),
        spots.shown, _drop(spots.count), facts, {"drop": ["duplicates.exact"]} if spots.count else {})


def _near(seen: Seen, rows: _Rows, part: str, options: Options) -> Finding:
    """Rows that an earlier, different one of the part is a near copy of."""
    own = rows.within(part)
    first, cluster = duplicates.firsts(rows.found.first[own]), duplicates.firsts(rows.found.cluster[own])
    number = np.arange(len(first), dtype=np.int32)
    extra = np.flatnonzero((cluster != number) & (first == number))
    sizes = np.bincount(cluster[first == number], minlength=len(first))
    sizes = sizes[sizes > 1]
    spots = _spots(seen, "duplicates.near", part, {int(i): int(cluster[i]) for i in extra},
                   t("nearly the same as {p}", "与 {p} 近似", p="{p}"))
    facts = {"part": part, "clusters": len(sizes), "largest": int(sizes.max(initial=0)),
             "buckets_limited": rows.found.limited}
    return Finding(
        "duplicates.near", _from(spots.count, len(first), options.near),
        t("{s} rows of {p} are near copies of an earlier one, in {c:,} clusters, the largest of {m:,} different texts",
          "{p} 中 {s} 行与前面某行近似，共 {c:,} 簇，最大的一簇有 {m:,} 个不同文本", s=share(spots.count, len(first)),
          p=_named(part), c=facts["clusters"], m=facts["largest"]),
        spots.count, len(first),
        t("look: from {p} of the rows on; near: at most {e} edits a character, in each field",
          "注意：达到 {p}；近似指每个字段中每字符至多 {e} 处改动", p=percent(options.near), e=options.edits),
        spots.shown, t("read them: rows that say the same only weigh more, but such with different labels confuse; the "
                       "split of weitiao tune keeps them on one side",
                       "请查看：内容相同的行只会加重权重，标签不同的则会造成混乱；weitiao tune 划分时把它们放在同一侧")
        if spots.count else "", facts, {"drop": ["duplicates.near"]} if spots.count else {})


# -- across parts --------------------------------------------------------------------------------------------------

def _across(seen: Seen, rows: _Rows, texts: duplicates.Texts, pair: tuple[str, str], options: Options) -> Finding:
    """Rows of one part that stand in another; what has a spot is the row of the part that would be learnt from."""
    part, other = pair
    code = f"duplicates.{part}_in_{other}"
    asked, there = rows.mask(part), rows.mask(other)
    held = duplicates.copies(texts, rows.found, asked, there, options.edits)
    first = rows.found.first
    equal = np.isin(first[rows.within(part)], first[rows.within(other)])
    verbatim = np.isin(rows.verbatim[rows.within(part)], rows.verbatim[rows.within(other)])
    # The learnt rows that would have to go, each with the first asked row that it is a copy of.
    start = rows.borders[part][0]
    learnt = duplicates.copies(texts, rows.found, there, asked, options.edits)
    spots = _spots(seen, code, other, {i - rows.borders[other][0]: j - start for i, j in learnt.items()},
                   t("stands in {o} too: {p}", "也出现在{o}中：{p}", o=_named(part), p="{p}"), part)
    facts = {"rows": len(held), "equal": int(equal.sum()), "verbatim": int(verbatim.sum()),
             "inputs_equal": len(np.unique(first[rows.within(part)][equal])),
             "inputs_verbatim": len(np.unique(rows.verbatim[rows.within(part)][verbatim])),
             "rows_of_other": len(learnt)}
    of = int(asked.sum())
    verdict: Verdict = "good" if not held else "stop" if len(held) >= options.across * of else "look"
    return Finding(
        code, verdict,
        t("{s} rows of {p} stand in {o}: {e:,} equal, {n:,} nearly",
          "{p} 中 {s} 行也出现在{o}中：相同 {e:,} 行，近似 {n:,} 行",
          s=share(len(held), of), p=_named(part), o=_named(other), e=facts["equal"], n=len(held) - facts["equal"]),
        len(held), of,
        t("look: from the first on; stop: from {p} of the rows on", "注意：只要出现；停止：达到 {p}",
          p=percent(options.across)),
        spots.shown, t("drop these rows from {o}: what was learnt by heart says nothing about new rows",
                       "请从{o}中删去这些行：背下来的内容不能说明对新数据的效果", o=_named(other)) if held else "",
        facts, {"drop": [code]} if held else {})


# -- helpers -------------------------------------------------------------------------------------------------------

def _named(part: str) -> str:
    return {"train": t("train", "训练数据"), "validation": t("validation", "验证数据"),
            "test": t("test", "测试数据")}[part]


def _from(count: int, of: int, limit: float) -> Verdict:
    return "look" if count and count >= limit * of else "good"


def _drop(count: int) -> str:
    return t("drop them, or weigh rows on purpose: repeated rows count double in training",
             "请删去，除非有意加权：重复的行在训练中会被重复计算") if count else ""


def _digest(value: Any) -> int:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _mixed(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (a * np.uint64(0x9E3779B97F4A7C15)) ^ b


def _spots(seen: Seen, code: str, part: str, repeats: dict[int, int], note: str, other: str = "") -> Spots:
    """A spot for each row of `part` in `repeats`; `note` names the row of `other` (else of the same part) behind it."""
    spots = seen.spots(code)
    if not repeats:
        return spots
    kept = np.unique(np.fromiter(repeats.values(), np.int64, len(repeats)))
    places = dict(zip(kept.tolist(), (e.source for e in seen.store.some(other or part, kept)), strict=True))
    extra = np.sort(np.fromiter(repeats, np.int64, len(repeats)))
    for i, example in zip(extra.tolist(), seen.store.some(part, extra), strict=True):
        role, text = next(seen.texts(example), ("", ""))
        spots.add(Spot(example.source, seen.column(role), excerpt(text), note.format(p=places[repeats[i]])))
    return spots
