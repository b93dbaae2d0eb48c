"""How far the forecast of a run is from what the run then takes: time and peak memory.

    python benchmarks/forecast_error.py DATA OUT     # DATA: a folder of data sets; appends to OUT/runs.jsonl
    python benchmarks/forecast_error.py DATA OUT --only trec6-minilm
    python benchmarks/forecast_error.py DATA OUT --page benchmarks/results/forecast.md

Of each case three processes of their own: prepare and select; `python -m weitiao.tuning.costs`, which measures a few
steps; the whole command `weitiao tune`. A case that stands in runs.jsonl is not run again, so that a benchmark may be
stopped and taken up. Seconds of a processor stand beside those on the wall, which other programs on the machine
stretch.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_BEGIN = """
import sys
from pathlib import Path
from weitiao import pipeline
from weitiao.recipe import Recipe
from weitiao.run import Run
recipe = Recipe.read(Path(sys.argv[1]))
run = Run.create(Path(sys.argv[2]), recipe.to_toml(), recipe.hash, {"asked": recipe.hash})
pipeline.begin(recipe, run, lambda event: None)
"""


@dataclass(frozen=True)
class Case:
    """A run: data set, training rows (0: all), settings."""

    name: str
    data: str
    rows: int
    settings: tuple[str, ...]


CASES = (
    Case("trec6-minilm-full", "trec6", 1500, ("model.name=minilm", "tune.steps=60")),
    Case("sst2-minilm-lora", "sst2", 1000, ("model.name=minilm", "method.name=lora", "tune.steps=30",
                                            "evaluate.rows=200")),
    Case("multi30k-bergamot-full", "multi30k-en-de", 500, ("model.name=bergamot-tiny-enpt", "tune.steps=20",
                                                           "evaluate.rows=20")),
    Case("cmrc2018-e5-full", "cmrc2018", 200, ("model.name=e5-small", "tune.steps=5", "evaluate.rows=30")),
    Case("stsb-minilm-full", "stsb", 1500, ("model.name=minilm", "tune.steps=30", "evaluate.rows=300")),
    Case("banking77-minilm-head", "banking77", 1000, ("model.name=minilm", "method.name=head", "tune.steps=40",
                                                      "evaluate.rows=300")),
    Case("e2e-nlg-smollm2-lora", "e2e-nlg", 200, ("model.name=smollm2-135m", "method.name=lora", "tune.steps=4",
                                                  "evaluate.rows=6")),
    Case("weibo-ner-e5-full", "weibo-ner", 600, ("model.name=e5-small", "tune.steps=25")),
    Case("thucnews-e5-freeze", "thucnews-title10", 2000,
         ("model.name=e5-small", "method.name=freeze", "tune.steps=30", "evaluate.rows=200")),
    Case("squad2-minilm-lora", "squad2-dev-half", 300, ("model.name=minilm", "method.name=lora", "tune.steps=5",
                                                        "evaluate.rows=40")),
    Case("debian-docs-e5-pretrain", "debian-docs-zh-pretrain", 40, ("model.name=e5-small", "tune.steps=2")),
    Case("kdconv-e5-full", "samples/kdconv-utterance-zh", 0, ("model.name=e5-small",)),
    Case("ocnli-e5-full", "ocnli", 1500, ("model.name=e5-small", "tune.steps=25", "evaluate.rows=200")),
    Case("e2e-nlg-smollm2-full", "e2e-nlg", 150, ("model.name=smollm2-135m", "tune.steps=3", "evaluate.rows=5")),
)


def timed(command: list[str], log: Path) -> dict[str, float]:
    """Run it; seconds on the wall and of a processor, and peak memory. Stops the benchmark where it fails."""
    began = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: see {log}")
    return {"seconds": round(time.perf_counter() - began, 2), "cpu": round(used.ru_utime + used.ru_stime, 2),
            "memory_gb": round(used.ru_maxrss * 1024 / 1e9, 3)}


def files_of(case: Case, data: Path, folder: Path) -> tuple[Path, Path | None]:
    """Training and test file, the former cut to so many rows."""
    source = ROOT / case.data if case.data.startswith("samples") else data / case.data
    named = (source / "train.jsonl", source / "train-300.jsonl", *sorted(source.glob("*.jsonl")))
    train = next(p for p in named if p.is_file())
    test = source / "test.jsonl"
    if case.rows:
        whole = train.read_text(encoding="utf-8").split("\n")
        kept = whole[:: max(1, len(whole) // case.rows)][: case.rows]  # some files are sorted by their labels
        train = folder / "train.jsonl"
        train.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return train, test if test.is_file() else None


def measure(case: Case, data: Path, out: Path) -> dict[str, Any]:
    """Forecast and fact of one case."""
    from weitiao import pipeline
    from weitiao.recipe import Recipe

    folder = out / case.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    train, test = files_of(case, data, folder)
    recipe = Recipe().updated(pipeline.shorthands(train, (), test or (), {})).with_set(*case.settings)
    (folder / "asked.toml").write_text(recipe.to_toml(), encoding="utf-8")
    begin = timed([sys.executable, "-c", _BEGIN, str(folder / "asked.toml"), str(folder / "planned")],
                  folder / "begin.log")
    priced = timed([sys.executable, "-m", "weitiao.tuning.costs", str(folder / "planned")], folder / "price.log")
    cost = json.loads((folder / "price.log").read_text().splitlines()[-1])
    fact = timed([sys.executable, "-m", "weitiao", "tune", "--recipe", str(folder / "asked.toml"), "--out",
                  str(folder / "run")], folder / "tune.log")
    stages = {k: v["seconds"] for k, v in json.loads((folder / "run" / "manifest.json").read_text())["stages"].items()}
    costs = json.loads((folder / "run" / "tune" / "costs.json").read_text())
    disk = sum(p.stat().st_size for p in (folder / "run").rglob("*") if p.is_file())
    plan = json.loads((folder / "planned" / "select" / "decision.json").read_text())["forecast"]
    for name in ("planned", "run"):
        shutil.rmtree(folder / name)
    return {"name": case.name, "at": datetime.now(UTC).isoformat(timespec="seconds"), "begin": begin, "price": priced,
            "cost": cost, "fact": fact, "stages": stages, "costs": costs, "disk_gb": round(disk / 1e9, 3),
            "plan": plan}


def line(run: dict[str, Any]) -> dict[str, float]:
    """Forecast and fact of a run's numbers."""
    cost, begin, fact = run["cost"], run["begin"], run["fact"]
    return {"cpu forecast": begin["cpu"] + cost["cpu_total"], "cpu": fact["cpu"],
            "wall forecast": begin["seconds"] + cost["total"], "wall": fact["seconds"],
            "memory forecast": max(begin["memory_gb"], cost["memory_gb"]), "memory": fact["memory_gb"],
            "disk forecast": cost["disk_gb"], "disk": run["disk_gb"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case after so long")
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    kept = asked.out / "runs.jsonl"
    runs = [json.loads(x) for x in kept.read_text().splitlines()] if kept.is_file() else []
    if asked.page:
        asked.page.write_text(page(runs), encoding="utf-8")
        return
    began = time.perf_counter()
    for case in CASES:
        if time.perf_counter() - began > asked.seconds:
            break
        if case.name in {r["name"] for r in runs} or asked.only not in ("", case.name):
            continue
        found = measure(case, asked.data, asked.out)
        with kept.open("a", encoding="utf-8") as f:
            f.write(json.dumps(found, ensure_ascii=False) + "\n")
        print(case.name, line(found), flush=True)


def page(runs: list[dict[str, Any]]) -> str:
    """The table as Markdown, with the median and the worst error."""
    from weitiao.run import machine

    rows = [(r["name"], line(r)) for r in runs]
    head = ("| run | processor: forecast | took | error | wall: forecast | took | error "
            "| memory: forecast | used | error |\n"
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
    body = "".join("| " + " | ".join([name, *(cell for key, unit in (("cpu", " s"), ("wall", " s"), ("memory", " GB"))
                                             for cell in _cells(x, key, unit))]) + " |\n" for name, x in rows)
    said = "".join(f"- {title}: median {statistics.median(errors):.0%}, worst {max(errors):.0%}\n"
                   for title, errors in ((t, [abs(_error(x, k)) for _, x in rows]) for t, k in (
                       ("seconds of a processor", "cpu"), ("seconds on the wall", "wall"), ("peak memory", "memory"),
                       ("disk", "disk"))))
    here = machine()
    libraries = here["libraries"]
    asked = [r["price"]["cpu"] for r in runs]
    return f"""# Forecast against fact

{datetime.now(UTC):%Y-%m-%d}, {here['processor']}, {here['cpus']} core(s) for each run, one thread,
Python {here['python']}, torch {libraries['torch']}, transformers {libraries['transformers']}, seed 1, one run each.
Made by `benchmarks/forecast_error.py`.

{len(rows)} whole commands (`weitiao tune`, from reading the file to the report). Time is forecast as what preparing and
choosing took in a process of its own, and what `python -m weitiao.tuning.costs` told of the rest from a few measured
steps; memory is the most that the process holds. The machine was shared with other work while this ran: seconds on
the wall hold the others' work, seconds of a processor hardly do.

{head}{body}
Error: forecast less fact, in parts of the fact. Its size:

{said}
Forecasting took {statistics.median(asked):.0f} s of a processor in the median, {max(asked):.0f} s at most.
"""


def _error(x: dict[str, float], key: str) -> float:
    return x[f"{key} forecast"] / x[key] - 1


def _cells(x: dict[str, float], key: str, unit: str) -> list[str]:
    digits = 2 if unit == " GB" else 0
    return [f"{x[f'{key} forecast']:.{digits}f}{unit}", f"{x[key]:.{digits}f}{unit}", f"{_error(x, key):+.0%}"]


if __name__ == "__main__":
    main()
