"""Faults planted into real data, and how many of them `weitiao check` finds: the sections shape, labels and forms.

    python benchmarks/check_planted.py DATA [--share 0.01] [--seed 1]

DATA holds the folders named in `SETS`, each with train.jsonl. Into each set's rows every kind of fault that fits its
task is planted on a share of the rows, one fault a row. A row counts as found where the fault's own finding names it.
What the same finding names without being planted, and did not name before planting, counts against precision. Writes
benchmarks/results/<date>-check-planted.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from weitiao import doctor
from weitiao.core.odd import KINDS
from weitiao.recipe import Recipe
from weitiao.run import machine

HERE = Path(__file__).resolve().parent
Row = dict[str, Any]
Change = Callable[[Row, random.Random], Row | None]


class Fault(NamedTuple):
    """A kind of fault: the finding that should name it (a prefix of its code), and what it does to a row (None: this
    row does not lend itself to it). `added`: the changed row stands beside the old one. `most`: rows."""

    name: str
    code: str
    change: Change
    added: bool = False
    most: int = 1_000_000


class Set(NamedTuple):
    """A data set: the columns with texts, its label column, its task, and the faults planted."""

    name: str
    texts: tuple[str, ...]
    task: dict[str, Any]
    faults: tuple[Fault, ...]
    rows: int = 10_000


# -- texts ---------------------------------------------------------------------------------------------------------

def insert(piece: str) -> Callable[[str, random.Random], str | None]:
    def change(text: str, chance: random.Random) -> str:
        at = chance.randrange(1, len(text)) if len(text) > 1 else 1
        return text[:at] + piece + text[at:]

    return change


def mangled(text: str, chance: random.Random) -> str | None:
    """UTF-8 read in another encoding: Chinese as GBK, other texts (given an apostrophe or accent) as Windows-1252."""
    if text.isascii():
        return text.replace("'", "â€™") if "'" in text else f"{text} â€“ ok"
    changed = text.encode().decode("gb18030", "ignore") if any("\u4e00" <= c <= "\u9fff" for c in text) else \
        text.encode().decode("cp1252", "ignore")
    return changed if changed != text else None


def lost(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text))
    return text[:at] + "\ufffd" + text[at + 1 :]


def wide(text: str, chance: random.Random) -> str | None:
    changed = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)
    return changed if changed != text else None


def escaped(text: str, chance: random.Random) -> str:
    if "&" in text:
        return text.replace("&", "&amp;")
    return f"{text}<br/>" if chance.random() < 0.5 else f"&quot;{text}&quot;"


def on_text(column: str, change: Callable[[str, random.Random], str | None]) -> Change:
    def changed(row: Row, chance: random.Random) -> Row | None:
        text = change(row[column], chance)
        return None if text is None else {**row, column: text}

    return changed


def characters(column: str) -> tuple[Fault, ...]:
    kinds: dict[str, Callable[[str, random.Random], str | None]] = {
        "mojibake": mangled, "lost": lost, "control": insert("\x07"), "zero_width": insert("\u200b"),
        "html": escaped, "private": insert("\ue412"), "full_width": wide, "space": insert("\u00a0")}
    return tuple(Fault(KINDS[k].name[0], f"shape.{k}", on_text(column, change)) for k, change in kinds.items())


def replaced(column: str, text: str) -> Change:
    return lambda row, chance: {**row, column: f"{text} {chance.randrange(10**6)}"}


# -- labels --------------------------------------------------------------------------------------------------------

def renamed(label: str, name: str) -> Change:
    return lambda row, chance: {**row, "label": name} if row["label"] == label else None


def contradicted(labels: tuple[str, ...]) -> Change:
    """The same text up to case and signs, with another label."""
    return lambda row, chance: {**row, "text": row["text"].upper() + "!",
                                "label": chance.choice([x for x in labels if x != row["label"]])}


# -- forms ---------------------------------------------------------------------------------------------------------

def answers(change: Callable[[dict[str, list[Any]], str, random.Random], bool]) -> Change:
    def changed(row: Row, chance: random.Random) -> Row | None:
        new = copy.deepcopy(row)
        return new if change(new["answers"], new["context"], chance) else None

    return changed


def shifted(found: dict[str, list[Any]], context: str, chance: random.Random) -> bool:
    place = found["answer_start"][0] + chance.choice((-2, -1, 1, 2))
    if found["answer_start"][0] < 0 or context.startswith(found["text"][0], max(place, 0)):
        return False
    found["answer_start"][0] = place
    return True


def nowhere(found: dict[str, list[Any]], context: str, chance: random.Random) -> bool:
    found["text"].append(f"{found['text'][0]}之外")
    found["answer_start"].append(found["answer_start"][0])
    return found["text"][-1] not in context


def unbegun(row: Row, chance: random.Random) -> Row | None:
    begins = [i for i, tag in enumerate(row["tags"]) if tag[0] == "B" and (i == 0 or row["tags"][i - 1] == "O")]
    if not begins:
        return None
    tags = list(row["tags"])
    at = chance.choice(begins)
    tags[at] = "I" + tags[at][1:]
    return {**row, "tags": tags}


def cut_short(row: Row, chance: random.Random) -> Row | None:
    """A slot that ends one letter early, in the middle of a word."""
    fit = [k for k, v in row["slots"].items() if len(v["text"]) > 3 and v["text"][-2:].isalpha()]
    if not fit:
        return None
    new = copy.deepcopy(row)
    slot = new["slots"][chance.choice(fit)]
    slot["text"], slot["span"] = slot["text"][:-1], [slot["span"][0], slot["span"][1] - 1]
    return new


def turns(change: Callable[[list[dict[str, str]], random.Random], None]) -> Change:
    """Of conversations that end with an answer: others are rejected in any case."""
    def changed(row: Row, chance: random.Random) -> Row | None:
        new = copy.deepcopy(row)
        change(new["messages"], chance)
        return new if row["messages"][-1]["role"] == "assistant" else None

    return changed


PLAIN = ("text",)
SETS = (
    Set("thucnews-title10", PLAIN, {"name": "classify"}, (
        *characters("text"),
        Fault("other language", "shape.language", replaced("text", "This is not in Chinese at all")),
        Fault("label in full width", "labels.near", renamed("sports", "ｓｐｏｒｔｓ")),
        Fault("label with a typo", "labels.near", renamed("finance", "finanse"), most=9),
        Fault("conflicting label", "labels.conflicts", contradicted(("sports", "finance", "stocks")), added=True))),
    Set("banking77", PLAIN, {"name": "classify"}, (
        *characters("text"), Fault("other language", "shape.language", replaced("text", "我的银行卡为什么还没有到呢")),
        Fault("label in other case", "labels.near", renamed("request_refund", "Request_Refund")),
        Fault("label with other signs", "labels.near", renamed("card_arrival", "card-arrival")),
        Fault("conflicting label", "labels.conflicts", contradicted(("request_refund", "card_arrival")), added=True))),
    Set("cmrc2018", ("question", "context"), {"name": "extract"}, (
        *characters("question"), Fault("answer beside its place", "forms.answer_moved", answers(shifted)),
        Fault("answer that stands nowhere", "forms.answer_missing", answers(nowhere)))),
    Set("weibo-ner", ("tokens",), {"name": "tag"}, (Fault("I without a beginning", "forms.tags_broken", unbegun),)),
    Set("nlupp-hotels", PLAIN, {"name": "tag"}, (Fault("ends within a word", "forms.off_border", cut_short),)),
    Set("chatterbot-en", ("messages",), {"name": "dialogue"}, (
        Fault("assistant begins", "forms.out_of_turn",
              turns(lambda m, c: m.insert(0, {"role": "assistant", "content": "Hi"}))),
        Fault("answer without a word", "forms.wordless", turns(lambda m, c: m[-1].update(content="..."))),
        Fault("answer = question", "forms.same", turns(lambda m, c: m[-1].update(content=m[-2]["content"].upper()))))),
    Set("multi30k-en-de", ("source", "target"), {"name": "translate", "source": "en", "target": "de"}, (
        *characters("target"),
        Fault("sides swapped", "forms.wrong_language",
              lambda row, chance: {**row, "source": row["target"], "target": row["source"]}),
        Fault("not translated", "forms.same", lambda row, chance: {**row, "target": row["source"]}),
        Fault("target cut off", "forms.length_ratio",
              lambda row, chance: {**row, "target": row["target"][: len(row["source"]) // 8]}),
        Fault("signs for a target", "forms.wordless", lambda row, chance: {**row, "target": "@@"}))),
)


# -- planting and finding ------------------------------------------------------------------------------------------

def plant(rows: list[Row], faults: Iterable[Fault], share: float, seed: int) -> tuple[list[Row], dict[str, set[int]]]:
    """The rows with faults, and per fault the lines (from 1) on which they stand."""
    chance = random.Random(seed)
    out, places = list(rows), {}
    free = chance.sample(range(len(rows)), len(rows))
    for fault in faults:
        planted: set[int] = set()
        wanted, passed = min(fault.most, max(3, round(share * len(rows)))), []
        while free and len(planted) < wanted:
            at = free.pop()
            new = fault.change(rows[at], chance)
            if new is None:
                passed.append(at)
            elif fault.added:
                out.append(new)
                planted.add(len(out))
            else:
                out[at] = new
                planted.add(at + 1)
        free = passed + free
        places[fault.name] = planted
    return out, places


def named(rows: list[Row], chosen: Set, folder: Path) -> dict[str, set[int]]:
    """Code of each finding to the lines that it names."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    columns = {"text": "text", "label": "slots"} if "slots" in rows[0] else {}
    recipe = Recipe.build({"data": {"train": [str(path)], "columns": columns}, "task": chosen.task})
    doctor.check(recipe, out=folder / "out", sections=["shape", "labels", "forms"], tokenizer=False)
    found: dict[str, set[int]] = defaultdict(set)
    for line in (folder / "out" / "findings.jsonl").read_text(encoding="utf-8").splitlines():
        spot = json.loads(line)
        found[spot["code"]].add(int(spot["source"].rpartition(":")[2]))
    return found


