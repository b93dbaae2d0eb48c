"""Personal data that has a form: numbers with checksums, phones, addresses, plates; found and masked.

>>> [m.kind for m in find("联系我１３８-１２３４-５６７８或li@mail.cn")]
['cn_mobile', 'email']
>>> mask("卡号6222 0212 3456 7894，谢谢")
'卡号62*****************，谢谢'

Names, streets and whatever has no form are not found. Texts are read with full-width characters folded (NFKC); digits
may be split by single spaces or hyphens; Chinese may stand close on both sides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

KINDS = ("cn_id", "iban", "bank_card", "cn_mobile", "ssn", "phone", "email", "passport", "plate")


class Match(NamedTuple):
    """Where something of one of `KINDS` stands: text[start:end]."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Match]:
    """All of them from left to right, none over another: what has a checksum is looked for first."""
    if not _WORTH.search(text) and text.isascii():
        return []
    narrow, places = _narrowed(text)
    if not _WORTH.search(narrow):
        return []
    found: list[Match] = []
    for kind in KINDS:
        for start, end in _spans(kind, narrow):
            if all(end <= m.start or start >= m.end for m in found):
                found.append(Match(kind, start, end))
    if places is not None:
        found = [Match(m.kind, places[m.start], places[m.end - 1] + 1) for m in found]
    return sorted(found, key=lambda m: m.start)


def mask(text: str) -> str:
    """The text with all but the first two characters of each find as `*` (of an e-mail address all but the first)."""
    for m in find(text):
        shown = 1 if m.kind == "email" else 2
        text = text[: m.start + shown] + "*" * (m.end - m.start - shown) + text[m.end :]
    return text


_SHORTEST = 6  # characters
_WORTH = re.compile(r"\d\D?\d|@")


def _narrowed(text: str) -> tuple[str, list[int] | None]:
    """NFKC, and for each of its characters the place it came from (None: the same places)."""
    if text.isascii():
        return text, None
    narrow = unicodedata.normalize("NFKC", text)
    if len(narrow) == len(text):
        return narrow, None
    parts = [unicodedata.normalize("NFKC", c) for c in text]
    return "".join(parts), [i for i, part in enumerate(parts) for _ in part]


def _spans(kind: str, text: str) -> Iterator[tuple[int, int]]:
    pattern, valid = _FORMS[kind]
    at = 0
    while match := pattern.search(text, at):
        start, end = match.span("it")
        # A group of digits may follow that belongs to something else: shorter ends are tried too.
        ends = (e for e in range(end, start + _SHORTEST, -1) if e == end or text[e] in " -")
        found = next((e for e in ends if valid(text[start:e])), 0)
        if found:
            yield start, found
        at = found or start + 1


# -- numbers -------------------------------------------------------------------------------------------------------

