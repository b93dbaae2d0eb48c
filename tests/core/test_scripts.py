"""Scripts and languages of texts. First sentences of the Universal Declaration of Human Rights (ohchr.org)."""

from __future__ import annotations

import pytest

from weitiao.core import scripts

RIGHTS = {
    "en": "All human beings are born free and equal in dignity and rights.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
          "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
          "conciencia, deben comportarse fraternalmente los unos con los otros.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di "
          "coscienza e devono agire gli uni verso gli altri in spirito di fratellanza. La libertà non è del singolo.",
    "nl": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en "
          "geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
    "pt": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de consciência, "
          "devem agir uns para com os outros em espírito de fraternidade. Não há mais nada a dizer.",
    "zh": "人人生而自由，在尊严和权利上一律平等。", "ja": "すべての人間は、生れながらにして自由であり。",
    "ko": "모든 인간은 태어날 때부터 자유로우며", "Cyrillic": "Все люди рождаются свободными и равными",
    "Arabic": "يولد جميع الناس أحراراً", "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระ", "Latin": "iPhone 4 Pro Max", "": "12 + 30 = 42 !?",
}


@pytest.mark.parametrize(("language", "text"), RIGHTS.items())
def test_language(language: str, text: str) -> None:
    assert scripts.language(text) == language


def test_a_chinese_text_that_quotes_stays_chinese() -> None:
    assert scripts.language("我用 iPhone 和 iPad 看《あの花》，觉得很不错的样子") == "zh"
    assert scripts.language("ＡＢＣ ｄｅｆ") == "Latin"


@pytest.mark.parametrize(("text", "form"), [("头发和国家", "simplified"), ("頭髮和國家", "traditional"), ("頭发", "mixed"),
                                            ("天地人", ""), ("孙綝、王祎", "simplified"), ("no Chinese", "")])
def test_chinese_forms(text: str, form: str) -> None:
    """綝 and 祎 are names' characters beyond GB 2312: they do not make a text traditional."""
    assert scripts.chinese_form(text) == form


def test_forms_agree_with_opencc() -> None:
    opencc = pytest.importorskip("opencc")
    convert = opencc.OpenCC("s2t").convert
    simplified = "这个国家的经济发展很快，人们的生活水平也提高了"
    assert scripts.chinese_form(simplified) == "simplified"
    assert scripts.chinese_form(convert(simplified)) == "traditional"
