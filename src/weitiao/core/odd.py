"""Characters that are there by accident: which kinds a text holds, where, and the text without them.

>>> found("CafÃ© &amp; bar\\u200b")
{'mojibake': 3, 'html': 6, 'zero_width': 15}
>>> mend("CafÃ© &amp; bar\\u200b", ["mojibake", "html", "zero_width"])
'Café & bar'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from typing import NamedTuple

# What the bytes 0x80 to 0xBF look like when UTF-8 is read as Windows-1252 or Latin-1.
_NEXT = ("\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201e"
         "\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122")
_AS_LATIN = re.compile(f"[\u00c2-\u00df][{_NEXT}]|[\u00e0-\u00ef][{_NEXT}]{{2}}|[\u00f0-\u00f4][{_NEXT}]{{3}}")
_AS_GBK = re.compile(r"[^\x00-\x7f]{5,}")
_SENSE = 3  # Chinese characters that come about by chance
_CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uff5e]{3,}")
_TAGS = ("a|abbr|article|b|blockquote|br|code|dd|del|div|dl|dt|em|font|h[1-6]|head|hr|html|i|iframe|img|input|ins|li|"
         "link|meta|ol|option|p|pre|s|script|section|small|span|strong|style|sub|sup|table|tbody|td|th|thead|title|tr|u|"
         "ul")
_HTML = re.compile(rf"&(?:#\d{{1,7}}|#[xX][0-9a-fA-F]{{1,6}}|[A-Za-z]{{2,8}}\d{{0,2}});|</?(?:{_TAGS})(?:\s[^<>]*)?/?>|"
                   r"<!--.{0,2000}?-->", re.IGNORECASE | re.DOTALL)
_BLOCK = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|blockquote|hr)\b", re.IGNORECASE)
_LOST = re.compile("\ufffd+|(?:锟斤拷|ï¿½)+|(?:烫|屯){4,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LINE = re.compile("[\u0085\u2028\u2029]")
# Joiners have their use inside emoji and in Arabic and Indic scripts: only behind Latin, Chinese or nothing are they
# odd.
_ZERO_WIDTH = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|"
                         "(?:(?<=[\\x00-\u024f\u3000-\u9fff])|^)[\u200c\u200d]")
_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ]+")
_PRIVATE = re.compile("[\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]+")
# All characters of which one must be there for any kind but mojibake and white space at an edge.
_ANY = re.compile("[&<\ufffd锟ï烫屯\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2069"
                  "\ufeff０-９Ａ-Ｚａ-ｚ\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U0010ffff]")
_NARROW = {c: c - 0xFEE0 for c in range(0xFF10, 0xFF5B)}


class Kind(NamedTuple):
    """One kind of odd characters.

    Args:
        name: English, Chinese.
        places: where they stand in a text.
        mend: the text without them.
        harm: do they cost something? Full-width letters and hard spaces are seldom worth a look.
    """

    name: tuple[str, str]
    places: Callable[[str], Iterator[int]]
    mend: Callable[[str], str]
    harm: bool = True


def _by(pattern: re.Pattern[str], instead: str | Callable[[re.Match[str]], str]) -> tuple[
        Callable[[str], Iterator[int]], Callable[[str], str]]:
    return (lambda text: (m.start() for m in pattern.finditer(text))), (lambda text: pattern.sub(instead, text))


def _html_places(text: str) -> Iterator[int]:
    if "&" in text or "<" in text:
        yield from (m.start() for m in _HTML.finditer(text) if _without_html(m) != m[0])


def _without_html(match: re.Match[str]) -> str:
    """Unlike the recipe's `clean.html` this knows HTML's own tags only: `<name>` may be the user's."""
    if match[0][0] == "&":
        return unescape(match[0])
    return " " if _BLOCK.match(match[0]) else ""


# -- mojibake ------------------------------------------------------------------------------------------------------

def _from_latin(match: re.Match[str]) -> str:
    """The characters that these were before UTF-8 was read as Windows-1252; as they are where they never were."""
    try:
        return b"".join(_byte(c) for c in match[0]).decode("utf-8")
    except UnicodeError:
        return match[0]


def _byte(letter: str) -> bytes:
    return bytes([ord(letter)]) if ord(letter) < 0x100 else letter.encode("cp1252")


