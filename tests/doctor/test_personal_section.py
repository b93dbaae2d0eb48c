"""The section personal: kinds counted, rows listed, and nothing shown that was found, in whatever is written."""

from __future__ import annotations

from pathlib import Path

from doctor_case import checked, places, the

ID, MOBILE = "11010519491231002X", "13812345678"


def test_counts_and_masks(tmp_path: Path) -> None:
    data = [{"text": f"sentence no {i} of many", "label": "ab"[i % 2]} for i in range(100)]
    data[4]["text"] = f"身份证{ID}，电话{MOBILE}或１３９１２３４５６７８"
    data[9]["text"] = f"call {MOBILE} now"
    out = tmp_path / "out"
    got = checked(tmp_path, data, out=out, sections=("personal", "labels", "duplicates"))
    mobile = the(got, "personal.cn_mobile")
    assert (mobile.verdict, mobile.count, mobile.facts["found"], places(mobile)) == ("look", 2, 3, [5, 10])
    assert places(the(got, "personal.cn_id")) == [5] and mobile.fix == {"drop": ["personal.cn_mobile"]}
    for path in out.iterdir():
        text = path.read_text(encoding="utf-8")
        assert ID not in text and MOBILE not in text and "１３９１２３４５６７８" not in text, path.name
    assert "13*********" in (out / "page.html").read_text(encoding="utf-8")


def test_nothing_found(tmp_path: Path) -> None:
    data = [{"text": f"sentence no {i} of many", "label": "ab"[i % 2]} for i in range(100)]
    assert checked(tmp_path, data, sections=("personal",)).verdict == "good"
