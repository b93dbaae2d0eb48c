"""Bad rows: written to rejected.jsonl while the data is read, counted, and enough of them stop the run.

    {"file": "reviews.csv", "line": 17, "field": "label", "code": "row.no_label", "reason": "...", "raw": "..."}
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.formats import BadRow

_SHOWN = 3
_KEPT = 5


class Rejects:
    """Takes bad rows and remembers how many of which kind. Made by `writing`."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self.codes: Counter[str] = Counter()
        self.first: list[BadRow] = []

    def add(self, bad: BadRow) -> None:
        # A reason may quote half a surrogate pair: those are escaped, everything else stays readable.
        line = json.dumps(asdict(bad), ensure_ascii=False)
        self._out.write(line.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
        self.codes[bad.code] += 1
        if len(self.first) < _KEPT:
            self.first.append(bad)

    @property
    def count(self) -> int:
        return self.codes.total()


@contextmanager
def writing(path: Path) -> Iterator[Rejects]:
    """Rejects that are written to `path`."""
    with path.open("w", encoding="utf-8") as out:
        yield Rejects(out)


def place(bad: BadRow) -> str:
    """`file:line:field` as far as it is known."""
    return f"{bad.file}:{bad.line}" + (f":{bad.field}" if bad.field else "")


def stop_if_too_many(bad: int, rows: int, share: float, first: list[BadRow], file: str,
                     code: str = "data.too_many_bad_rows") -> None:
    """Raise DataError when more than `share` of a file's rows is bad, with the first of them."""
    if not bad or bad <= share * rows:
        return
    shown = "".join(f"\n    {place(b)}: {b.reason}" for b in first[:_SHOWN])
    fix = t("mend them; where the wrong columns are read, name the right ones with --columns",
            "请修正这些行；若读错了列，请用 --columns 指明")
    if bad < rows:
        fix += t("; to leave such rows out: --set data.max_bad_share={x}",
                 "；若可以丢弃这些行，请加 --set data.max_bad_share={x}", x=min(0.99, (100 * bad // rows + 1) / 100))
    raise DataError(
        code,
        t("{b:,} of {n:,} rows cannot be used; the first:{s}", "{n:,} 行中有 {b:,} 行无法使用，最前面的是：{s}",
          b=bad, n=rows, s=shown),
        where=file,
        expected=t("at most {p:.0%} bad rows (data.max_bad_share)", "坏行不超过 {p:.0%}（data.max_bad_share）",
                   p=share),
        fix=fix)