def measured(chosen: Set, data: Path, share: float, seed: int) -> list[str]:
    """One line of the table a fault."""
    lines = (data / chosen.name / "train.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line][: chosen.rows]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        before = named(rows, chosen, Path(one))
        mangled_rows, places = plant(rows, chosen.faults, share, seed)
        after = named(mangled_rows, chosen, Path(other))
    out = []
    for fault in chosen.faults:
        def of(found: dict[str, set[int]], code: str = fault.code) -> set[int]:
            return set().union(*(v for k, v in found.items() if k.startswith(code)))

        wanted, said, was = places[fault.name], of(after), of(before)
        # Any fault may make a row one of these: a text read as GBK holds characters for private use as well.
        right = set().union(*places.values()) & said
        false = said - right - was
        hit = len(wanted & said) / len(wanted)
        # A copy with another label makes the row that it copies doubtful as well, and rightly so.
        precision = "–" if fault.added or not right else f"{len(right) / (len(right) + len(false)):.3f}"
        out.append(f"| {chosen.name} | {fault.name} | `{fault.code}` | {len(wanted)} | {hit:.3f} | {precision} | "
                   f"{len(was)} |")
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    lines = [line for chosen in SETS for line in measured(chosen, o.data, o.share, o.seed)]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
                            check=True).stdout.strip()
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    page = ["# Planted faults: shape, labels, forms", "",
            f"{date}, commit {commit}, {machine()['processor']}. Up to 10,000 training rows of each set; each fault on "
            f"{o.share:.1%} of the rows (at least 3), one fault a row, seed {o.seed}. Recall: planted rows that the "
            "fault's own finding names. Precision: of the rows that it names and did not name before, how many hold a "
            "planted fault (of any kind). Before: rows that it names in the set as it comes.", "",
            "| set | fault | finding | planted | recall | precision | before |", "|---|---|---|--:|--:|--:|--:|",
            *lines, ""]
    (HERE / "results").mkdir(exist_ok=True)
    target = HERE / "results" / f"{date}-check-planted.md"
    target.write_text("\n".join(page), encoding="utf-8")
    print("\n".join(lines), target, sep="\n")


if __name__ == "__main__":
    main()
