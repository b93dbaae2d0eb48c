"""What `weitiao check` finds in real data sets, held against what their READMEs state, and which findings fire there.

    python benchmarks/real_finds.py ROOT WORK [--only cmrc2018]

ROOT holds a folder for each data set with README.md and train.jsonl, validation.jsonl, test.jsonl, or some of them. The
READMEs' counts were made apart from weitiao: duplicates of each part and across parts, inputs with several answers,
answers that are not in their passage, tags that break the rules, characters by kind. WORK keeps what is done. Writes
benchmarks/results/real_finds.md; what `NOTES` says of a difference was found by reading the rows.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weitiao import doctor
from weitiao.core.errors import WeitiaoError
from weitiao.doctor import Checkup
from weitiao.recipe import Recipe
from weitiao.run import machine

HERE = Path(__file__).resolve().parent
SECTIONS = ("shape", "labels", "forms", "duplicates", "leaks", "personal")
PARTS = ("train", "validation", "test")
CHARACTERS = {"control_chars": "control", "html_entities": "html", "zero_width_or_BOM": "zero_width",
              "U+2028/2029/0085": "line", "NBSP": "space"}
_WHOLE = "the README compares whole conversations, the check what was said before the answer"
_FOLDED = "the README compares texts as they are, the check folded ones"
_SEVERAL = "inputs with several answers, all parts"
NOTES: dict[tuple[str, str], str] = {
    **{(s, f"{p}: inputs that repeat, {how}"): _WHOLE for s in ("chatterbot-en", "chatterbot-zh")
       for p in ("train", "test") for how in ("verbatim", "folded")},
    **{(s, "inputs with several answers, all parts"): _WHOLE for s in ("chatterbot-en", "chatterbot-zh")},
    ("banking77", "inputs with several answers, all parts"):
        _FOLDED + ": “Has my top up gone through?” and “Has my top-up gone through?” have two labels, so have two more "
        "pairs",
    **{(s, _SEVERAL): _FOLDED + "; counted by a script of its own with the same folding it is the found number"
       for s in ("debian-docs-en-zh", "dialogsum", "goemotions", "multi30k-en-de", "squad2-dev-half", "stsb",
                 "tatoeba-en-zh", "trec6", "waimai-10k")},
    ("nlupp-hotels", _SEVERAL): "the order of the labels says nothing: 2 of the 5 have the same ones",
    ("goemotions", "rows with zero_width_or_BOM"): "joiners inside emoji belong there; the 12 have lost their emoji",
    ("goemotions", "rows with html_entities"): "&#x200B;",
    ("debian-docs-en-zh", "rows with html_entities"): "texts about HTML with its tags",
    ("debian-docs-en-zh", "rows with zero_width_or_BOM"): "soft hyphens, two of them left of a broken character",
    ("debian-docs-zh-pretrain", "rows with html_entities"): "texts about HTML with its tags",
    ("debian-docs-zh-pretrain", "rows with zero_width_or_BOM"): "soft hyphens, what is left of broken characters",
    ("self-instruct-human", "rows with html_entities"): "texts about HTML with its tags",
    ("weibo-ner", "train: inputs that repeat, folded"): "lines 218 and 730 of train.jsonl differ in form alone",
    ("weibo-ner", "test in train: inputs, folded"): "a copy without its two #",
    ("self-instruct-human", "rows with zero_width_or_BOM"): "a joiner inside an emoji",
    ("cmrc2018", "rows with html_entities"): "tags, which the README does not count: <br>, <div class=…>",
    ("csl-title", "rows with html_entities"): "tags, which the README does not count: <br>",
}
"""(set, what): why the counts differ."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    o = parser.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    for folder in sorted(o.root.iterdir()):
        kept = o.work / f"{folder.name}.json"
        if kept.is_file() or (o.only and folder.name not in o.only):
            continue
        kept.write_text(json.dumps(looked(folder), ensure_ascii=False))
        print(folder.name, flush=True)
    path = HERE / "results" / "real_finds.md"
    path.write_text(page([json.loads(p.read_text()) for p in sorted(o.work.glob("*.json"))]), encoding="utf-8")
    print(path)


def looked(folder: Path) -> dict[str, Any]:
    """One set: stated and found counts, and the verdict of each finding."""
    given = {part: folder / f"{part}.jsonl" for part in PARTS if (folder / f"{part}.jsonl").is_file()}
    if "train" not in given:
        given = {"train": given.pop("test")}
    columns = {"text": "text", "label": "labels"} if folder.name == "nlupp-hotels" else {}
    recipe = Recipe.build({"data": {**{part: [str(path)] for part, path in given.items()}, "columns": columns}})
    with tempfile.TemporaryDirectory() as out:
        try:
            found = doctor.check(recipe, out=Path(out) / "out", sections=SECTIONS, tokenizer=False)
        except WeitiaoError as e:
            return {"set": folder.name, "refused": f"{e.code}: {e.what}"}
        told: dict[str, set[str]] = defaultdict(set)
        for line in (Path(out) / "out" / "findings.jsonl").read_text(encoding="utf-8").split("\n"):
            if line:
                spot = json.loads(line)
                told[spot["code"]].add(spot["source"])
    readme = (folder / "README.md").read_text(encoding="utf-8")
    counts = [*copies(readme, found), *answers(readme, found, told), *characters(readme, given, told)]
    return {"set": folder.name, "task": found.task, "rows": sum(found.rows.values()), "counts": counts,
            "verdicts": [[f.code, f.verdict, f.count, f.of] for s in found.sections.values() for f in s.findings]}


# -- stated and found ----------------------------------------------------------------------------------------------

Count = tuple[str, int, int]  # what, stated, found


