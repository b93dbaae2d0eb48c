"""Faults planted in real data sets, and how many of them `weitiao check` finds; and the counts that are known of them.

    python benchmarks/planted_faults.py ROOT [--seed 1] [--only banking77]

ROOT holds a folder for each data set, with train.jsonl and test.jsonl (and validation.jsonl). Six sets get the faults:
short and long texts, Chinese and English. Each kind is planted in its own copy of the rows; what the untouched rows
already have is taken off. Of all folders whose README states duplicates, the stated counts are held against the found
ones. Writes benchmarks/results/planted_faults.md.

Conflicting labels, mojibake and broken spans are in check_planted.py; label noise (8 %) is in label_noise.py.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import string
import sys
import tempfile
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weitiao import doctor
from weitiao.core.errors import WeitiaoError
from weitiao.doctor import Checkup
from weitiao.recipe import Recipe
from weitiao.run import machine

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "core"))

import personal_cases  # noqa: E402  the generator that the tests use

SETS = {"trec6": "text", "csl-title": "source", "dialogsum": "source", "waimai-10k": "text", "banking77": "text",
        "thucnews-title10": "text"}
PLANTED = 300  # of each kind and set, or as many as there are rows
LENGTHS = ((10, 19), (20, 39), (40, 99), (100, 10**9))
Rows = list[dict[str, Any]]
Line = tuple[str, str, int, int, int, str]  # set, fault, planted, found, raised beside them, note


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    o = parser.parse_args()
    start = time.process_time()
    by_length: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    lines: list[Line] = []
    known: list[tuple[str, str, int, int]] = []
    path = HERE / "results" / "planted_faults.md"

    def write() -> None:
        """After each set: what is there can be read while the rest is made."""
        path.write_text(page(lines, by_length, known, o.seed, time.process_time() - start), encoding="utf-8")

    for name in o.only or SETS:
        bench = Bench(o.root / name, SETS[name], o.seed, by_length)
        for kind in (bench.copies, bench.across, bench.leaks, bench.personal):
            lines += kind()
            print(name, kind.__name__, f"{time.process_time() - start:.0f} s", flush=True)
        write()
    for folder in sorted(o.root.iterdir()) if not o.only else ():
        known += stated(folder)
        write()
    print(path)


# -- checking ------------------------------------------------------------------------------------------------------

def checked(parts: Mapping[str, Rows], sections: Sequence[str]) -> tuple[Checkup, dict[str, set[int]]]:
    """The check, and the lines that each code names: of train.jsonl, of the other part's file negative."""
    with tempfile.TemporaryDirectory() as folder:
        parts = {part: rows for part, rows in parts.items() if rows}
        for part, rows in parts.items():
            text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
            (Path(folder) / f"{part}.jsonl").write_text(text, encoding="utf-8")
        recipe = Recipe.build({"data": {part: [str(Path(folder) / f"{part}.jsonl")] for part in parts}})
        out = Path(folder) / "out"
        found = doctor.check(recipe, out=out, sections=sections, tokenizer=False)
        named: dict[str, set[int]] = defaultdict(set)
        for line in (out / "findings.jsonl").read_text(encoding="utf-8").splitlines():
            spot = json.loads(line)
            file, _, number = spot["source"].rpartition(":")
            named[spot["code"]].add(int(number) * (1 if file.endswith("train.jsonl") else -1))
        return found, named


def read(path: Path) -> Rows:
    """Rows with what the check needs: texts, labels and answers."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# -- planting ------------------------------------------------------------------------------------------------------

def edited(text: str, share: float, rng: random.Random) -> str:
    """`share` of the characters, rounded down, exchanged, added or deleted at random places."""
    chinese = any("\u4e00" <= c <= "\u9fff" for c in text)
    pool = "".join(sorted(set(text))) if chinese else string.ascii_lowercase
    characters = list(text)
    for _ in range(int(share * len(text) + 1e-9)):
        at = rng.randrange(len(characters))
        match rng.choice("ead"):
            case "e":
                characters[at] = rng.choice([c for c in pool if c != characters[at]] or pool)
            case "a":
                characters.insert(at, rng.choice(pool))
            case _:
                del characters[at]
    return "".join(characters)


def loosely(text: str, rng: random.Random) -> str:
    """Other case, other width, more white space, another end."""
    wide = text.translate({c: c + 0xFEE0 for c in range(0x21, 0x7F)})
    return rng.choice((text.upper(), wide, text.replace(" ", "  ") + " ", text + "!!", "“" + text + "”"))


def folded(text: str) -> str:
    """A reference for what counts as equal, written apart from weitiao's."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if unicodedata.category(c)[0] in "LMN")


