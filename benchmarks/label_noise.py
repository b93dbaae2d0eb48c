"""Wrong labels planted in real data sets, and how many of them the review list of `weitiao check` holds.

    python benchmarks/label_noise.py ROOT WORK [--rows 2000] [--seeds 3] [--share 0.08] [--page]

ROOT holds a folder for each data set, with train.jsonl. WORK keeps what is done: run it again and it goes on. `uniform`
gives a row any other label; `confused` gives it the one label that its own is confused with (of several labels one is
exchanged). Nothing of the untouched labels is corrected first: what is wrong in them counts against the list. Writes
benchmarks/results/label_noise.md from WORK (--page: and does nothing else).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from weitiao.doctor import Seen
from weitiao.doctor.sections import _doubts, _features, noise
from weitiao.doctor.seeing import see
from weitiao.example import Example
from weitiao.metrics.intervals import wilson
from weitiao.recipe import Recipe
from weitiao.run import machine

HERE = Path(__file__).resolve().parent
SETS = ("trec6", "sst2", "banking77", "waimai-10k", "thucnews-title10", "fewclue-tnews", "kdconv-domain", "ocnli",
        "goemotions", "nlupp-hotels")
KINDS = ("none", "uniform", "confused")
TOP = 0.05


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.08)
    parser.add_argument("--page", action="store_true")
    o = parser.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    for name in () if o.page else SETS:
        one(o.root / name, o.work, o.rows, o.seeds, o.share)
    path = HERE / "results" / "label_noise.md"
    path.write_text(page([json.loads(p.read_text()) for p in sorted(o.work.glob("*.json"))], o), encoding="utf-8")
    print(path)


# -- one data set --------------------------------------------------------------------------------------------------

def one(folder: Path, work: Path, most: int, seeds: int, share: float) -> None:
    """All that is still missing of a set, a file a kind and seed."""
    todo = [(kind, seed) for kind in KINDS for seed in range(1, (1 if kind == "none" else seeds) + 1)
            if not (work / f"{folder.name}-{kind}-{seed}.json").is_file()]
    if not todo:
        return
    with tempfile.TemporaryDirectory() as scratch:
        columns = {"text": "text", "label": "labels"} if folder.name == "nlupp-hotels" else {}
        recipe = Recipe.build({"data": {"train": [str(folder / "train.jsonl")], "columns": columns}})
        seen, _ = see(recipe, Path(scratch), lambda code, spot: None)
        rows, reader = noise._drawn(seen, noise.Options(rows=most))
        start = time.process_time()
        kept = work / f"{folder.name}.npz"
        if not kept.is_file():
            made = _features.features(seen, reader, rows)
            np.savez(kept, x=made.x, how=made.how)
        stored = np.load(kept)
        x, how = stored["x"], str(stored["how"])
        seconds = time.process_time() - start
    place = {e.source: i for i, e in enumerate(rows)}
    for kind, seed in todo:
        rng = np.random.default_rng([seed, KINDS.index(kind)])
        changed, planted = plant(seen, rows, kind, share, rng)
        case = noise._case(seen, changed)
        at = [place[e.source] for e in case.rows]
        start = time.process_time()
        p = _doubts.out_of_fold(x[at], case.y, case.units, len(case.names), seen.task.head().problem_type, seed)
        doubts = _doubts.single(case.y, p) if case.y.ndim == 1 else _doubts.several(case.y, p)
        listed = [case.rows[d.row].source for d in doubts]
        given = p[np.arange(len(p)), case.y] if case.y.ndim == 1 else 1 - np.abs(case.y - p).max(axis=1)
        hits = [source in planted for source in listed]
        judged = planted & {e.source for e in case.rows}
        top = hits[: round(TOP * len(rows))]
        result = {"set": folder.name, "kind": kind, "seed": seed, "rows": len(case.rows), "labels": len(case.names),
                  "features": how, "known": noise._known_share(case.y, p), "planted": len(judged),
                  "listed": len(listed), "hits": sum(hits), "top": len(top), "top_hits": sum(top),
                  "below": {str(k): float((given < k).mean()) for k in (0.02, 0.05, 0.1)},
                  "seconds": round(seconds, 1), "fit_seconds": round(time.process_time() - start, 1)}
        (work / f"{folder.name}-{kind}-{seed}.json").write_text(json.dumps(result))
        print(result, flush=True)


def plant(seen: Seen, rows: Sequence[Example], kind: str, share: float,
          rng: np.random.Generator) -> tuple[list[Example], set[str]]:
    """The rows with wrong labels on `share` of them, and the places of those."""
    out, names = list(rows), list(seen.task.head().labels)
    if kind == "none":
        return out, set()
    order = rng.permutation(len(names))
    # A ring through all labels: each is confused with the next one.
    next_ = {names[a]: names[b] for a, b in zip(order, np.roll(order, 1), strict=True)}
    planted = set()
    for i in rng.choice(len(rows), round(share * len(rows)), replace=False):
        given = noise._names(rows[i])
        gone = given[rng.integers(len(given))] if given else ""
        free = [n for n in names if n not in given]
        new = next_[gone] if kind == "confused" and gone and next_[gone] in free else free[rng.integers(len(free))]
        target: Any = new if isinstance(rows[i].target, str) else [*(n for n in given if n != gone), new]
        out[i] = replace(rows[i], target=target)
        planted.add(rows[i].source)
    return out, planted


# -- the page ------------------------------------------------------------------------------------------------------

def page(results: list[dict[str, Any]], o: argparse.Namespace) -> str:
    """Both tables and what they say."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    lines = ["# Label noise: how much of the review list is wrong", "",
             f"{date}, {machine()['processor']}; up to {o.rows:,} drawn rows a set, {o.share:.0%} of the labels made "
             f"wrong, seeds 1 to {o.seeds}. Made by `python benchmarks/label_noise.py ROOT WORK`.", "",
             "Precision: of the rows listed, those that were planted. Recall: of the planted rows, those listed. Top: "
             "precision of the first rows, a twentieth of all. What was wrong in the sets before counts against all "
             "three. Brackets: 95 % Wilson intervals over the rows of all seeds together. Known: the share of the "
             "errors of always giving the most frequent label that the out-of-fold model does not make.", "",
             "| set | features | rows | labels | noise | known | listed | precision | recall | top 5 % |",
             "|---|---|--:|--:|---|--:|--:|--:|--:|--:|"]
    lines += [line for kind in ("uniform", "confused") for line in table(results, kind)]
    lines += ["", "## Untouched labels", "",
              f"What the list holds where nothing was planted, and where {o.share:.0%} was: what the threshold of the "
              "verdict rests on.", "", "| set | listed, untouched | listed, uniform | listed, confused |",
              "|---|--:|--:|--:|"]
    lines += list(healthy(results))
    lines += ["", "## Together", ""]
    got = [g for kind in ("uniform", "confused") for name in SETS if (g := of_set(results, name, kind))]
    upper = 1.1
    for band in noise.MEASURED:
        here = [g for g in got if band.known <= g["known"] < upper]
        upper = band.known
        lines.append(f"- known at least {band.known}: {len({g['set'] for g in here})} sets; precision "
                     f"{mean(here, 'precision')}, recall {mean(here, 'recall')}, top 5 % {mean(here, 'head')} (mean "
                     "over sets and both kinds, lowest and highest in brackets).")
    lines += [f"- known less than {upper}: no list is given."]
    return "\n".join([*lines, ""])


