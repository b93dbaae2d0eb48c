"""Wrong entities planted in real tagged texts, and how many of these rows the list of `weitiao check` holds.

    python benchmarks/label_noise_tags.py ROOT WORK [--seeds 3] [--share 0.08] [--page]

ROOT holds a folder for each data set, with train.jsonl. WORK keeps what is done: run it again and it goes on. One
entity of each of the rows drawn (`--share` of all, among those that have entities) is made wrong: in a third of them it
is dropped, in a third it gets another label, in a third one of its borders moves by a word. Nothing of the untouched
tags is corrected first: what is wrong in them counts against the list. Writes benchmarks/results/label_noise_tags.md
from WORK (--page: and does nothing else).
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
from label_noise import TOP, interval

from weitiao.doctor import Seen
from weitiao.doctor.sections import _tag_doubts, noise
from weitiao.doctor.seeing import see
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.run import machine
from weitiao.tasks._units import Place, units

HERE = Path(__file__).resolve().parent
SETS: dict[str, dict[str, Any]] = {
    "weibo-ner": {}, "nlupp-hotels": {"data": {"columns": {"text": "text", "label": "slots"}}, "task": {"name": "tag"}}}
KINDS = ("dropped", "relabelled", "moved")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.08)
    parser.add_argument("--page", action="store_true")
    o = parser.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    for name in () if o.page else SETS:
        one(o.root / name, o.work, o.seeds, o.share)
    path = HERE / "results" / "label_noise_tags.md"
    path.write_text(page([json.loads(p.read_text()) for p in sorted(o.work.glob("*.json"))], o), encoding="utf-8")
    print(path)


# -- one data set --------------------------------------------------------------------------------------------------

def one(folder: Path, work: Path, seeds: int, share: float) -> None:
    """All that is still missing of a set, a file a seed; seed 0 is without any noise."""
    todo = {seed: path for seed in range(seeds + 1) if not (path := work / f"{folder.name}-{seed}.json").is_file()}
    if not todo:
        return
    tree = SETS[folder.name]
    recipe = Recipe.build({**tree, "data": {"train": [str(folder / "train.jsonl")], **tree.get("data", {})}})
    with tempfile.TemporaryDirectory() as scratch:
        seen, _ = see(recipe, Path(scratch), lambda code, spot: None, tokenizer=False)
        rows = noise._tagged(seen, noise.Options())
    for seed, path in todo.items():
        result = judged(seen, rows, seed, share if seed else 0.0)
        path.write_text(json.dumps({"set": folder.name, **result}))
        print(folder.name, result, flush=True)


def judged(seen: Seen, rows: Sequence[Example], seed: int, share: float) -> dict[str, Any]:
    """What the list holds of rows with `share` of them made wrong."""
    changed, planted = plant(rows, seen.task.head().labels[1::2], share, np.random.default_rng(seed))
    start = time.process_time()
    whole = noise._units(changed, "")
    words = _tag_doubts.words_of(seen.task, changed, whole)
    p = _tag_doubts.out_of_fold(words, whole, seed or 1)
    listed = [d.row for d in _tag_doubts.doubts(words, p)]
    top = listed[: round(TOP * len(rows))]
    return {"seed": seed, "rows": len(rows), "with": sum(bool(e.target) for e in rows), "words": len(words.y),
            "labels": len(words.names) - 1, "known": noise._known_share(words.y, p), "planted": len(planted),
            "listed": len(listed), "hits": sum(r in planted for r in listed), "top": len(top),
            "top_hits": sum(r in planted for r in top),
            "of": {k: sum(v == k for v in planted.values()) for k in KINDS},
            "found": {k: sum(planted.get(r) == k for r in listed) for k in KINDS},
            "seconds": round(time.process_time() - start, 1)}


def plant(rows: Sequence[Example], labels: Sequence[str], share: float,
          rng: np.random.Generator) -> tuple[list[Example], dict[int, str]]:
    """The rows with one wrong entity in `share` of them, and what was done to which row."""
    out, planted = list(rows), dict[int, str]()
    names = [label.removeprefix("B-") for label in labels]
    for i in rng.permutation([i for i, e in enumerate(rows) if e.target]).tolist():
        if len(planted) == round(share * len(rows)):
            break
        kind = KINDS[len(planted) % len(KINDS)]
        target = [dict(x) for x in rows[i].target]
        k = int(rng.integers(len(target)))
        if kind == "dropped":
            del target[k]
        elif kind == "relabelled":
            target[k]["label"] = rng.choice([n for n in names if n != target[k]["label"]]).item()
        elif places := moved(target, k, units(rows[i].inputs["text"])):
            target[k]["start"], target[k]["end"] = places[rng.integers(len(places))]
        else:
            continue  # an entity of one word between two others
        out[i], planted[i] = replace(rows[i], target=target), kind
    return out, planted


def moved(target: Sequence[dict[str, Any]], k: int, words: Sequence[Place]) -> list[Place]:
    """Where the entity could stand with one border a word farther or nearer, over no other entity."""
    x = target[k]
    taken = {i for j, y in enumerate(target) if j != k for i, (a, b) in enumerate(words)
             if a < y["end"] and b > y["start"]}
    own = [i for i, (a, b) in enumerate(words) if a < x["end"] and b > x["start"]]
    first, last = own[0], own[-1]
    tried = [(first - 1, last), (first, last + 1), (first + 1, last), (first, last - 1)]
    return [(words[a][0], words[b][1]) for a, b in tried if 0 <= a <= b < len(words) and not {a, b} & taken]


# -- the page ------------------------------------------------------------------------------------------------------

def page(results: list[dict[str, Any]], o: argparse.Namespace) -> str:
    """The table and what it says."""
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    lines = ["# Noise in tags: how much of the list is wrong", "",
             f"{date}, {machine()['processor']}; one entity made wrong in {o.share:.0%} of the rows, seeds 1 to "
             f"{o.seeds}. Made by `python benchmarks/label_noise_tags.py ROOT WORK`.", "",
             "Precision: of the rows listed, those that were planted. Recall: of the planted rows, those listed. Top: "
             "precision of the first rows, a twentieth of all. What was wrong in the sets before counts against all "
             f"three. By chance precision would be {o.share:.0%}, among rows with entities what the column says. "
             "Brackets: 95 % Wilson intervals over the rows of all seeds together. Known: the share of the errors of "
             "always giving the most frequent tag (O) that the out-of-fold tagger does not make. Untouched: what the "
             "list holds where nothing was planted.", "",
             "| set | rows | words | labels | known | by chance | untouched | listed | precision | recall | top 5 % |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", *table(results), "",
             "Recall by what was done to the entity:", "", f"| set | {' | '.join(KINDS)} |", "|---|--:|--:|--:|"]
    for name in SETS:
        if got := [r for r in results if r["set"] == name and r["seed"]]:
            shares = [interval(sum(r["found"][k] for r in got), sum(r["of"][k] for r in got)) for k in KINDS]
            lines.append(f"| {name} | {' | '.join(shares)} |")
    seconds = [r["seconds"] for r in results]
    return "\n".join([*lines, "", f"Seconds of one core a run: {min(seconds):.0f} to {max(seconds):.0f}.", ""])


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    for name in SETS:
        got = [r for r in results if r["set"] == name and r["seed"]]
        clean = next((r for r in results if r["set"] == name and not r["seed"]), None)
        if not got or clean is None:
            continue
        total = {k: sum(r[k] for r in got) for k in ("rows", "with", "planted", "listed", "hits", "top", "top_hits")}
        yield (f"| {name} | {got[0]['rows']:,} | {got[0]['words']:,} | {got[0]['labels']} | "
               f"{np.mean([r['known'] for r in got]):.2f} | {total['planted'] / total['with']:.2f} | "
               f"{clean['listed'] / clean['rows']:.1%} | {total['listed'] / total['rows']:.1%} | "
               f"{interval(total['hits'], total['listed'])} | {interval(total['hits'], total['planted'])} | "
               f"{interval(total['top_hits'], total['top'])} |")


if __name__ == "__main__":
    main()
