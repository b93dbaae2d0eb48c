"""JSON: an array of objects, alone or under "data" or "train"; or, as many such files are, one object a line.

    {"version": 1, "data": [
      {"text": "很好吃", "label": "positive"},
      {"text": "太慢了", "label": "negative"}
    ]}

Objects are parsed one by one from a window of the file, so a file of any size is read in constant memory. An object
that nests passages with their questions, as SQuAD's do, gives a row for each question (`_squad.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.example import Row
from weitiao.formats import BadRow, Source, empty
from weitiao.formats._json import LENIENT, STRICT, Flaw, bad_row, check, located, read_json_lines, too_deep
from weitiao.formats._shared import decoded, detect, not_this_format
from weitiao.formats._squad import questions

SUFFIXES = (".json",)
SAMPLES = (
    '[{"text": "好", "label": 1},\n {"text": "good, yes", "label": 0}]'.encode(),
    '{"version": "1",\n "data": [\n{"text": "好"},\n{"text": "good, yes"}\n]}'.encode(),
    '{"text": "好"}\n{"text": "good, yes"}\n'.encode(),
)
_KEYS = ("data", "train")
_SPACE = re.compile(r"[ \t\r\n]*")


def read(source: Source) -> Iterator[Row | BadRow]:
    """The file's rows with JSON values.

    Raises DataError `data.not_this_format` with the line where the file is no JSON or holds no list of objects.
    """
    return questions(source, _objects(source))


def _objects(source: Source) -> Iterator[Row | BadRow]:
    window = _Window(source)
    start = window.peek()
    if not start:
        raise empty(source)
    if start == "[":
        yield from _array(window)
        window.end()
    elif start == "{":
        yield from _object(window)
    else:
        raise window.error(t("JSON begins with [ or {{", "JSON 应以 [ 或 {{ 开头"))


class _Window:
    """The part of the file that is being parsed, filled piece by piece."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._pieces = decoded(source, detect(source).codec)
        self._text, self._at, self._line = "", 0, 1

    @property
    def line(self) -> int:
        return self._line

    def _fill(self, characters: int = 1 << 16) -> bool:
        """Take in at least so many more characters; False at the end of the file."""
        pieces = [self._text[self._at :]]
        more = 0
        for piece in self._pieces:
            pieces.append(piece)
            more += len(piece)
            if more >= characters:
                break
        if more:
            self._text, self._at = "".join(pieces), 0
        return more > 0

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def peek(self) -> str:
        """The next character that is not white space, "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._move(match.end() if match else self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def take(self, character: str) -> None:
        got = self.peek()
        if got != character:
            raise self.error(t("{c} is missing", "缺少 {c}", c=character))
        self._at += 1

    def value(self, decoder: Any) -> tuple[Any, str]:
        """The next whole value and its text. Raises Flaw (nothing is taken then), DataError."""
        self.peek()
        wanted = 1 << 16
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
                # A number may go on beyond the window.
                if end < len(self._text) or not self._fill():
                    text = self._text[self._at : end]
                    self._move(end)
                    return value, text
            except RecursionError:
                raise self.error(too_deep().reason) from None
            except JSONDecodeError as e:
                # The value may go on beyond the window: look again with twice as much.
                wanted *= 2
                if not self._fill(wanted):
                    self._move(min(e.pos, len(self._text)))
                    raise self.error(t("no valid JSON: {m}", "不是合法的 JSON：{m}", m=e.msg)) from None
            except Flaw:
                raise
            except ValueError as e:  # a whole number of more than 4,300 digits
                raise self.error(str(e)) from None

    def end(self) -> None:
        if self.peek():
            raise self.error(t("something follows the end of the JSON value", "JSON 值结束后还有内容"))

    def error(self, what: str) -> DataError:
        return not_this_format(self.source, what, t("an array of objects, or {{\"data\": [...]}}, or one object a line",
                                                    "对象数组、{{\"data\": [...]}}，或每行一个对象"),
                               t("mend the file at that line, or name its format with --format",
                                 "请修正该行，或用 --format 指明格式"), self.line)


def _array(window: _Window) -> Iterator[Row | BadRow]:
    """The elements of an array."""
    window.take("[")
    if window.peek() == "]":
        window.take("]")
        return
    while True:
        yield _element(window)
        if window.peek() == "]":
            window.take("]")
            return
        window.take(",")


def _element(window: _Window) -> Row | BadRow:
    window.peek()
    source, line = window.source, window.line
    try:
        value, text = window.value(STRICT)
    except Flaw as flaw:
        lenient, text = window.value(LENIENT)
        return bad_row(source, line, located(flaw, lenient), text)
    try:
        return Row(check(value, text), source.shown, line)
    except Flaw as flaw:
        return bad_row(source, line, flaw, text)


def _object(window: _Window) -> Iterator[Row | BadRow]:
    """The array under a key of a top-level object; or, where it has none and more objects follow, JSON Lines."""
    window.take("{")
    while window.peek() not in ("}", ""):
        key = _key(window)
        if key in _KEYS and window.peek() == "[":
            window.source.facts["key"] = key
            yield from _array(window)
            _rest(window)
            return
        window.value(LENIENT)
        if window.peek() == ",":
            window.take(",")
    window.take("}")
    if not window.peek():
        raise window.error(t("one object without a list of rows under \"data\"", "只有一个对象，且没有 \"data\" 列表"))
    yield from read_json_lines(window.source)


def _key(window: _Window) -> str:
    key, _ = window.value(LENIENT)
    if not isinstance(key, str):
        raise window.error(t("a key in quotes is missing", "缺少带引号的键"))
    window.take(":")
    return key


def _rest(window: _Window) -> None:
    """What stands beside the array: lists there are rows that are not read, and that is said."""
    ignored = []
    while window.peek() == ",":
        window.take(",")
        key = _key(window)
        if isinstance(window.value(LENIENT)[0], list):
            ignored.append(key)
    window.take("}")
    window.end()
    if ignored:
        window.source.facts["ignored"] = ", ".join(ignored)