def of_set(results: list[dict[str, Any]], name: str, kind: str) -> dict[str, Any]:
    """The seeds of one set together; {} where there are none."""
    got = [r for r in results if r["set"] == name and r["kind"] == kind]
    if not got:
        return {}
    total = {k: sum(r[k] for r in got) for k in ("rows", "planted", "listed", "hits", "top", "top_hits")}
    return {**total, "set": name, "n": len(got), "features": got[0]["features"], "labels": got[0]["labels"],
            "known": float(np.mean([r["known"] for r in got])), "precision": total["hits"] / max(1, total["listed"]),
            "recall": total["hits"] / max(1, total["planted"]), "head": total["top_hits"] / max(1, total["top"])}


def table(results: list[dict[str, Any]], kind: str) -> Iterator[str]:
    for name in SETS:
        if g := of_set(results, name, kind):
            yield (f"| {name} | {g['features']} | {g['rows'] // g['n']:,} | {g['labels']} | {kind} | "
                   f"{g['known']:.2f} | {g['listed'] / g['rows']:.1%} | {interval(g['hits'], g['listed'])} | "
                   f"{interval(g['hits'], g['planted'])} | {interval(g['top_hits'], g['top'])} |")


def healthy(results: list[dict[str, Any]]) -> Iterator[str]:
    for name in SETS:
        shares = [f"{g['listed'] / g['rows']:.1%}" if (g := of_set(results, name, kind)) else "" for kind in KINDS]
        if any(shares):
            yield f"| {name} | {' | '.join(shares)} |"


def interval(hits: int, of: int) -> str:
    if not of:
        return "–"
    got = wilson(hits, of)
    return f"{hits / of:.2f} [{got.low:.2f}, {got.high:.2f}]"


def mean(got: list[dict[str, Any]], key: str) -> str:
    values = [g[key] for g in got]
    return f"{np.mean(values):.2f} [{min(values):.2f}, {max(values):.2f}]" if values else "–"


if __name__ == "__main__":
    main()
