"""Language codes: however a person, a column or a model writes one, which language is meant.

>>> primary("zh-CN"), primary("zho_Hans"), primary("cmn"), primary("en_XX"), english_name("de")
('zh', 'zh', 'zh', 'en', 'German')

A code is that of ISO 639-1 where there is one, else of ISO 639-3; what follows (`-CN`, `_Hant`, `_XX`) names a
country or a script.
"""

from __future__ import annotations

import re

# ISO 639-1, ISO 639-3 (all in use, the first one is the usual one), English name. Source: iso639-3.sil.org.
_TABLE = """
af afr Afrikaans
am amh Amharic
ar arb,ara Arabic
as asm Assamese
az azj,aze Azerbaijani
be bel Belarusian
bg bul Bulgarian
bn ben Bengali
bo bod Tibetan
bs bos Bosnian
ca cat Catalan
cs ces Czech
cy cym Welsh
da dan Danish
de deu German
el ell Greek
en eng English
es spa Spanish
et est,ekk Estonian
eu eus Basque
fa pes,fas Persian
fi fin Finnish
fr fra French
ga gle Irish
gl glg Galician
gu guj Gujarati
he heb Hebrew
hi hin Hindi
hr hrv Croatian
ht hat Haitian
hu hun Hungarian
hy hye Armenian
id ind Indonesian
is isl Icelandic
it ita Italian
ja jpn Japanese
ka kat Georgian
kk kaz Kazakh
km khm Khmer
kn kan Kannada
ko kor Korean
ky kir Kyrgyz
la lat Latin
lo lao Lao
lt lit Lithuanian
lv lvs,lav Latvian
mk mkd Macedonian
ml mal Malayalam
mn khk,mon Mongolian
mr mar Marathi
ms zsm,msa Malay
mt mlt Maltese
my mya Burmese
ne npi,nep Nepali
nl nld Dutch
no nob,nor Norwegian
pa pan Punjabi
pl pol Polish
ps pbt,pus Pashto
pt por Portuguese
ro ron Romanian
ru rus Russian
si sin Sinhala
sk slk Slovak
sl slv Slovenian
sq als,sqi Albanian
sr srp Serbian
sv swe Swedish
sw swh,swa Swahili
ta tam Tamil
te tel Telugu
tg tgk Tajik
th tha Thai
tl tgl Tagalog
tr tur Turkish
ug uig Uyghur
uk ukr Ukrainian
ur urd Urdu
uz uzn,uzb Uzbek
vi vie Vietnamese
yue yue Cantonese
zh zho,cmn Chinese
"""
_ROWS = [line.split(maxsplit=2) for line in _TABLE.split("\n") if line]
_PRIMARY = {code: two for two, three, _ in _ROWS for code in (two, *three.split(","))} | {"nb": "no", "iw": "he"}
_THREE = {two: three.split(",") for two, three, _ in _ROWS}
_NAMES = {two: name for two, _, name in _ROWS}
CODES = tuple(_NAMES)
"""The primary codes of the table."""
_CODE = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9]+)*")
_TRADITIONAL = re.compile(r"[-_](hant|tw|hk|mo)\b", re.IGNORECASE)


def primary(code: str) -> str:
    """The language of a code; the code's own first part in lower case where the table does not know it; "" for what
    is no code."""
    found = _CODE.fullmatch(code.strip())
    return _PRIMARY.get(found[1].lower(), found[1].lower()) if found else ""


def is_known(code: str) -> bool:
    """Is it a code of a language in the table?"""
    return primary(code) in _NAMES


def three_letters(language: str) -> list[str]:
    """The ISO 639-3 codes of a primary code, the usual one first."""
    return _THREE.get(language, [language])


def is_traditional(code: str) -> bool:
    """Does the code ask for traditional Chinese characters?"""
    return bool(_TRADITIONAL.search(code))


def english_name(code: str) -> str:
    """"German" for "de"; the code itself where the table does not know it."""
    return _NAMES.get(primary(code), code)
