"""The check as a part of a run: what is wrong with the rows that prepare has read and split, in a second or two.

    prepare/*.parquet  →  check/report.json

>>> stage(recipe, run)
>>> lines(read_json(run.folder / "check" / "report.json"), recipe)
['STOP: “[POS]” stands in 1,900 of 2,000 rows of positive and in 3 of others', 'more: weitiao check reviews.csv']

Of what `weitiao check` looks for this leaves out what prepare has said already (rows that cannot be read, duplicates,
test rows in train), what it would have to read the files for again, and whatever needs a model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from weitiao import doctor, splits
from weitiao.core import files
from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.core.seeds import rng
from weitiao.doctor import Finding, Seen
from weitiao.doctor.store import Store
from weitiao.recipe import Recipe
from weitiao.run import Run

ROWS = 5_000
"""Rows that are looked at, at most; of more they are drawn by the seed from all parts."""
_SHOWN = 4
_SECTIONS: Mapping[str, Mapping[str, Any]] = {
    # Whether so few rows can be tuned on is prepare's to say; that the result says nothing then is said here.
    "shape": {"rows_look": 20, "rows_stop": 0}, "labels": {}, "forms": {}, "leaks": {}, "personal": {}}
_ONLY_WHOLE = frozenset({"labels"})  # what it counts means nothing in a sample
# Said by prepare, of no concern to a run that draws its own parts, or meant for whoever reads the file itself.
_LEFT_OUT = frozenset({"labels.conflicts", "labels.several", "leaks.order"})


def stage(recipe: Recipe, run: Run) -> None:
    """Look at the prepared rows and write `check/report.json`. Raises RunError `disk.write_failed`."""
    name, task = splits.load_task(run)
    with run.stage("check") as folder:
        rows = folder / ".rows"
        rows.mkdir()
        store, of = _store(rows, run, recipe.seed)
        seen = Seen(name, task, store, seed=recipe.seed,
                    no_reader=t("tokens are counted when tuning begins", "词元在训练开始时统计"))
        found = [f for section, options in _SECTIONS.items() if seen.total == of or section not in _ONLY_WHOLE
                 for f in _look(section, options, seen)]
        found.sort(key=lambda f: -doctor.VERDICTS.index(f.verdict))
        files.write_json(folder / "report.json", {
            "verdict": doctor.worst(f.verdict for f in found), "rows": seen.total, "of": of,
            "findings": [{"code": f.code, "verdict": f.verdict, "said": f.said, "threshold": f.threshold, "do": f.do,
                          "count": f.count, "of": f.of,
                          "spots": [{"source": s.source, "field": s.field, "text": s.text, "note": s.note}
                                    for s in f.spots[:_SHOWN]]} for f in found]})
        shutil.rmtree(rows)


def _store(folder: Any, run: Run, seed: int) -> tuple[Store, int]:
    """At most `ROWS` rows of all parts, and how many there are."""
    paths = {part: run.folder / "prepare" / f"{part}.parquet" for part in splits.PARTS}
    counts = {part: splits.count(path) for part, path in paths.items()}
    total = sum(counts.values())
    chosen = np.sort(rng(seed, "check").choice(total, ROWS, replace=False)) if total > ROWS else np.arange(total)
    store, before = Store(folder), 0
    for part, path in paths.items():
        here = chosen[(chosen >= before) & (chosen < before + counts[part])] - before
        for example in splits.read(path, here):
            store.add(part, example)
        before += counts[part]
    store.close()
    return store, total


def _look(section: str, options: Mapping[str, Any], seen: Seen) -> Iterator[Finding]:
    module = doctor.load(section)
    yield from (f for f in module.look(seen, module.Options(**options))
                if f.code not in _LEFT_OUT and f.verdict != "good")


def lines(report: Mapping[str, Any], recipe: Recipe) -> list[str]:
    """What is worth a look, the worst first, a handful of lines; none where all is well."""
    found = report["findings"]
    if not found:
        return []
    drawn = t(" (of {n:,} drawn rows)", "（抽查 {n:,} 行）", n=report["rows"]) if report["rows"] < report["of"] else ""
    named = {"look": t("look", "注意"), "stop": t("STOP", "停止")}
    said = [f"{named[f['verdict']]}: {f['said']}{drawn}" for f in found[:_SHOWN]]
    more = len(found) - _SHOWN
    rest = t("{n} more; ", "另有 {n} 项；", n=more) if more > 0 else ""
    return [*said, t("{m}the rows: weitiao check {f}", "{m}相关行见：weitiao check {f}", m=rest,
                     f=" ".join(recipe.data.train))]


def stop_if_hopeless(report: Mapping[str, Any], recipe: Recipe) -> None:
    """Raises DataError `check.stopped` for a finding that says stop, unless `check.go_on` names it."""
    for finding in report["findings"]:
        if finding["verdict"] == "stop" and finding["code"] not in recipe.check.go_on:
            spot = finding["spots"][0] if finding["spots"] else {"source": "", "field": ""}
            raise DataError("check.stopped", t("not fit to be tuned on yet: {s} [{c}]", "暂不宜用于微调：{s} [{c}]",
                                               s=finding["said"], c=finding["code"]),
                            where=":".join(filter(None, (spot["source"], spot["field"]))),
                            expected=finding["threshold"],
                            fix=t("{d}; to tune on it all the same: --set check.go_on=[\"{c}\"]",
                                  "{d}；若仍要微调：--set check.go_on=[\"{c}\"]", d=finding["do"], c=finding["code"]))
