"""What of translation needs no model: whose table it is, what a decoder is asked, how translations are scored.

>>> claim(profile, {})          # of a table with the columns id, en, zh
Guess(strength=0.95, columns={'source': 'en', 'target': 'zh'}, ..., options={'source': 'en', 'target': 'zh'})
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weitiao.core import languages
from weitiao.core.i18n import t
from weitiao.core.text import dominant_language
from weitiao.tasks import ColumnProfile, Guess, TableProfile
from weitiao.tasks._columns import ONLY_IF_ASKED
from weitiao.tasks._speaker import Text

if TYPE_CHECKING:
    from weitiao.metrics import Score

ROLES = ("source", "target")
_BY_LANGUAGE, _BY_NAME, _BY_SCRIPT = 0.95, 0.93, 0.92
# Two-letter words that head a column far more often than they name its language.
_WORDS = frozenset({"id", "is", "it", "no", "my", "so", "to", "or", "as", "am", "be", "the", "her", "may", "day"})
_ONLY = (("原文", "译文"), ("源文", "译文"), ("原文", "翻译"), ("source_text", "translation"),
         ("source", "translation"), ("src", "tgt"), ("src", "trg"))
_ALSO = (("source", "target"), ("text", "translation"), ("input", "output"), ("text", "label"))


def pointed(columns: Mapping[str, str], source: str, target: str) -> dict[str, str]:
    """The columns in the direction that was asked for: those named by languages follow the languages.

    >>> pointed({"source": "en", "target": "zh"}, "zh", "en")
    {'source': 'zh', 'target': 'en'}
    """
    wanted = dict(zip(ROLES, (source, target), strict=True))
    if not all(languages.is_known(columns.get(role, "")) and languages.is_known(wanted[role]) for role in ROLES):
        return dict(columns)
    return {role: columns[role] if languages.primary(columns[role]) == languages.primary(wanted[role]) else
            next((c for c in columns.values() if languages.primary(c) == languages.primary(wanted[role])),
                 wanted[role]) for role in ROLES}


def claim(profile: TableProfile, named: Mapping[str, str]) -> Guess | None:
    """The claim of translation to a table. Two columns of one script claim nothing but when they are named so, or when
    the task is named: they may be questions and answers, or a pair to be compared."""
    if set(named) - set(ROLES):
        return None
    texts = {c.name: c for c in profile.columns if c.kind == "text"}
    if len(named) == 2:
        return _guess(named["source"], named["target"], _BY_SCRIPT if _differ(profile, named) else ONLY_IF_ASKED)
    if named:
        return None
    coded = [name for name in texts if languages.is_known(name) and name.casefold() not in _WORDS]
    if len(coded) >= 2:
        return _guess(coded[0], coded[1], _BY_LANGUAGE, coded[2:])
    spelled = {re.sub(r"[\s\-]+", "_", unicodedata.normalize("NFKC", n).strip().casefold()): n for n in texts}
    for names, strength in ((_ONLY, _BY_NAME), (_ALSO, ONLY_IF_ASKED)):
        for source, target in names:
            if source in spelled and target in spelled:
                found = {"source": spelled[source], "target": spelled[target]}
                sure = _BY_SCRIPT if source == "source" and _differ(profile, found) else 0.0
                return _guess(found["source"], found["target"], max(strength, sure))
    both = list(texts)
    return _guess(both[0], both[1], ONLY_IF_ASKED) if len(both) == 2 else None


def _differ(profile: TableProfile, columns: Mapping[str, str]) -> bool:
    """Are the two sides written in different scripts?"""
    found = [profile.get(columns[role]) for role in ROLES]
    sides = [_script(c) for c in found if c is not None]
    return len(sides) == 2 and "" not in sides and sides[0] != sides[1]


def _script(column: ColumnProfile) -> str:
    return dominant_language(column.examples) if any(map(str.isalpha, "".join(column.examples))) else ""


def _guess(source: str, target: str, strength: float, others: Sequence[str] = ()) -> Guess:
    options = {role: name for role, name in zip(ROLES, (source, target), strict=True)
               if languages.is_known(source) and languages.is_known(target)}
    reason = t("“{x}” is read, “{y}” is written: translation", "读取“{x}”，写出“{y}”：翻译", x=source, y=target)
    if others:
        reason += t(" (not used: {o}; say which by --source and --target)",
                    "（未使用：{o}；可用 --source、--target 指定）", o=", ".join(f"“{c}”" for c in others))
    return Guess(strength, {"source": source, "target": target}, reason, options)


def request(source: str, target: str) -> str:
    """What a decoder is asked.

    >>> request("de", "en"), request("en", "zh")
    ('Translate from German into English:', '请把下面的英文翻译成中文：')
    """
    if languages.primary(target) == "zh":
        return "请把下面的英文翻译成中文：" if languages.primary(source) == "en" else "请翻译成中文："
    origin = f" from {languages.english_name(source)}" if source else ""
    return f"Translate{origin}{f' into {languages.english_name(target)}' if target else ''}:"


def scores(outputs: Sequence[Text], references: Sequence[Sequence[str]], language: str, tokenizer: Any, *, seed: int,
           resamples: int) -> list[Score]:
    """BLEU first, then chrF, TER, the length ratio, and the share of translations that ended by themselves."""
    from weitiao.metrics import intervals, translation, wording

    said = [o.text for o in outputs]
    found = translation.scores(said, references, language, asked=tokenizer, seed=seed, resamples=resamples)
    found += [s for s in wording.scores(said, references, seed=seed, resamples=resamples) if s.name == "length_ratio"]
    return [*found, intervals.share_score("stopped", sum(o.stopped for o in outputs), len(outputs))]
