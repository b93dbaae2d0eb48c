"""In which script a text is written and, as far as that shows, in which language.

>>> language("今天天气很好"), language("The weather is fine today"), language("Das Wetter ist heute nicht schön")
('zh', 'en', 'de')
>>> language("iPhone 4"), language("Привет, мир"), language("12 + 30")
('Latin', 'Cyrillic', '')
>>> chinese_form("头发"), chinese_form("頭髮"), chinese_form("頭发"), chinese_form("天地")
('simplified', 'traditional', 'mixed', '')

A script is that of most letters, one Chinese character weighing as much as one word elsewhere. Kana makes Chinese
characters Japanese. Among languages in Latin letters those are told apart whose function words are listed here, and
only where a text holds enough of them; else the answer is the script's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_FUNCTION_WORDS = {
    "en": "the and of to is in that it for was with you this are on be have not what can do how we he she they as at "
          "by from an or my me your his her their has had were after over into than no more will would been if them "
          "out up about who but all so there when a am come met die man one two some men please may many such just",
    "de": "der die das und ist nicht ein eine mit auf den von zu im für sich dem ich einem einer am wie sie wir er bei "
          "nach aus sind des auch in an was so vor über neben es mehrere zwei",
    "fr": "le la les des et est une dans pour que pas sur qui au du un je il elle nous vous avec ce cette en sont par "
          "on me se son ses leur plus ou a",
    "es": "el los las es una en que por con para del se un no lo la yo su al como está más pero me he sin son a",
    "pt": "o os as uma em que por com para do da não um eu se na no ao como está são mais dos das me mas de a",
    "it": "il lo gli una in che per con di non un del della sono mi si alla come più nel dei me no so al a",
    "nl": "de het een en is niet van voor met op dat zijn ik je we te aan er wat hoe bij ook in of me had was over die "
          "al an so",
}
_OF_WORD: dict[str, list[str]] = {}
for _code, _words in _FUNCTION_WORDS.items():
    for _word in _words.split():
        _OF_WORD.setdefault(_word, []).append(_code)
_WORD = re.compile(r"[^\W\d_]+")
_FEW = 2  # different function words without which no language is named
_AHEAD = 1.5  # so many times as many as the next language's
_MORE = frozenset({"FULLWIDTH", "HALFWIDTH", "MODIFIER", "MATHEMATICAL"})  # the script is the second word of the name
_UNITED = {"CJK": "Han", "IDEOGRAPHIC": "Han", "KATAKANA-HIRAGANA": "Katakana"}


class _Scripts(dict[str, str]):
    """Letter to its script's name, "" for what is no letter. Filled as they occur."""

    def __missing__(self, letter: str) -> str:
        words = unicodedata.name(letter, "").split() if unicodedata.category(letter)[0] == "L" else []
        if words and words[0] in _MORE:
            words = words[1:]
        found = self[letter] = _UNITED.get(words[0], words[0].capitalize()) if words else ""
        return found


_SCRIPTS = _Scripts()
_NO_LETTERS = bytes(c for c in range(128) if not chr(c).isalpha())


def scripts(text: str) -> Counter[str]:
    """Letters by script."""
    if text.isascii():
        latin = len(text.encode().translate(None, _NO_LETTERS))
        return Counter({"Latin": latin} if latin else {})
    found = Counter(map(_SCRIPTS.__getitem__, text))
    del found[""]
    return found


def script(text: str) -> str:
    """The script of most of it; "" without a letter."""
    return _most(scripts(text))


def _most(found: Counter[str]) -> str:
    if not found:
        return ""
    if set(found) > {"Han"}:
        # As in `core.text.dominant_language`: a word weighs as much as a character.
        found = Counter({name: n if name == "Han" else max(1, n // 5) for name, n in found.items()})
    return max(found, key=lambda name: (found[name], name))


def language(text: str) -> str:
    """A code of ISO 639-1 (zh, ja, ko, en, de, fr, es, pt, it, nl), or the script's name, or "" without a letter."""
    found = scripts(text)
    name = _most(found)
    if name in ("Han", "Hiragana", "Katakana"):
        return "ja" if name != "Han" or _kana(found) else "zh"
    if name == "Latin":
        return _latin(text)
    return "ko" if name == "Hangul" else name


def script_of(language: str) -> str:
    """The script in which one of `language`'s answers is written; Japanese counts as a script of its own."""
    return "Latin" if language in _FUNCTION_WORDS else {"zh": "Han", "ko": "Hangul"}.get(language, language)


def _kana(found: Counter[str]) -> bool:
    """Is at least a fifth of it kana? Chinese texts quote a word now and then."""
    kana = found["Hiragana"] + found["Katakana"]
    return kana * 5 >= kana + found["Han"]


def _latin(text: str) -> str:
    words = _OF_WORD.keys() & _WORD.findall(text.casefold())
    hits = Counter([code for word in words for code in _OF_WORD[word]])
    if not hits:
        return "Latin"
    (first, most), *others = hits.most_common(2)
    return first if most >= _FEW and (not others or most >= _AHEAD * others[0][1]) else "Latin"


# -- simplified and traditional ------------------------------------------------------------------------------------

class _Forms(dict[str, str]):
    """Character to the form that it belongs to alone. Filled as they occur."""

    def __missing__(self, letter: str) -> str:
        gb, big = _number_in(letter, "gb2312"), _number_in(letter, "big5")
        found = self[letter] = ("simplified" if not big and _GB_COMMON[0] <= gb <= _GB_COMMON[1] else
                                "traditional" if not gb and _BIG_COMMON[0] <= big <= _BIG_COMMON[1] else "")
        return found


_FORMS = _Forms()
# The first levels of GB 2312 and Big5 hold the frequent characters; in the second ones stand names of either form.
_GB_COMMON, _BIG_COMMON = (0xB0A1, 0xD7F9), (0xA440, 0xC67E)


def _number_in(letter: str, codec: str) -> int:
    """Its number in that character set, 0 where it has none."""
    try:
        return int.from_bytes(letter.encode(codec), "big")
    except UnicodeEncodeError:
        return 0


def chinese_form(text: str) -> str:
    """simplified, traditional, mixed, or "" where no character belongs to one of them alone.

    A character counts as simplified where it is among the frequent ones of GB 2312 and not in Big5, as traditional
    the other way round.
    """
    found = set(map(_FORMS.__getitem__, text)) - {""}
    return "mixed" if len(found) == 2 else next(iter(found), "")