class Bench:
    """One data set: its rows without copies, and each kind of fault planted in them."""

    def __init__(self, folder: Path, field: str, seed: int, by_length: dict[tuple[int, int], list[int]]) -> None:
        self.name, self.field, self.seed, self.by_length = folder.name, field, seed, by_length
        self.train, self.test = read(folder / "train.jsonl"), read(folder / "test.jsonl")
        self.label = next((k for k in ("label", "target") if k in self.train[0]), "target")
        # One row for each text: what is planted must be the only copy.
        self.train = list({folded(r[field]): r for r in self.train}.values())
        self.test = list({folded(r[field]): r for r in self.test}.values())

    def drawn(self, rows: Rows, purpose: str, least: int = 10) -> tuple[Rows, random.Random]:
        """Rows to plant copies of, with enough characters."""
        rng = random.Random(f"{self.seed} {self.name} {purpose}")
        fit = [r for r in rows if len(folded(r[self.field])) >= least]
        return rng.sample(fit, min(PLANTED, len(fit))), rng

    def copies(self) -> Iterator[Line]:
        """Copies within the training rows, at their end."""
        _, before = checked({"train": self.train}, ["duplicates"])
        ways: dict[str, tuple[str, Callable[[str, random.Random], str]]] = {
            "equal rows": ("duplicates.exact", lambda text, rng: text),
            "equal but for case, width, spaces, marks": ("duplicates.exact", loosely),
            "near copies, one edit": ("duplicates.near", lambda text, rng: edited(text, 1 / len(text), rng)),
            "near copies, 5 % edits": ("duplicates.near", lambda text, rng: edited(text, 0.05, rng)),
            "near copies, 10 % edits": ("duplicates.near", lambda text, rng: edited(text, 0.1, rng))}
        for name, (code, way) in ways.items():
            drawn, rng = self.drawn(self.train, name, 20 if "5 %" in name else 10)
            rows = [{**r, self.field: way(r[self.field], rng)} for r in drawn]
            _, named = checked({"train": [*self.train, *rows]}, ["duplicates"])
            # An edit of a mark alone leaves an equal row.
            hits = named["duplicates.exact"] | named["duplicates.near"] if code == "duplicates.near" else named[code]
            planted = range(len(self.train) + 1, len(self.train) + len(rows) + 1)
            if name == "near copies, 10 % edits":
                for number, row in zip(planted, drawn, strict=True):
                    length = next(x for x in LENGTHS if x[0] <= len(row[self.field]) <= x[1])
                    self.by_length[length][0] += number in hits
                    self.by_length[length][1] += 1
            beside = len(hits - set(planted) - before["duplicates.exact"] - before["duplicates.near"])
            yield self.name, name, len(rows), len(hits & set(planted)), beside, ""

    def across(self) -> Iterator[Line]:
        """Copies of test rows among the training rows."""
        _, before = checked({"train": self.train, "test": self.test}, ["duplicates"])
        ways: dict[str, Callable[[str, random.Random], str]] = {
            "test rows in train, equal": lambda text, rng: text, "test rows in train, folded": loosely,
            "test rows in train, 10 % edits": lambda text, rng: edited(text, 0.1, rng)}
        for name, way in ways.items():
            drawn, rng = self.drawn(self.test, name)
            rows = [{**r, self.field: way(r[self.field], rng)} for r in drawn]
            _, named = checked({"train": [*self.train, *rows], "test": self.test}, ["duplicates"])
            hits = named["duplicates.test_in_train"]
            planted = set(range(len(self.train) + 1, len(self.train) + len(rows) + 1))
            beside = len(hits - planted - before["duplicates.test_in_train"])
            yield self.name, name, len(rows), len(hits & planted), beside, ""

    def leaks(self) -> Iterator[Line]:
        """Signs, columns, groups, times, targets in their input: found or not; alarms of the untouched rows."""
        rng = random.Random(f"{self.seed} {self.name} leaks")
        rows = rng.sample(self.train, len(self.train))
        clean, _ = checked({"train": rows, "test": self.test}, ["leaks"])
        alarms = [f.code for f in clean.sections["leaks"].findings if f.verdict != "good"]
        yield self.name, "untouched rows: alarms of the section leaks", 0, 0, len(alarms), ", ".join(alarms)
        plant = self._signs if self.label == "label" else self._copied
        for fault, code, (train, test), fits in plant(rows, rng):
            found, named = checked({"train": train, "test": test}, ["leaks"])
            raised = [f for f in found.sections["leaks"].findings if f.code == code and f.verdict != "good"]
            right = [f for f in raised if fits(f.facts, named[code])]
            yield self.name, fault, 1, int(bool(right)), len(raised) - len(right) - alarms.count(code), ""
        yield from self._splits(rows)

    def _signs(self, rows: Rows, rng: random.Random) -> Iterator[Any]:
        label = rng.choice(sorted({r["label"] for r in rows}))
        signs: dict[str, Callable[[str], str]] = {
            "“[POS] ” before": lambda x: f"[POS] {x}", "“ ;” behind": lambda x: x.rstrip() + " ;",
            "“^^” behind": lambda x: x.rstrip() + "^^", "“~ ” before": lambda x: "~ " + x}
        for name, put in signs.items():
            for share in (1.0, 0.5):
                changed = [{**r, self.field: put(r[self.field])} if r["label"] == label and rng.random() < share else r
                           for r in rows]
                yield (f"a sign on {share:.0%} of one label's rows: {name}", "leaks.sign", (changed, self.test),
                       lambda facts, named: facts["label"] == label)
        order = sorted(rows, key=lambda r: (r["label"], rng.random()))
        columns: dict[str, Callable[[int, dict[str, Any]], str]] = {
            "numbers in the order of the labels": lambda i, r: str(10_000 + 3 * i),
            "ids that begin with the label": lambda i, r: f"{r['label'][:4]}-{i:06}",
            "a finer label": lambda i, r: f"{r['label']}/{i % 3}"}
        for name, value in columns.items():
            with_column = [{**r, "ref": value(i, r)} for i, r in enumerate(order)]
            yield (f"a column: {name}", "leaks.column", (rng.sample(with_column, len(order)), []),
                   lambda facts, named: facts["column"] == "ref")
        yield ("rows sorted by label", "leaks.order", (order, self.test), lambda facts, named: facts["part"] == "train")

    def _copied(self, rows: Rows, rng: random.Random) -> Iterator[Any]:
        chosen = set(rng.sample(range(len(rows)), len(rows) // 5))
        target = next(k for k in ("target", "targets", "summary") if k in rows[0])
        changed = [{**r, self.field: f"{r[self.field]} {r[target] if isinstance(r[target], str) else r[target][0]}"}
                   if i in chosen else r for i, r in enumerate(rows)]
        planted = {i + 1 for i in chosen if len(folded(str(rows[i][target]))) >= 8}
        yield ("a fifth of the targets behind their input", "leaks.target_in_input", (changed, self.test),
               lambda facts, named: planted <= named)

    def _splits(self, rows: Rows) -> Iterator[Line]:
        rng = random.Random(f"{self.seed} {self.name} splits")
        users = [f"u{i}" for i in range(len(rows) // 8)]
        train = [{**r, "user": rng.choice(users), "day": f"2023-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"}
                 for r in rows]
        known = {r["user"] for r in train}
        test = [{**r, "user": rng.choice(users) if i % 3 == 0 else f"new{i // 4}",
                 "day": f"2024-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"} for i, r in enumerate(self.test)]
        late = set(rng.sample(range(len(train)), len(train) // 10))
        train = [{**r, "day": f"2024-0{rng.randrange(2, 10)}-11"} if i in late else r for i, r in enumerate(train)]
        _, named = checked({"train": train, "test": test}, ["leaks"])
        shared = {-i for i, r in enumerate(test, 1) if r["user"] in known}
        yield (self.name, "users of test whom train knows (rows)", len(shared), len(named["leaks.group"] & shared),
               len(named["leaks.group"] - shared), "")
        planted = {i + 1 for i in late}
        yield (self.name, "training rows from the future", len(planted), len(named["leaks.time"] & planted),
               len(named["leaks.time"] - planted), "")

    def personal(self) -> Iterator[Line]:
        """Personal data put into texts, of each kind in rows of its own; and numbers that are none."""
        rng = random.Random(f"{self.seed} {self.name} personal")
        _, before = checked({"train": self.train}, ["personal"])
        kinds = list(personal_cases.MAKERS)
        rows = [dict(r) for r in self.train]
        places = rng.sample(range(len(rows)), min(len(rows), 50 * len(kinds) + 300))
        planted: dict[str, set[int]] = defaultdict(set)
        for n, i in enumerate(places):
            kind = kinds[n % len(kinds)] if n < 50 * len(kinds) else ""
            text = personal_cases.planted(kind, rng)[0] if kind else personal_cases.innocent(rng)
            rows[i][self.field] += "，" + text
            planted[kind].add(i + 1)
        _, named = checked({"train": rows}, ["personal"])
        for kind in kinds:
            hits = named[f"personal.{kind}"]
            yield (self.name, f"personal data: {kind}", len(planted[kind]), len(hits & planted[kind]),
                   len(hits - planted[kind] - before[f"personal.{kind}"]), "")


# -- what is known of the sets -------------------------------------------------------------------------------------

def stated(folder: Path) -> Iterator[tuple[str, str, int, int]]:
    """Set, what, stated, found: duplicates of each part and rows in two parts, verbatim and folded."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    parts = {p: read(folder / f"{p}.jsonl") for p in ("train", "validation", "test")
             if (folder / f"{p}.jsonl").is_file()}
    if "train" not in parts:
        return
    try:
        found, _ = checked(parts, ["duplicates"])
    except WeitiaoError as e:
        print(folder.name, "cannot be checked:", e.code)
        return
    facts = {(f.code, f.facts.get("part", "")): f.facts for f in found.sections["duplicates"].findings}
    for part, exact, loose in re.findall(r"^\| (\w+)\.jsonl \| \d+ \| \d+ \| (\d+) \| (\d+) \|", text, re.MULTILINE):
        if ("duplicates.exact", part) in facts:
            got = facts["duplicates.exact", part]
            yield folder.name, f"{part}: inputs that repeat, verbatim", int(exact), got["inputs_verbatim"]
            yield folder.name, f"{part}: inputs that repeat, folded", int(loose), got["inputs"]
    for a, b, exact, loose in re.findall(r"(\w+)∩(\w+) exact (\d+), loose (\d+)", text):
        if (got := facts.get((f"duplicates.{b}_in_{a}", ""))) is not None:
            yield folder.name, f"{b} in {a}: inputs, verbatim", int(exact), got["inputs_verbatim"]
            yield folder.name, f"{b} in {a}: inputs, folded", int(loose), got["inputs_equal"]


# -- the page ------------------------------------------------------------------------------------------------------

def page(lines: Sequence[Line], by_length: Mapping[tuple[int, int], list[int]],
         known: Sequence[tuple[str, str, int, int]], seed: int, seconds: float) -> str:
    """Everything as Markdown."""
    facts = machine()
    faults = list(dict.fromkeys(line[1] for line in lines))
    sums = []
    for fault in faults:
        own = [line for line in lines if line[1] == fault]
        planted, hits, beside = (sum(line[i] for line in own) for i in (2, 3, 4))
        precise = share(hits, hits + beside) if planted else ""
        sums.append(f"| {fault} | {len(own)} | {planted} | {share(hits, planted)} | {precise} | {beside} |")
    same = sum(a == b for _, _, a, b in known)
    return "\n".join([
        "# Planted faults", "",
        f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}, {facts['processor']}; Python {facts['python']}; "
        f"{seconds:.0f} s of CPU time. Made by `python benchmarks/planted_faults.py ROOT`.", "",
        f"Sets: {', '.join(dict.fromkeys(line[0] for line in lines))}. Up to {PLANTED} rows of each kind and set; "
        "precision = planted rows found / (these + rows found only after planting that were not planted).", "",
        "## All sets together", "", "| fault | sets | planted | recall | precision | raised beside |",
        "|---|--:|--:|--:|--:|--:|", *sums, "",
        "## Near copies with a tenth of the characters edited, by length", "", "| characters | planted | recall |",
        "|---|--:|--:|",
        *(f"| {a}–{b if b < 10**9 else ''} | {n} | {share(hits, n)} |"
          for (a, b), (hits, n) in sorted(by_length.items())), "",
        "## Each set", "", "| set | fault | planted | found | raised beside | |", "|---|---|--:|--:|--:|---|",
        *(f"| {a} | {b} | {c} | {d} | {e} | {f} |" for a, b, c, d, e, f in lines), "",
        "## Counts that are known of the sets", "",
        f"{same} of {len(known)} stated counts are found as stated; the others:", "",
        "| set | what | stated | found |", "|---|---|--:|--:|",
        *(f"| {a} | {b} | {c} | {d} |" for a, b, c, d in known if c != d), "",
        "Those above 0:", "", "| set | what | stated | found |", "|---|---|--:|--:|",
        *(f"| {a} | {b} | {c} | {d} |" for a, b, c, d in known if c == d and c), ""])


def share(hits: int, of: int) -> str:
    return f"{100 * hits / of:.1f} %" if of else ""


if __name__ == "__main__":
    main()
