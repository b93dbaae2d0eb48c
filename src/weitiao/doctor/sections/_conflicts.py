"""Equal texts with different answers, over all parts; texts are equal when they are so folded.

>>> [f.said for f in findings(seen, look=0.005, stop=0.2)]
['texts that stand more than once with different answers: 7 (on 15 of 11,987 (0.13 %) rows)']
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from weitiao.core.i18n import t
from weitiao.core.text import joined
from weitiao.doctor import Finding, Seen, Spot, excerpt, judge, percent, share
from weitiao.example import Example


def findings(seen: Seen, look: float, stop: float) -> Iterator[Finding]:
    """One finding where there are any. Several answers to one text are right where answers are texts."""
    # A document of pretraining is its own answer.
    doubtful = set() if seen.task.head().kind == "corpus" or not seen.total else _doubtful(seen)
    if not doubtful:
        return
    code = "labels.several" if seen.writes else "labels.conflicts"
    spots = seen.spots(code)
    first: dict[int, Example] = {}
    for key, example in _having(seen, doubtful):
        spots.add(_spot(seen, example, first.setdefault(key, example)))
    total = seen.total
    if seen.writes:
        yield Finding(code, "good", t(
            "sources with several answers: {k:,} (on {s} rows)", "有多个答案的源文本：{k:,} 个（涉及 {s}行）",
            k=len(doubtful), s=share(spots.count, total)), spots.count, total, spots=spots.shown,
            facts={"inputs": len(doubtful)})
        return
    verdict = judge(spots.count / total, look, stop)
    yield Finding(code, verdict, t(
        "texts that stand more than once with different answers: {k:,} (on {s} rows)",
        "重复出现且答案不同的文本：{k:,} 个（涉及 {s}行）", k=len(doubtful), s=share(spots.count, total)),
        spots.count, total, t("look: more than {a} of the rows; stop: more than {b}",
                              "注意：超过 {a} 的行；停止：超过 {b}", a=percent(look), b=percent(stop)), spots.shown,
        t("decide which answer is right; dropping them all is second best", "请确定正确答案；全部删去是次选"),
        {"inputs": len(doubtful)}, {"drop": [code]})


def _doubtful(seen: Seen) -> set[int]:
    """Keys of the inputs that have more than one answer. Only rows that repeat one another are unpacked."""
    import numpy as np

    keys = np.sort(np.concatenate([seen.keys(part) for part in seen.parts]))
    repeated = set(keys[1:][keys[1:] == keys[:-1]].tolist())
    first: dict[int, int] = {}
    return {key for key, example in _having(seen, repeated)
            if (said := _digest(example)) != first.setdefault(key, said)}


def _having(seen: Seen, wanted: set[int]) -> Iterator[tuple[int, Example]]:
    """The rows with one of these keys, with their keys."""
    import numpy as np

    if not wanted:
        return
    known = np.sort(np.fromiter(wanted, np.uint64, len(wanted)))
    for part in seen.parts:
        keys = seen.keys(part)
        places = np.flatnonzero(known[np.searchsorted(known, keys).clip(max=len(known) - 1)] == keys)
        yield from zip(keys[places].tolist(), seen.store.some(part, places), strict=True)


def _digest(example: Example) -> int:
    target = example.target
    if isinstance(target, list) and all(isinstance(x, str) for x in target):
        target = sorted(target)  # the order of labels says nothing
    text = json.dumps(target, sort_keys=True, ensure_ascii=False)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _spot(seen: Seen, example: Example, first: Example) -> Spot:
    role, text = next(seen.texts(example))
    note = excerpt(str(joined(example.target)))
    if first is not example:
        note += t("; at {p}: {x}", "；{p}：{x}", p=first.source, x=excerpt(str(joined(first.target))))
    return Spot(example.source, seen.column(role), excerpt(text), note)
