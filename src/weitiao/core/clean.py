"""Cleaning of texts that the recipe can switch on; the same function serves tuning and prediction.

>>> clean("ＡＢＣ &amp; <b>１２３</b>", {"width": True, "html": True})
'ABC & 123'
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from weitiao.core.errors import MissingExtra

# Full-width letters and digits only: full-width punctuation is how Chinese is written.
_NARROW = {c: c - 0xFEE0 for first, last in (("０", "９"), ("Ａ", "Ｚ"), ("ａ", "ｚ"))
           for c in range(ord(first), ord(last) + 1)}
_HALF_KATAKANA = re.compile("[\uff66-\uff9f]+")
_BREAK_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6]|blockquote|hr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")
# Chinese follows an address without a space, so only what an address may hold is taken.
_URL = re.compile(r"(?<![A-Za-z0-9])(?:https?://|www\.)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*[A-Za-z0-9/#=&_~%-]",
                  re.IGNORECASE)
_MENTION = re.compile(r"(?<![A-Za-z0-9._%+-])[@＠][\w-]{1,30}")


def clean(text: str, options: Mapping[str, Any]) -> str:
    """The text with the recipe's `clean` options applied, in this order: html, unicode, width, urls, mentions, chinese.

    Args:
        text: any text.
        options: `unicode` ("none", "NFC", "NFKC"), `width`, `html`, `urls`, `mentions` (booleans), `chinese` ("none",
            "simplified", "traditional"); what is missing is off.

    Raises MissingExtra when `chinese` is on and OpenCC is not installed.
    """
    if options.get("html"):
        text = without_html(text)
    form = options.get("unicode", "none")
    if form != "none":
        text = unicodedata.normalize(form, text)
    if options.get("width"):
        text = _HALF_KATAKANA.sub(lambda m: unicodedata.normalize("NFKC", m[0]), text.translate(_NARROW))
    if options.get("urls"):
        text = _URL.sub("[URL]", text)
    if options.get("mentions"):
        text = _MENTION.sub("@user", text)
    script = options.get("chinese", "none")
    return text if script == "none" else _converter(script)(text)


def without_html(text: str) -> str:
    """Comments and tags dropped (a space where a tag breaks the line), then entities unescaped.

    In this order, because an escaped `&lt;b&gt;` is text that speaks of a tag.
    """
    # Cut by hand: a pattern for comments would look for each missing end anew.
    head, *parts = text.split("<!--")
    for part in parts:
        inside, end, after = part.partition("-->")
        head += after if end else f"<!--{inside}"
    return html.unescape(_TAG.sub("", _BREAK_TAG.sub(" ", head)))


@cache
def _converter(script: str) -> Callable[[str], str]:
    try:
        from opencc import OpenCC
    except ImportError:
        raise MissingExtra("opencc-python-reimplemented", "zh", f"clean.chinese = {script!r}") from None
    convert: Callable[[str], str] = OpenCC({"simplified": "t2s", "traditional": "s2t"}[script]).convert
    return convert
