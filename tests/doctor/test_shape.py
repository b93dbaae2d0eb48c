"""The section shape: what is planted is found, with its row and its verdict."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from doctor_case import checked, found, places, recipe, the

from weitiao import doctor


def reviews(n: int) -> list[dict[str, Any]]:
    return [{"text": f"第{i}家餐厅的菜很好吃，服务也不错" if i % 2 else f"第{i}家餐厅太慢了，不会再来",
             "label": "good" if i % 2 else "bad"} for i in range(n)]


def test_clean_rows_are_good(tmp_path: Path) -> None:
    assert checked(tmp_path, reviews(200), sections=["shape"]).verdict == "good"


def test_lengths_are_those_of_the_statistics_module(tmp_path: Path) -> None:
    rows = reviews(300)
    lengths = sorted(len(r["text"]) for r in rows)
    facts = the(checked(tmp_path, rows), "shape.length.text").facts["train"]
    assert (facts["min"], facts["max"]) == (lengths[0], lengths[-1])
    assert facts["median"] == statistics.median_low(lengths) and facts["mean"] == round(statistics.mean(lengths), 1)


def test_few_rows(tmp_path: Path) -> None:
    assert the(checked(tmp_path, reviews(50)), "shape.rows").verdict == "look"
    assert the(checked(tmp_path, reviews(8)), "shape.rows").verdict == "stop"
    assert the(checked(tmp_path, reviews(8), thresholds={"shape": {"rows_stop": 5, "rows_look": 6}}),
               "shape.rows").verdict == "good"


def test_rejected_rows_are_counted_by_code_with_their_places(tmp_path: Path) -> None:
    rows = [*reviews(100), {"text": "", "label": "good"}, {"text": "x", "label": ""}, {"text": " ", "label": "bad"}]
    got = checked(tmp_path, rows)
    empty, unlabelled = the(got, "shape.rejected.empty"), the(got, "shape.rejected.no_label")
    assert (empty.count, places(empty), empty.verdict) == (2, [101, 103], "look")
    assert (unlabelled.count, unlabelled.of) == (1, 103)
    many = checked(tmp_path, [*reviews(100), *[{"text": "", "label": "good"}] * 10])
    assert the(many, "shape.rejected.empty").verdict == "stop"


def test_what_the_task_refuses_is_a_stop(tmp_path: Path) -> None:
    refused = the(checked(tmp_path, [{"text": f"t{i}", "label": "a"} for i in range(30)],
                          tree={"task": {"name": "classify"}}), "shape.refused")
    assert refused.verdict == "stop" and "data.one_class" in refused.said


def test_odd_characters_per_row_and_kind(tmp_path: Path) -> None:
    rows = reviews(200)
    rows[4]["text"] += " &amp; &lt; &amp;"
    rows[5]["text"] += "\ufffd"
    rows[6]["text"] = "“".encode().decode("cp1252", "ignore") + rows[6]["text"] + "Ã©"
    got = checked(tmp_path, rows)
    html, lost, mangled = the(got, "shape.html"), the(got, "shape.lost"), the(got, "shape.mojibake")
    assert (html.count, places(html), html.verdict) == (1, [5], "look")
    assert places(lost) == [6] and places(mangled) == [7]
    assert html.fix == {"repair": ["html"]}
    assert found(got, "shape.zero_width") is None


def test_much_mangled_text_is_a_stop(tmp_path: Path) -> None:
    rows = [{"text": r["text"] + "Ã¼", "label": r["label"]} for r in reviews(100)]
    assert the(checked(tmp_path, rows), "shape.mojibake").verdict == "stop"


def test_rows_in_another_language(tmp_path: Path) -> None:
    rows = [*reviews(100), *[{"text": f"This is number {i} and it is not Chinese", "label": "bad"} for i in range(5)]]
    language = the(checked(tmp_path, rows), "shape.language.text")
    assert (language.count, language.verdict, places(language)) == (5, "look", [101, 102, 103, 104, 105])
    assert language.facts["languages"] == {"zh": 100, "en": 5}


def test_the_other_chinese_form(tmp_path: Path) -> None:
    rows = [*reviews(100), {"text": "這家餐廳的服務還不錯", "label": "good"}]
    form = the(checked(tmp_path, rows), "shape.form.text")
    assert form.facts["forms"] == {"simplified": 100, "traditional": 1} and places(form) == [101]
    assert form.verdict == "good" and "clean" not in form.do


def test_ids_that_stand_twice(tmp_path: Path) -> None:
    rows = [{**r, "id": str(i % 99)} for i, r in enumerate(reviews(100))]
    doubled = the(checked(tmp_path, rows, tree={"data": {"train": [str(tmp_path / "rows.jsonl")], "id": "id"}}),
                  "shape.doubled_id")
    assert (doubled.verdict, doubled.count, places(doubled)) == ("stop", 1, [100])


def test_encoding_that_was_found_out(tmp_path: Path) -> None:
    (tmp_path / "gbk.csv").write_bytes(b"text,label\n" + "".join(
        f"第{i}家餐厅很好吃,好\n第{i}家太慢了,坏\n" for i in range(60)).encode("gb18030"))
    got = doctor.check(recipe(train=str(tmp_path / "gbk.csv")), tokenizer=False)
    assert "gb18030" in the(got, "shape.reading").said


def test_tokens_of_the_model_that_is_named(tmp_path: Path, tiny_folder: Path) -> None:
    rows = [{"text": "good food " * (40 if i == 3 else 2) + ("饕餮" if i == 5 else ""), "label": "ab"[i % 2]}
            for i in range(120)]
    got = checked(tmp_path, rows, tokenizer=True, tree={"model": {"name": str(tiny_folder)}})
    tokens, cut, unknown = the(got, "shape.tokens"), the(got, "shape.truncated"), the(got, "shape.unknown")
    # [CLS] and [SEP] beside two words a repetition; the model reads 64.
    assert (tokens.facts["min"], tokens.facts["median"], tokens.facts["max"]) == (6, 6, 82)
    assert (cut.count, places(cut), cut.facts["lost"]) == (1, [4], 82 - 64)
    assert cut.verdict == "look" and cut.facts["tokens"] == 118 * 6 + 82 + 8
    assert (unknown.count, places(unknown), unknown.verdict) == (2, [6], "good")
    # Of the 60 rows with the label b: [CLS], [SEP], four words each, beside the long one's 62 and the two unknown ones.
    assert unknown.facts["rates"]["label b"] == 2 / (58 * 6 + 64 + 8)
    assert set(unknown.facts["rates"]) == {"label b", "language Latin"}


def test_a_base_model_that_cannot_be_had_is_said_not_raised(tmp_path: Path) -> None:
    """Chinese to be written: no starter may be chosen unasked, and the rest is checked all the same."""
    rows = [{"prompt": f"第{i}个问题是什么？", "completion": f"这是第{i}个回答。"} for i in range(120)]
    got = checked(tmp_path, rows, tokenizer=True)
    assert "no base model" in the(got, "shape.no_tokenizer").said and got.base == ""


def test_all_rows_go_to_the_folder(tmp_path: Path) -> None:
    rows = [{"text": r["text"] + "&amp;", "label": r["label"]} for r in reviews(150)]
    got = checked(tmp_path, rows, out=tmp_path / "out", sections=["shape"])
    assert len(the(got, "shape.html").spots) == doctor.SHOWN < 150
    lines = (tmp_path / "out" / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    assert [x["source"].rpartition(":")[2] for x in told if x["code"] == "shape.html"] == [str(i + 1) for i in range(150)]