def _from_gbk(match: re.Match[str]) -> str:
    """The characters that these were before UTF-8 was read as GBK. The last one may have lost a byte or two."""
    raw = match[0].encode("gb18030")
    for lost in (0, 1, 2):
        try:
            text = raw[: len(raw) - lost].decode("utf-8")
        except UnicodeError:
            continue
        return text if _CHINESE.fullmatch(text) else match[0]
    return match[0]


def _before_gbk(text: str) -> str:
    """What its bytes in GBK are when read as UTF-8, U+FFFD where they are none."""
    return text.encode("gb18030", "ignore").decode("utf-8", "replace")


def _whole_from_gbk(text: str) -> str:
    """The text before all of it was read as GBK; as it is where most of it makes no sense as UTF-8. A lone byte
    swallows the letter behind it, so pieces alone do not always come back."""
    before = _before_gbk(text)
    sense = sum(len(m) for m in _CHINESE.findall(before))
    return before if sense > _SENSE and sense > 2 * before.count("\ufffd") else text


def _unmangled(text: str) -> str:
    if text.isascii():
        return text
    return _whole_from_gbk(_AS_GBK.sub(_from_gbk, _AS_LATIN.sub(_from_latin, text)))


def _mangled_places(text: str) -> Iterator[int]:
    if text.isascii():
        return
    yield from (m.start() for m in _AS_LATIN.finditer(text) if _from_latin(m) != m[0])
    # Whatever comes back of a piece stands in what comes back of the whole: most texts are done with here.
    if not _CHINESE.search(_before_gbk(text)):
        return
    yield from (m.start() for m in _AS_GBK.finditer(text) if _from_gbk(m) != m[0])
    if _whole_from_gbk(text) != text:
        yield next(i for i, c in enumerate(text) if not c.isascii())


KINDS: dict[str, Kind] = {
    "lost": Kind(("characters that were lost (U+FFFD, 锟斤拷)", "已丢失的字符（U+FFFD、锟斤拷）"), *_by(_LOST, "")),
    "mojibake": Kind(("UTF-8 read in another encoding (Ã©, 浣犲ソ)", "UTF-8 被按其他编码读取（Ã©、浣犲ソ）"),
                     _mangled_places, _unmangled),
    "control": Kind(("control characters", "控制字符"),
                    *_by(_CONTROL, lambda m: " " if m[0] in "\x0b\x0c" else "")),
    "zero_width": Kind(("characters that nobody sees (zero width, direction marks)", "不可见字符（零宽、方向标记）"),
                       *_by(_ZERO_WIDTH, "")),
    "private": Kind(("characters for private use", "私用区字符"), *_by(_PRIVATE, "")),
    "html": Kind(("HTML entities and tags", "HTML 实体与标签"), _html_places,
                 lambda text: _HTML.sub(_without_html, text)),
    "line": Kind(("unusual line ends (U+2028, U+0085)", "特殊换行符（U+2028、U+0085）"), *_by(_LINE, "\n"), harm=False),
    "edge": Kind(("white space at an edge", "首尾空白"), lambda text: iter((0,) if text != text.strip() else ()),
                 str.strip, harm=False),
    "space": Kind(("hard and narrow spaces", "不间断空格与窄空格"), *_by(_SPACE, " "), harm=False),
    "full_width": Kind(("full-width letters and digits", "全角字母和数字"),
                       *_by(_WIDE, lambda m: m[0].translate(_NARROW)), harm=False),
}


_WITHOUT_ANY = {name: KINDS[name] for name in ("mojibake", "edge")}
"""Kinds that show in other characters than those of `_ANY`, too."""


def found(text: str) -> dict[str, int]:
    """Kind to the place of the first one."""
    kinds = KINDS if _ANY.search(text) else _WITHOUT_ANY
    return {name: place for name, kind in kinds.items() if (place := next(kind.places(text), -1)) >= 0}


def mend(text: str, kinds: Iterable[str]) -> str:
    """The text without these kinds, in the order of `KINDS`."""
    wanted = set(kinds)
    for name, kind in KINDS.items():
        if name in wanted:
            text = kind.mend(text)
    return text
