"""CoNLL files: a word and its tag on each line, an empty line between sentences.

    -DOCSTART- -X- -X- O

    EU NNP B-NP B-ORG            李    B-PER
    rejects VBZ B-VP O           开    I-PER
    German JJ B-NP B-MISC        复    I-PER

The first column is the word, the last one its tag; a line with a single column is a word without a tag. Columns are
divided by tabs where the first such line has one, else by spaces. (Source of the form: Tjong Kim Sang and De Meulder
2003, "Introduction to the CoNLL-2003 Shared Task", section 2.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from weitiao.core.i18n import t
from weitiao.core.text import join_words
from weitiao.example import Row
from weitiao.formats import BadRow, Source, empty
from weitiao.formats._shared import detect, lines, shortened, without_end

SUFFIXES = (".conll", ".conll2003", ".bio", ".iob", ".iob2", ".bioes", ".bmes", ".bieos", ".bilou", ".ner")
SAMPLES = (
    "好\tO\n\ngood\tB-X\n,\tI-X\nyes\tI-X\n".encode(),
    "-DOCSTART- -X- -X- O\r\n\r\n好 NN B-NP B-X\r\n\r\n\r\ngood JJ O O\r\n, , O O\r\nyes UH O O".encode(),
)
_START = "-DOCSTART-"


@dataclass(slots=True)
class _Sentence:
    """The lines of one sentence so far."""

    line: int
    width: int
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    bad: tuple[int, str] | None = None
    raw: str = ""

    def add(self, line: str, number: int, mark: str) -> None:
        cells = _cells(line, mark)
        word, tag = cells[0], cells[-1].strip() if len(cells) > 1 else ""
        if not word or (len(cells) > 1 and not tag):
            self.bad = self.bad or (number, t("a word or its tag is empty", "词或标签为空"))
        elif len(cells) not in (1, self.width):
            self.bad = self.bad or (number, t("{k} columns where the file has {n}", "有 {k} 列，而文件应有 {n} 列",
                                              k=len(cells), n=self.width))
        elif self.words and bool(tag) != bool(self.tags):
            self.bad = self.bad or (number, t("only some words of this sentence have a tag", "该句只有部分词带标签"))
        self.words.append(word)
        if tag:
            self.tags.append(tag)
        self.raw += line + "\n"

    def row(self, source: Source) -> Row | BadRow:
        if self.bad:
            return BadRow(source.shown, self.bad[0], "tags", "row.conll", self.bad[1], shortened(self.raw))
        values = {"text": join_words(self.words)[0], "tokens": self.words}
        return Row({**values, "tags": self.tags} if self.tags else values, source.shown, self.line)


def read(source: Source) -> Iterator[Row | BadRow]:
    """One row a sentence: `text` (the words joined), `tokens` and, where there are any, `tags`.

    A sentence with an empty word, with tags on some words only, or with another number of columns than the file's first
    word has, is a BadRow.
    """
    encoding = detect(source)
    words = (line for line in map(without_end, lines(source, encoding)) if _has_word(line))
    first = next(words, "")
    mark = source.delimiter or ("\t" if "\t" in first else " ")
    source.facts["delimiter"] = mark
    width = len(_cells(first, mark))
    sentence: _Sentence | None = None
    nothing = True
    for number, ended in enumerate(lines(source, encoding), start=1):
        line = without_end(ended)
        if _has_word(line):
            sentence = sentence or _Sentence(number, width)
            sentence.add(line, number, mark)
            nothing = False
        elif sentence:
            yield sentence.row(source)
            sentence = None
    if nothing:
        raise empty(source)
    if sentence:
        yield sentence.row(source)


def _has_word(line: str) -> bool:
    return bool(line.strip(" \t")) and not line.startswith(_START)


def _cells(line: str, mark: str) -> list[str]:
    return line.split(mark) if mark == "\t" else [c for c in line.split(" ") if c]
