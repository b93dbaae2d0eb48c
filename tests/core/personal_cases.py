"""Personal data with valid checksums, by seed, written in the ways in which people write it; and numbers that are none.

The checksums are computed here by other formulas than those in the code under test (weights and tables instead of
powers and sums).
"""

from __future__ import annotations

import random

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999, appendix
_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_AREAS = ("110105", "310104", "440106", "510107", "330106", "420111")
_WIDE = {ord(c): 0xFF10 + int(c) for c in "0123456789"}


def _digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(n))


def cn_id(rng: random.Random) -> str:
    body = (rng.choice(_AREAS) + f"{rng.randrange(1940, 2010)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
            + _digits(rng, 3))
    return body + "10X98765432"[sum(int(c) * w for c, w in zip(body, _WEIGHTS, strict=True)) % 11]


def card(rng: random.Random) -> str:
    head, length = rng.choice((("622202", 19), ("621700", 19), ("622588", 16), ("4", 16), ("52", 16), ("37", 15)))
    body = head + _digits(rng, length - 1 - len(head))
    total = sum(_LUHN_DOUBLED[int(c)] if i % 2 == 0 else int(c) for i, c in enumerate(reversed(body)))
    return body + str(-total % 10)


def iban(rng: random.Random) -> str:
    country, body = rng.choice((("DE", _digits(rng, 18)), ("GB", "WEST" + _digits(rng, 14)), ("NL", "ABNA" + _digits(rng, 10))))
    rest = 0
    for c in body + country + "00":
        for d in str(ord(c) - 55) if c.isalpha() else c:
            rest = (rest * 10 + int(d)) % 97
    return f"{country}{98 - rest:02}{body}"


def mobile(rng: random.Random) -> str:
    return rng.choice(("138", "139", "150", "186", "177", "199", "165")) + _digits(rng, 8)


def email(rng: random.Random) -> str:
    return rng.choice(("li.wei", "zhang_san88", "j.smith", "anna-k", "x9")) + _digits(rng, 2) + "@" + rng.choice(
        ("qq.com", "mail.sina.com.cn", "gmail.com", "uni-koeln.de"))


def plate(rng: random.Random) -> str:
    head = rng.choice("京沪粤苏浙川") + rng.choice("ABCDEF")
    return head + rng.choice((rng.choice("ABCDE") + _digits(rng, 4), _digits(rng, 5), "D" + _digits(rng, 5), _digits(rng, 5) + "F"))


def phone(rng: random.Random) -> str:
    area, office = rng.choice(("415", "212", "626")), rng.choice(("555", "234", "867"))
    return rng.choice((f"({area}) {office}-{_digits(rng, 4)}", f"{area}-{office}-{_digits(rng, 4)}",
                       f"+44 20 7{_digits(rng, 3)} {_digits(rng, 4)}"))


def ssn(rng: random.Random) -> str:
    return f"{rng.randrange(100, 666)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}"


def passport(rng: random.Random) -> str:
    return rng.choice("EG") + _digits(rng, 8)


MAKERS = {"cn_id": cn_id, "bank_card": card, "iban": iban, "cn_mobile": mobile, "email": email, "plate": plate,
          "phone": phone, "ssn": ssn, "passport": passport}
_SPLIT = {"cn_id": (6, 8, 4), "bank_card": (4, 4, 4, 4, 4), "iban": (4,) * 8, "cn_mobile": (3, 4, 4)}


def written(kind: str, value: str, rng: random.Random) -> str:
    """As a person may write it: plain, in groups with spaces or hyphens, in full-width digits."""
    way = rng.choice(("plain", "spaces", "hyphens", "wide"))
    if way == "wide":
        return value.translate(_WIDE)
    if way == "plain" or kind not in _SPLIT:
        return value
    groups, at = [], 0
    for n in _SPLIT[kind]:
        groups.append(value[at : at + n])
        at += n
    return (" " if way == "spaces" or kind == "iban" else "-").join(g for g in groups if g)


def planted(kind: str, rng: random.Random) -> tuple[str, str]:
    """A text that holds one, glued to Chinese or between English words, and what it holds as written."""
    value = written(kind, MAKERS[kind](rng), rng)
    chinese = {"passport": "护照号码是{}，请核对", "plate": "车牌{}的车挡住了路"}.get(kind, "请尽快联系我{}谢谢，订单已付")
    english = {"passport": "My passport number is {} and it expires soon.", "plate": "The plate was {} I think."}.get(
        kind, "Please write it down: {} and tell nobody.")
    return (chinese if rng.random() < 0.5 else english).format(value), value


def innocent(rng: random.Random) -> str:
    """A text with numbers that are no personal data: wrong check digits, orders, prices, dates, times, versions."""
    wrong = cn_id(rng)
    last = "0" if wrong[-1] != "0" else "1"
    return rng.choice((
        f"订单号{wrong[:-1]}{last}已发货", f"流水号{_digits(rng, 13)}请查收", f"共{_digits(rng, 4)}元，{rng.randrange(1, 28)}日到账",
        f"version {_digits(rng, 1)}.{_digits(rng, 2)}.{_digits(rng, 3)} was released on 2024-03-{rng.randrange(10, 28)}",
        f"at {_digits(rng, 10)} seconds since 1970", f"the code is 9{_digits(rng, 15)}", f"={_digits(rng, 4)}-150-1200-2000",
        f"sha f4{_digits(rng, 12)}aa69a30d{_digits(rng, 4)}", "川A级联赛第12轮", f"room {_digits(rng, 3)}, {_digits(rng, 5)} people",
        f"电话转{_digits(rng, 4)}", f"尺寸{_digits(rng, 3)}-{_digits(rng, 2)}-{_digits(rng, 3)}毫米"))
