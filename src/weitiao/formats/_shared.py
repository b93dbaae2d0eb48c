"""Bytes to lines of text: gzip looked through, the encoding found or proved, binary files refused.

>>> source = Source(Path("reviews.csv.gz"))
>>> for line in lines(source):       # with their line ends, which are \\n and \\r\\n only
...     ...
>>> source.facts["encoding"]
'gb18030'

The whole file is decoded once before the first line is given out, in constant memory: an encoding that holds for the
first thousand rows only would otherwise end in mojibake or in a crash half-way.
"""

from __future__ import annotations

import codecs
import gzip
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from typing import IO, cast

from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.formats import Source, empty

_CHUNK = 1 << 20
_MAX_LINE = 1 << 26  # characters; a longer "line" is not text, and would not fit the promise of constant memory
_MAX_RAW = 500  # characters of a bad row that are kept

_MAGIC = (
    (b"PK\x03\x04", "zip / xlsx"), (b"PK\x05\x06", "zip"), (b"PAR1", "parquet"), (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"%PDF-", "PDF"), (b"\xd0\xcf\x11\xe0", "xls / doc"),
    (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!", "rar"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x7fELF", "ELF"), (b"SQLite format 3", "SQLite"), (b"ARROW1", "arrow"),
    (b"\x80\x02", "pickle"), (b"\x80\x03", "pickle"), (b"\x80\x04", "pickle"), (b"\x80\x05", "pickle"),
)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # UTF-32's begins with UTF-16's


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec that the whole file was decoded with, and what ends its lines."""

    codec: str
    newline: str = "\n"


class _NotThis(Exception):
    """The file is not in that codec: the byte offset and the line of the first byte that is not."""

    def __init__(self, offset: int, line: int) -> None:
        super().__init__(offset, line)
        self.offset, self.line = offset, line


# -- bytes ---------------------------------------------------------------------------------------------------------

@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it is gzip. Raises DataError `data.unreadable`, `data.empty_file`."""
    try:
        with source.path.open("rb") as raw:
            head = raw.peek(2)[:2]
            if not head:
                raise empty(source)
            if head != b"\x1f\x8b":
                yield raw
            else:
                with gzip.open(raw) as unpacked:
                    yield cast(IO[bytes], unpacked)
    except (OSError, EOFError, zlib.error) as e:
        raise DataError("data.unreadable", t("cannot be read: {e}", "无法读取：{e}", e=e), where=source.shown,
                        fix=t("check that the file is whole and that you may read it",
                              "请检查文件是否完整、是否有读取权限")) from e


def not_this_format(source: Source, what: str, expected: str, fix: str, line: int = 0) -> DataError:
    """The one error for a file of another kind than its name says."""
    return DataError("data.not_this_format", what, expected=expected, fix=fix,
                     where=f"{source.shown}:{line}" if line else source.shown)


def _binary(source: Source, what: str) -> DataError:
    return DataError("data.binary", t("this is no text file ({w})", "这不是文本文件（{w}）", w=what),
                     where=source.shown,
                     expected=t("a text file, or .xlsx / .parquet under its own ending",
                                "文本文件，或扩展名正确的 .xlsx / .parquet"),
                     fix=t("export it as CSV (UTF-8) or JSON Lines, or give the file its right ending",
                           "请导出为 CSV（UTF-8）或 JSON Lines，或改回正确的扩展名"))


# -- encoding ------------------------------------------------------------------------------------------------------

def detect(source: Source) -> Encoding:
    """The encoding of the whole file: what the user named, else BOM, UTF-16 by its zero bytes, UTF-8, GB18030.

    Raises DataError `data.binary`, `data.empty_file`, or `data.encoding` with the byte offset and the line.
    """
    with opened(source) as f:
        head = f.read(_CHUNK)
    if not head:
        raise empty(source)
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise _binary(source, what)
    found = _named(source) if source.encoding else _guessed(source, head)
    source.facts["encoding"] = found.codec
    return found


def _named(source: Source) -> Encoding:
    name = source.encoding or ""
    try:
        b"a".decode(name, "ignore")  # refuses codecs that are not of text, such as base64
        codec = codecs.lookup(name).name
        codec = "utf-8-sig" if codec == "utf-8" else codec
        codecs.getincrementaldecoder(codec)
    except (LookupError, UnicodeError) as e:
        raise DataError("data.encoding", t("there is no encoding {n!r}", "没有名为 {n!r} 的编码", n=name),
                        where=source.shown, expected="utf-8, gb18030, big5, utf-16, latin-1, shift_jis, …",
                        fix=t("leave it out: it is detected", "可省略：会自动检测")) from e
    try:
        return _proved(source, codec)
    except _NotThis as e:
        raise _bad_encoding(source, t("not valid {c}", "不是合法的 {c}", c=name), e) from None


def _guessed(source: Source, head: bytes) -> Encoding:
    for bom, codec in _BOMS:
        if head.startswith(bom):
            try:
                return _proved(source, codec)
            except _NotThis as e:
                raise _bad_encoding(source, t("it begins with the mark of {c}, but is not valid {c}",
                                              "文件头标明是 {c}，但内容不是合法的 {c}", c=codec), e) from None
    if b"\0" in head:
        return _utf16_without_mark(source, head)
    try:
        return _proved(source, "utf-8")
    except _NotThis as e:
        return _gb18030(source, e)