def _bare(text: str) -> str:
    return re.sub(r"[ -]", "", text).upper()


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: from the right every second digit doubled (less 9 above 9), the sum divisible by 10."""
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c) * (1 + i % 2)
        total += d - 9 if d > 9 else d
    return total % 10 == 0


_PROVINCES = frozenset({11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52,
                        53, 54, 61, 62, 63, 64, 65, 71, 81, 82, 83})


def cn_id(digits: str) -> bool:
    """GB 11643-1999: province, a date of birth that has been, three digits, and ISO 7064 MOD 11-2 over 18 places."""
    if int(digits[:2]) not in _PROVINCES:
        return False
    try:
        born = date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    total = sum(int(c) * 2 ** (17 - i) for i, c in enumerate(digits[:17]))
    return born <= date.today() and "10X98765432"[total % 11] == digits[17]


_CARDS = (  # first digits (range), lengths; ISO/IEC 7812 issuer numbers as the card networks publish them
    (62, 62, (16, 17, 18, 19)), (4, 4, (16, 19)), (51, 55, (16,)), (2221, 2720, (16,)), (34, 34, (15,)),
    (37, 37, (15,)), (6011, 6011, (16,)), (644, 659, (16,)), (3528, 3589, (16,)), (300, 305, (14,)), (36, 36, (14,)),
    (38, 39, (14,)))


def bank_card(digits: str) -> bool:
    """A known issuer's first digits (UnionPay, Visa, Mastercard, American Express, Discover, JCB, Diners Club), its
    length, and the Luhn digit. One repeated digit is none."""
    known = any(low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths for low, high, lengths in _CARDS)
    return known and len(set(digits)) > 1 and luhn(digits)


_IBAN = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
    "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24,
    "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26}  # characters; the registry of ISO 13616


def iban(value: str) -> bool:
    """ISO 13616: the country's length, and with the first four characters at the end and letters as 10 … 35 the number
    is 1 modulo 97."""
    if _IBAN.get(value[:2]) != len(value):
        return False
    number = int("".join(str(int(c, 36)) for c in value[4:] + value[:4]))
    return number % 97 == 1


# As cards print them: 4-4-4-4-3, 4-6-5, 6-13, or without gaps. 3471-150-1200-2000 is a sum.
_CARD_GROUPS = re.compile(r"\d+|\d{4}(?:[ -]\d{4}){2,3}(?:[ -]\d{1,4})?|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{6}[ -]\d{10,13}")


def _a_card(text: str) -> bool:
    return bool(_CARD_GROUPS.fullmatch(text)) and bank_card(_bare(text))


def _a_plate(text: str) -> bool:
    """At least two of the digits: 川A级联赛 is none."""
    return sum(c.isdigit() for c in text) >= 2


def _a_phone(text: str) -> bool:
    """The length of ITU-T E.164; without any separator a longer one, else +2147483647 is a phone."""
    digits = sum(c.isdigit() for c in text)
    return (9 if re.search(r"[ .()-]", text) else 11) <= digits <= 15


def _an_address(text: str) -> bool:
    return not text.lower().endswith(("example.com", "example.org", "example.net"))


def _always(text: str) -> bool:
    return True


def _checked(test: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: test(_bare(text))


_FORMS: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "cn_id": (re.compile(r"(?<!\d)(?P<it>[1-9](?:[ -]?\d){16}[ -]?[0-9Xx])(?![0-9A-Za-z])"), _checked(cn_id)),
    "iban": (re.compile(r"(?<![A-Za-z0-9])(?P<it>[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,27})(?![A-Za-z0-9])"), _checked(iban)),
    "bank_card": (re.compile(r"(?<![\d.])(?P<it>[2-6](?:[ -]?\d){13,18})(?!\d)"), _a_card),
    "cn_mobile": (re.compile(r"(?<![\d.])(?<!\d-)(?:\+?86[ -]?)?(?P<it>1"
                             r"(?:3\d|4[5-9]|5[0-35-9]|6[25-7]|7[0-8]|8\d|9[0-35-9])[ -]?\d{4}[ -]?\d{4})"
                             r"(?![0-9A-Za-z])"), _always),
    "ssn": (re.compile(r"(?<![\d-])(?P<it>(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4})(?![\d-])"), _always),
    "phone": (re.compile(r"(?<![A-Za-z0-9.+-])"
                         r"(?P<it>(?:\+?1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}"
                         r"|\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,5})(?![A-Za-z0-9-])"),
              _a_phone),
    "email": (re.compile(r"(?<![A-Za-z0-9._%+-])(?P<it>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,4}"
                         r"[A-Za-z]{2,24})(?![A-Za-z0-9-])"), _an_address),
    "passport": (re.compile(r"(?:护照|passport)[^\d\n]{0,24}?(?<![A-Za-z0-9])(?P<it>[A-Za-z]{1,2}\d{7,8}|\d{9})"
                            r"(?![A-Za-z0-9])", re.IGNORECASE), _always),
    "plate": (re.compile(r"(?P<it>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·•. -]?"
                         r"(?:[A-HJ-NP-Z0-9]{5}(?![A-Za-z0-9])|[A-HJ-NP-Z0-9]{4}[挂学警港澳]|"
                         r"[DF][A-HJ-NP-Z0-9]\d{4}(?!\d)|\d{5}[DF](?![A-Za-z0-9])))"), _a_plate),
}
