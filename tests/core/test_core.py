"""What everything stands on: languages, errors, atomic files, seeds, text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.core import files, i18n, languages, seeds
from weitiao.core.errors import DataError, MissingExtra, RunError
from weitiao.core.text import dominant_language, fold, is_unspaced


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    i18n.use("en")


def test_messages_follow_the_language_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    i18n.use("zh")
    assert i18n.t("{n} rows", "{n} 行", n=3) == "3 行"
    i18n.use(None)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "WEITIAO_LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert i18n.language() == "zh"
    monkeypatch.setenv("WEITIAO_LANG", "en")
    assert i18n.language() == "en"
    with pytest.raises(ValueError, match="language"):
        i18n.use("fr")  # type: ignore[arg-type]


def test_an_error_says_which_what_where_and_what_to_do() -> None:
    e = DataError("data.empty_file", "no rows", expected="at least 2", fix="export again", where="a.csv:1")
    assert str(e).splitlines() == ["[data.empty_file] a.csv:1: no rows", "  expected: at least 2",
                                   "  to do: export again"]
    assert e.as_dict()["code"] == "data.empty_file" and e.exit_code == 3
    assert 'pip install "weitiao[lora]"' in str(MissingExtra("peft", "lora", "LoRA"))


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    final = tmp_path / "model"
    with files.new_folder(final) as tmp:
        (tmp / "a").write_text("1")
        assert not final.exists()
    with pytest.raises(KeyError), files.new_folder(final) as tmp:
        (tmp / "a").write_text("2")
        raise KeyError
    assert (final / "a").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    with files.new_folder(final) as tmp:
        (tmp / "b").write_text("3")
    assert [p.name for p in final.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_is_a_coded_error_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scores.json"
    files.write_json(path, {"a": 1})

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError) as e:
        files.write_json(path, {"a": 2})
    assert e.value.code == "disk.write_failed" and "No space left" in str(e.value)
    with pytest.raises(RunError), files.new_folder(tmp_path / "model") as tmp:
        (tmp / "x").write_text("x")
    assert files.read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["scores.json"]


def test_json_never_holds_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", float("nan"))
    (tmp_path / "y.json").write_text("{")
    with pytest.raises(RunError) as e:
        files.read_json(tmp_path / "y.json")
    assert e.value.code == "run.unreadable"


def test_keys_are_pinned_across_versions_and_differ_by_purpose() -> None:
    assert seeds.key(1, "dropout", 7, 0) == 5328518151266249598
    assert len({seeds.key(s, p, i) for s in range(5) for p in ("order", "dropout") for i in range(20)}) == 200
    # The separator keeps ("a", "1b") apart from ("a1", "b").
    assert seeds.key(1, "a", "1b") != seeds.key(1, "a1", "b")
    assert seeds.rng(3, "order", 0).integers(1000) == seeds.rng(3, "order", 0).integers(1000)


@pytest.mark.parametrize(("a", "b"), [
    ("Ｈello,  World！", "hello world"), ("好吃。", "好吃"), ("ﬁne", "FINE"), ("a\u200bb", "ab"),
    ("love it \u2764\ufe0f", "love it \u2764"), ("葛\U000e0100城", "葛城"),
])
def test_texts_that_differ_in_form_only_fold_to_one(a: str, b: str) -> None:
    assert fold(a) == fold(b)


def test_texts_of_punctuation_stay_apart() -> None:
    assert fold("？！") != fold("。。") and fold("？") == fold("?")


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(("text", "language"), [
    ("这家店很好吃 very good", "zh"), ("It was good", "en"), ("Всё хорошо", "other"), ("정말 맛있어요", "other"), ("とてもおいしい", "other"), ("123 !!", "other"), ("", "other"),
])
def test_the_language_of_texts(text: str, language: str) -> None:
    assert dominant_language([text]) == language


@pytest.mark.parametrize(("text", "unspaced"), [
    ("这家店很好吃 very", True), ("とてもおいしい", True), ("อร่อยมาก", True), ("정말 맛있어요", False), ("It was 好", False), ("12!", False),
])
def test_scripts_without_spaces(text: str, unspaced: bool) -> None:
    assert is_unspaced([text]) == unspaced


@pytest.mark.parametrize(("code", "language"), [
    ("zh", "zh"), ("zh-CN", "zh"), ("zho_Hant", "zh"), ("cmn", "zh"), ("en_XX", "en"), ("EN", "en"), ("deu_Latn", "de"),
    ("arb_Arab", "ar"), ("nob", "no"), ("nb", "no"), ("xx", "xx"), ("source text", ""), ("", ""), ("a", "")])
def test_language_codes(code: str, language: str) -> None:
    assert languages.primary(code) == language


def test_the_table_of_languages() -> None:
    assert languages.english_name("deu_Latn") == "German" and languages.english_name("xx") == "xx"
    assert languages.three_letters("zh") == ["zho", "cmn"] and languages.three_letters("xx") == ["xx"]
    assert languages.is_known("pt-BR") and not languages.is_known("text")
    assert languages.is_traditional("zho_Hant") and languages.is_traditional("zh-TW")
    assert not languages.is_traditional("zho_Hans")


def test_korean_words_keep_their_spaces() -> None:
    from weitiao.core.text import join_words

    assert join_words(["정말", "맛있어요", "!"])[0] == "정말 맛있어요!"