def _gb18030(source: Source, not_utf8: _NotThis) -> Encoding:
    """GB18030, or an error at the place where UTF-8 broke off.

    GB18030 takes nearly any bytes, so being decodable proves little. Two things speak against it: the file is UTF-8
    but for a few bytes; or its characters lie outside GB2312, as those of misread Big5, Shift_JIS and latin-1 do
    (measured: simplified Chinese 99.9 % inside, traditional 71 %, misread Big5 34 %, latin-1 11 %, Shift_JIS 0 %).
    """
    neither = t("neither UTF-8 nor GB18030", "既不是 UTF-8，也不是 GB18030")
    broken = t("UTF-8 with damaged bytes", "UTF-8 文件中有损坏的字节")
    foreign, wrong = _shares(source, "utf-8", "\ufffd")
    if wrong * 10 <= foreign:
        raise _bad_encoding(source, broken, not_utf8)
    try:
        found = _proved(source, "gb18030")
    except _NotThis:
        raise _bad_encoding(source, neither, not_utf8) from None
    foreign, usual = _shares(source, "gb18030")
    if usual * 2 < foreign:
        raise _bad_encoding(source, neither, not_utf8)
    return found


def _shares(source: Source, codec: str, counted: str = "") -> tuple[int, int]:
    """How many characters are not ASCII, and how many of these are `counted` (by default: in GB2312)."""
    foreign = hits = 0
    for text in decoded(source, codec, "replace"):
        ascii_only = len(text.encode("ascii", "ignore"))
        foreign += len(text) - ascii_only
        hits += text.count(counted) if counted else (len(text.encode("gb2312", "ignore")) - ascii_only) // 2
    return foreign, hits


def _utf16_without_mark(source: Source, head: bytes) -> Encoding:
    """Zero bytes are half of every ASCII character in UTF-16; anywhere else they mean that this is no text."""
    codec = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
    text = head[: len(head) // 2 * 2].decode(codec, "replace")[:100_000]
    odd = sum(unicodedata.category(c) in ("Cc", "Cn", "Co") and c not in "\t\r\n" for c in text)
    if odd * 100 > len(text) or text.count("\ufffd") * 100 > len(text):
        raise _binary(source, t("it holds zero bytes", "含有零字节"))
    try:
        return _proved(source, codec)
    except _NotThis:
        raise _binary(source, t("it holds zero bytes", "含有零字节")) from None


def _proved(source: Source, codec: str) -> Encoding:
    """Decode the whole file strictly. Raises _NotThis, DataError `data.binary` for a zero character."""
    ends = returns = False
    for text in decoded(source, codec):
        if "\0" in text:
            raise _binary(source, t("it holds zero bytes", "含有零字节"))
        ends, returns = ends or "\n" in text, returns or "\r" in text
    # Spreadsheets for old Macs end lines with \r alone; where there is any \n, a \r is part of a text.
    return Encoding(codec, "\r" if returns and not ends else "\n")


def decoded(source: Source, codec: str, errors: str = "strict") -> Iterator[str]:
    """The file's text in pieces. Raises _NotThis, which a codec that `detect` gave never does."""
    decoder = codecs.getincrementaldecoder(codec)(errors)
    fed, line = 0, 1
    with opened(source) as f:
        while True:
            chunk = f.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as e:
                # e.object is what the decoder had kept back, and the chunk.
                raise _NotThis(fed + len(chunk) - len(e.object) + e.start,
                               line + e.object[: e.start].count(b"\n")) from None
            except UnicodeError:  # UTF-16 or -32 without the mark that the name promises
                raise _NotThis(fed, line) from None
            yield text
            if not chunk:
                return
            fed, line = fed + len(chunk), line + text.count("\n")


def _bad_encoding(source: Source, what: str, at: _NotThis) -> DataError:
    return DataError("data.encoding",
                     t("{w}: byte {o} (line {n})", "{w}：第 {o} 字节（第 {n} 行）", w=what, o=at.offset, n=at.line),
                     where=f"{source.shown}:{at.line}",
                     expected=t("UTF-8, UTF-16 or GB18030 from the first byte to the last",
                                "整个文件为 UTF-8、UTF-16 或 GB18030"),
                     fix=t("save it as UTF-8, or name its encoding, e.g. --encoding latin-1, big5 or shift_jis",
                           "请另存为 UTF-8，或指明编码，例如 --encoding latin-1、big5 或 shift_jis"))


# -- lines ---------------------------------------------------------------------------------------------------------

def lines(source: Source, encoding: Encoding | None = None) -> Iterator[str]:
    """The lines with their ends. A line ends at \\n only (so \\r\\n keeps its \\r): never at U+2028, U+0085 or a form
    feed, which `str.splitlines` would cut at.

    Raises DataError of `detect`, and `data.binary` for a line of more than 67 million characters.
    """
    found = encoding or detect(source)
    with opened(source) as f:
        text = TextIOWrapper(f, found.codec, newline=found.newline)
        while line := text.readline(_MAX_LINE):
            if len(line) == _MAX_LINE:
                raise _binary(source, t("one line is longer than {n} characters", "有一行超过 {n} 个字符", n=_MAX_LINE))
            yield line


def without_end(line: str) -> str:
    """The line without its \\n, \\r\\n or (old Macs) \\r."""
    if line.endswith("\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(("\n", "\r")) else line


def shortened(text: str) -> str:
    """A bad row as it is kept for people to look at."""
    return text if len(text) <= _MAX_RAW else text[: _MAX_RAW - 1] + "…"
