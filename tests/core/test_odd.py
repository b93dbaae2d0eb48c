"""Odd characters. The references are Python's own codecs and html module: mangle with them, and it must come back."""

from __future__ import annotations

import html

import pytest

from weitiao.core import odd

PLAIN = ["The weather is fine — isn't it? “Yes”, £5, 20 °C.", "今天天气很好，我们去公园吧！", "Ça va très bien, merci à vous.",
         "Größe: 5 × 3 m²", "👩‍👩‍👧 family 🤷‍♀️", "می‌خواهم", "<name> says a < b && c > d", "A&B; R&D;", "速度快，味道好"]


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_text_holds_nothing_odd(text: str) -> None:
    assert odd.found(text) == {}
    assert odd.mend(text, odd.KINDS) == text


@pytest.mark.parametrize("text", ["Stallone’s son – “dead”", "café, naïve, Größe", "€ 5, ½"])
@pytest.mark.parametrize("codec", ["cp1252", "latin-1"])
def test_utf8_read_as_a_western_encoding_comes_back(text: str, codec: str) -> None:
    try:
        mangled = text.encode("utf-8").decode(codec)
    except UnicodeDecodeError:
        pytest.skip("this codec cannot even read these bytes")
    assert "mojibake" in odd.found(mangled)
    assert odd.mend(mangled, ["mojibake"]) == text


@pytest.mark.parametrize("text", ["今天天气真是不错啊", "送餐很快，味道也好"])
def test_utf8_read_as_gbk_comes_back(text: str) -> None:
    mangled = text.encode("utf-8").decode("gb18030", "ignore")
    assert "mojibake" in odd.found(mangled)
    # The last byte or two may be gone, and with them the last character.
    assert text.startswith(odd.mend(mangled, ["mojibake"])) and len(odd.mend(mangled, ["mojibake"])) >= len(text) - 1


@pytest.mark.parametrize(("text", "kind", "place", "after"), [
    ("a\ufffdb", "lost", 1, "ab"), ("好锟斤拷吃", "lost", 1, "好吃"), ("a\x07b", "control", 1, "ab"),
    ("a\u200bb", "zero_width", 1, "ab"), ("\ufeffab", "zero_width", 0, "ab"), ("so‍!", "zero_width", 2, "so!"),
    ("好\ue412吃", "private", 1, "好吃"), ("a&amp;b", "html", 1, "a&b"), ("a<br/>b", "html", 1, "a b"),
    ("a<b>b</b>", "html", 1, "ab"), ("a<!-- x -->b", "html", 1, "ab"), ("a\u2028b", "line", 1, "a\nb"),
    (" ab\n", "edge", 0, "ab"), ("a\u00a0b", "space", 1, "a b"), ("ＡＢ１", "full_width", 0, "AB1"),
])
def test_each_kind_is_found_at_its_place_and_mended(text: str, kind: str, place: int, after: str) -> None:
    assert odd.found(text)[kind] == place
    assert odd.mend(text, [kind]) == after


def test_entities_are_those_of_the_html_module() -> None:
    for written in ("&lt;", "&#39;", "&#x4e2d;", "&eacute;", "&nbsp;"):
        assert odd.mend(f"x{written}y", ["html"]) == html.unescape(f"x{written}y")


def test_mending_twice_changes_nothing_more() -> None:
    text = " Ã© &lt;b&gt; \u200b\x00ＡＢ\ufffd "
    once = odd.mend(text, [k for k in odd.KINDS if k != "html"])
    assert odd.mend(once, [k for k in odd.KINDS if k != "html"]) == once


def test_the_quick_look_misses_no_kind() -> None:
    """Most texts are let pass by one pattern: it must know every character that any of the others asks for."""
    for number in (*range(0xD800), *range(0xE000, 0x10000), *range(0x10000, 0x110000, 61)):
        text = f"ab{chr(number)}cd {4 * chr(number)}"
        each = {name for name, kind in odd.KINDS.items() if next(kind.places(text), None) is not None}
        assert set(odd.found(text)) == each, hex(number)


@pytest.mark.parametrize(("text", "codec"), [("今天天气很好，适合出门散步", "gb18030"), ("3 €, “naïve” café", "latin-1")])
def test_what_was_read_in_the_wrong_encoding_is_found_and_what_was_not_is_let_pass(text: str, codec: str) -> None:
    assert "mojibake" in odd.found("before " + text.encode().decode(codec, "replace"))
    assert "mojibake" not in odd.found(text)
