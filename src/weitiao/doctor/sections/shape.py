"""Shape: how many rows there are and how many could be read, how long they are, in which language and script, what the
tokenizer loses of them, and characters that are there by accident.

    12 of 8,969 (0.13 %) rows hold characters that were lost (U+FFFD, 锟斤拷)     look
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, Spots, Verdict, judge, percent, share
from weitiao.doctor.sections._languages import Languages
from weitiao.doctor.sections._odd import Odd
from weitiao.doctor.sections._sizes import Sizes
from weitiao.doctor.sections._tokens import Tokens
from weitiao.example import Example
from weitiao.prepare import telling

TITLE = ("Shape of the texts", "文本概况")

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rows_look: Count = 100
    """Look: fewer training rows than this."""
    rows_stop: Count = 10
    """Stop: fewer training rows than this."""
    rejected_stop: Share = 0.05
    """Stop: more than this share of a file's rows cannot be read; `weitiao tune` stops there too."""
    odd: Share = 0.001
    """Look: more than this share of the rows hold characters of a kind that does harm, or no word."""
    mangled_stop: Share = 0.05
    """Stop: more than this share of the rows hold lost or mangled characters."""
    foreign: Share = 0.02
    """Look: more than this share of the texts is in another language or script than the rest."""
    sample: Annotated[int, Field(ge=100)] = 20_000
    """Rows that are tokenised, at most."""
    lost_look: Share = 0.01
    """Look: truncation cuts more than this share of the tokens."""
    lost_stop: Share = 0.5
    """Stop: truncation cuts more than this share of the tokens."""
    unknown_look: Share = 0.01
    """Look: more than this share of the tokens (five times it in one label or language) is not in the vocabulary."""
    unknown_stop: Share = 0.2
    """Stop: more than this share of the tokens is not in the vocabulary."""


def look(seen: Seen, options: Options) -> Iterator[Finding]:
    """One pass over all rows, and the tokens of a sample."""
    yield _rows(seen, options)
    yield from _refused(seen)
    yield from _rejected(seen, options)
    yield from _files(seen)
    sizes, languages = Sizes(seen, options.odd), Languages(seen, options.foreign)
    odd = Odd(seen, options.odd, options.mangled_stop)
    ids = _Ids(seen)
    for part, example in seen.all():
        sizes.add(part, example)
        languages.add(example)
        odd.add(example)
        ids.add(part, example)
    yield from ids.findings()
    yield from sizes.findings()
    yield from languages.findings()
    yield from odd.findings()
    if seen.reader is None:
        yield Finding("shape.no_tokenizer", "good", t("tokens were not counted: {w}", "未统计词元：{w}",
                                                      w=seen.no_reader), 0, 0)
        return
    yield from Tokens(seen, seen.reader, sample=options.sample, lost_look=options.lost_look,
                      lost_stop=options.lost_stop, unknown_look=options.unknown_look,
                      unknown_stop=options.unknown_stop).findings()


def _rows(seen: Seen, options: Options) -> Finding:
    counts = {part: seen.count(part) for part in seen.parts}
    train = counts.get("train", 0)
    listed = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    verdict: Verdict = "stop" if train < options.rows_stop else "look" if train < options.rows_look else "good"
    return Finding("shape.rows", verdict, t("rows: {l}", "行数：{l}", l=listed), train, seen.total,
                   t("look: fewer than {a} training rows; stop: fewer than {b}",
                     "注意：训练数据少于 {a} 行；停止：少于 {b} 行", a=options.rows_look, b=options.rows_stop),
                   do=t("label more rows", "请标注更多数据") if verdict != "good" else "", facts=counts)


def _refused(seen: Seen) -> Iterator[Finding]:
    """What the task itself has against the rows."""
    if seen.refused is not None:
        yield Finding("shape.refused", "stop", t("weitiao tune would refuse this: {w} [{c}]",
                                                 "weitiao tune 会拒绝：{w} [{c}]", w=seen.refused.what,
                                                 c=seen.refused.code), 0, 0,
                      t("stop: always", "停止：一律"), do=seen.refused.fix)


def _rejected(seen: Seen, options: Options) -> Iterator[Finding]:
    read = sum(f["rows"] for f in seen.files)
    worst = max((f["rejected"] / f["rows"] for f in seen.files), default=0.0)
    for code, spots in seen.rejects.items():
        yield Finding(f"shape.rejected.{code.removeprefix('row.')}", judge(worst, 0.0, options.rejected_stop), t(
            "{s} rows cannot be read: {c}", "{s}行无法读取：{c}", s=share(spots.count, read), c=code),
            spots.count, read,
            t("look: any; stop: more than {p} of one file's rows", "注意：只要出现；停止：超过某个文件的 {p}",
              p=percent(options.rejected_stop)), spots.shown,
            t("mend them: weitiao tune leaves them out", "请修正：weitiao tune 会舍弃这些行"))


def _files(seen: Seen) -> Iterator[Finding]:
    """How files were read where that was a decision: encoding, header, quotes."""
    for line in telling.reading({"files": seen.files}):
        yield Finding("shape.reading", "good", line, 0, 0)


class _Ids:
    """Ids that stand twice in one part, where ids are the file's own. Eight bytes a row."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._keys: dict[str, array[int]] = {part: array("q") for part in seen.parts}

    def add(self, part: str, example: Example) -> None:
        if example.id != example.source:
            self._keys[part].append(hash(example.id))

    def findings(self) -> Iterator[Finding]:
        spots = self._seen.spots("shape.doubled_id")
        for part, keys in self._keys.items():
            values, counts = np.unique(np.frombuffer(keys, np.int64), return_counts=True)
            if twice := set(values[counts > 1].tolist()):
                self._tell(part, twice, spots)
        if spots.count:
            total = self._seen.total
            yield Finding("shape.doubled_id", "stop", t("{s} rows have the id of a row before them",
                                                        "{s}行的 id 与前面的行相同", s=share(spots.count, total)),
                          spots.count, total, t("stop: any", "停止：只要出现"), spots.shown,
                          t("make ids differ, or leave data.id out: weitiao tune takes the first row only",
                            "请使 id 互不相同，或不设 data.id：weitiao tune 只取第一行"),
                          fix={"drop": ["shape.doubled_id"]})

    def _tell(self, part: str, twice: set[int], spots: Spots) -> None:
        first: dict[str, str] = {}
        for _, example in self._seen.all((part,)):
            if hash(example.id) in twice and first.setdefault(example.id, example.source) != example.source:
                spots.add(Spot(example.source, "", example.id, t("also at {p}", "也在 {p}", p=first[example.id])))
