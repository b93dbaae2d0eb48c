"""Each kind of cleaning, alone and together; what must not be touched."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.core import clean as module
from weitiao.core.clean import clean
from weitiao.core.errors import MissingExtra
from weitiao.recipe import Clean

ALL = {"unicode": "NFKC", "width": True, "html": True, "urls": True, "mentions": True}


@pytest.mark.parametrize(("options", "text", "expected"), [
    ({"width": True}, "ＡＢＣ１２３ａ，好！　ﾊﾟﾋﾟ", "ABC123a，好！　パピ"),
    ({"unicode": "NFC"}, "e\u0301ＡＢ", "éＡＢ"),
    ({"unicode": "NFKC"}, "ＡＢ①ﬁ", "AB1fi"),
    ({"html": True}, "<p>good &amp; <b>cheap</b></p><!-- x --> a<br/>b &lt;i&gt; 3 < 4 > 2 &#20320;",
     " good & cheap  a b <i> 3 < 4 > 2 你"),
    ({"html": True}, "<!-- never closed", "<!-- never closed"),
    ({"urls": True}, "看http://x.cn/a?b=1，很好 www.example.com. (https://a.b/c)", "看[URL]，很好 [URL]. ([URL])"),
    ({"urls": True}, "http:// is no address, nor is awww.x", "http:// is no address, nor is awww.x"),
    ({"mentions": True}, "@小明 你好 @bob_1: a@b.com ＠全角 @", "@user 你好 @user: a@b.com @user @"),
    ({"chinese": "simplified"}, "漢字轉換，臺灣", "汉字转换，台湾"),
    ({"chinese": "traditional"}, "汉字", "漢字"),
    ({}, "ＡＢ &amp; <b> @x http://x.cn 漢", "ＡＢ &amp; <b> @x http://x.cn 漢"),
])
def test_options(options: dict[str, Any], text: str, expected: str) -> None:
    assert clean(text, options) == expected
    assert clean(text, Clean(**options).model_dump(mode="json")) == expected


@given(st.text())
def test_nothing_changes_by_default(text: str) -> None:
    assert clean(text, Clean().model_dump(mode="json")) == text


@given(st.text("<>!-&;@＠:/. abwhtpsＡ好"))
def test_any_text_goes_through(text: str) -> None:
    assert isinstance(clean(text, ALL), str)


def test_hostile_texts_take_no_time() -> None:
    for piece in ("<!--", "<a ", "&", "http://", "@a", "<", "www.", "&#"):
        start = time.perf_counter()
        clean(piece * 100_000, ALL)
        assert time.perf_counter() - start < 3, piece


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module._converter.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(MissingExtra, match="zh"):
        clean("漢", {"chinese": "simplified"})
    module._converter.cache_clear()