def copies(readme: str, found: Checkup) -> Iterator[Count]:
    """Duplicates within and across parts."""
    facts = {(f.code, f.facts.get("part", "")): f.facts for f in found.sections["duplicates"].findings}
    for part, exact, loose in re.findall(r"^\| (\w+)\.jsonl \| \d+ \| \d+ \| (\d+) \| (\d+) \|", readme, re.MULTILINE):
        if (got := facts.get(("duplicates.exact", part))) is not None:
            yield f"{part}: inputs that repeat, verbatim", int(exact), got["inputs_verbatim"]
            yield f"{part}: inputs that repeat, folded", int(loose), got["inputs"]
    for a, b, exact, loose in re.findall(r"(\w+)∩(\w+) exact (\d+), loose (\d+)", readme):
        if (got := facts.get((f"duplicates.{b}_in_{a}", ""))) is not None:
            yield f"{b} in {a}: inputs, verbatim", int(exact), got["inputs_verbatim"]
            yield f"{b} in {a}: inputs, folded", int(loose), got["inputs_equal"]


def answers(readme: str, found: Checkup, told: Mapping[str, set[str]]) -> Iterator[Count]:
    """Inputs with several answers, answers that are not where they are said to be, tags that break the rules."""
    if stated := re.search(r"conflicting outputs over all splits: (\d+)", readme):
        several = [f.facts["inputs"] for f in found.sections["labels"].findings
                   if f.code in ("labels.conflicts", "labels.several")]
        yield "inputs with several answers, all parts", int(stated[1]), sum(several)
    faults = {f.code: f.count for f in found.sections["forms"].findings}
    if absent := re.findall(r"'answer absent from context': (\d+)", readme):
        yield "answers that stand nowhere", sum(map(int, absent)), faults.get("forms.answer_missing", 0)
    if moved := re.findall(r"'offset wrong, answer elsewhere in context': (\d+)", readme):
        yield "answers beside their place", sum(map(int, moved)), faults.get("forms.answer_moved", 0)
    if broken := re.findall(r"invalid BIO transitions (\d+)", readme):
        yield "tags that break the rules", sum(map(int, broken)), faults.get("forms.tags_broken", 0)


def characters(readme: str, given: Mapping[str, Path], told: Mapping[str, set[str]]) -> Iterator[Count]:
    """Rows with characters of a kind, over the parts that were looked at."""
    stated: dict[str, int] = defaultdict(int)
    for path in given.values():
        for line in re.findall(rf"^- \*\*{path.stem}\*\*: .*?Character findings \(rows\) \{{(.*?)\}}", readme,
                               re.MULTILINE):
            for kind, count in re.findall(r"'([^']+)': (\d+)", line):
                stated[kind] += int(count)
    for kind, code in CHARACTERS.items():
        if stated[kind] or told.get(f"shape.{code}"):
            yield f"rows with {kind}", stated[kind], len(told.get(f"shape.{code}", ()))


# -- the page ------------------------------------------------------------------------------------------------------

def page(results: list[dict[str, Any]]) -> str:
    """Both tables."""
    sets = [r for r in results if "counts" in r]
    pairs = [(r["set"], *c) for r in sets for c in r["counts"]]
    equal = [p for p in pairs if p[2] == p[3]]
    lines = ["# What is found in real data sets", "",
             f"{datetime.now(UTC):%Y-%m-%d}, {machine()['processor']}; sections {', '.join(SECTIONS)} with their "
             "defaults. Made by `python benchmarks/real_finds.py ROOT WORK`.", "",
             f"{len(sets)} sets, {sum(r['rows'] for r in sets):,} rows. The READMEs of the sets state {len(pairs)} "
             f"counts, made apart from weitiao (0 where nothing is stated of a kind that was found); {len(equal)} of "
             "them are reproduced exactly.", "", "## Where the counts differ", "",
             "| set | what | stated | found | why |", "|---|---|--:|--:|---|"]
    lines += [f"| {s} | {what} | {a:,} | {b:,} | {NOTES.get((s, what), NOTES.get(('', what), ''))} |"
              for s, what, a, b in pairs if a != b]
    lines += ["", "## Equal counts above zero", "", "| set | what | count |", "|---|---|--:|"]
    lines += [f"| {s} | {what} | {a:,} |" for s, what, a, _ in equal if a]
    lines += ["", "## Which findings fire on these sets", "",
              "By finding: in how many sets it says look or stop at the default threshold, and in how many it is there "
              "and good.", "", "| finding | look | stop | good | sets that are not good |", "|---|--:|--:|--:|---|"]
    lines += list(fired(sets))
    refused = [r for r in results if "refused" in r]
    lines += ["", *(f"{r['set']} was refused: {r['refused']}" for r in refused), ""]
    return "\n".join(lines)


def fired(sets: list[dict[str, Any]]) -> Iterator[str]:
    worst: dict[str, dict[str, str]] = defaultdict(dict)
    shown: dict[tuple[str, str], str] = {}
    for r in sets:
        for code, verdict, count, of in r["verdicts"]:
            before = worst[code].get(r["set"], "good")
            worst[code][r["set"]] = max(before, verdict, key=doctor.VERDICTS.index)
            if verdict != "good":
                shown[code, r["set"]] = f"{r['set']} {count / of:.2%}" if of else r["set"]
    for code, by_set in sorted(worst.items()):
        n = {v: sum(x == v for x in by_set.values()) for v in doctor.VERDICTS}
        named = ", ".join(shown[code, s] for s, v in by_set.items() if v != "good")
        yield f"| `{code}` | {n['look']} | {n['stop']} | {n['good']} | {named} |"


if __name__ == "__main__":
    main()
