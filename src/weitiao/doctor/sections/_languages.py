"""Which language and script each row is written in, and the rows that are not in that of the rest.

>>> languages = Languages(seen, look=0.02)
>>> languages.add(example)
>>> [f.said for f in languages.findings()]
['text: zh 7,260, Latin 12', '12 of 7,272 (0.17 %) texts in “text” are not in zh as the rest is']
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from weitiao.core import scripts
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, judge, percent, share
from weitiao.example import Example

_SAMPLED = 5000  # rows that say what the rest is written in
_MOST = 0.7  # share from which a language is that of the rest
_LISTED = 6


class Languages:
    """Counts texts by role, of a conversation all turns together.

    Args:
        look: share of the texts from which those in another language are worth a look.
    """

    def __init__(self, seen: Seen, look: float) -> None:
        self._seen, self._look = seen, look
        self._counts: dict[str, Counter[str]] = {}
        self._forms: dict[str, Counter[str]] = {}
        first: dict[str, Counter[str]] = {}
        form: dict[str, Counter[str]] = {}
        for _, example in seen.sample(_SAMPLED):
            for role, text in _by_role(seen, example).items():
                first.setdefault(role, Counter())[scripts.language(text)] += 1
                form.setdefault(role, Counter())[scripts.chinese_form(text)] += 1
        self._rest = {role: _main(counts) for role, counts in first.items()}
        self._form = {role: max(("simplified", "traditional"), key=counts.__getitem__) for role, counts in form.items()}
        self._foreign = {role: seen.spots(f"shape.language.{role}") for role in first}
        self._other = {role: seen.spots(f"shape.form.{role}") for role in first}

    def add(self, example: Example) -> None:
        for role, text in _by_role(self._seen, example).items():
            language = scripts.language(text)
            self._counts.setdefault(role, Counter())[language] += 1
            if _differ(language, self._rest.get(role, "")):
                self._foreign[role].add(Spot(example.source, self._seen.column(role), excerpt(text), language))
            if language == "zh":
                form = scripts.chinese_form(text)
                self._forms.setdefault(role, Counter())[form] += 1
                if form not in ("", self._form[role]):
                    self._other[role].add(Spot(example.source, self._seen.column(role), excerpt(text), form))

    def findings(self) -> Iterator[Finding]:
        for role, counts in self._counts.items():
            yield self._language(role, counts)
            if role in self._forms and (other := self._other[role]).count:
                yield self._chinese(role, self._forms[role], other.count)

    def _language(self, role: str, counts: Counter[str]) -> Finding:
        column, rest, spots = self._seen.column(role), self._rest[role], self._foreign[role]
        listed = ", ".join(f"{name or t('no letters', '无文字')} {n:,}" for name, n in counts.most_common(_LISTED))
        said = t("{c}: {l}", "{c}：{l}", c=column, l=listed)
        facts = {"column": column, "languages": dict(counts.most_common())}
        if not rest:
            return Finding(f"shape.language.{role}", "good", said, 0, counts.total(), facts=facts)
        if spots.count:
            said += t("; {s} are not in {r} as the rest is", "；{s} 与其余的语言（{r}）不同",
                      s=share(spots.count, counts.total()), r=rest)
        verdict = judge(spots.count / counts.total(), self._look)
        return Finding(f"shape.language.{role}", verdict, said, spots.count, counts.total(),
                       t("look: more than {p} in another language", "注意：超过 {p} 为其他语言", p=percent(self._look)),
                       spots.shown, t("read them: are they meant to be learnt?", "请看这些行：确实要学习它们吗？")
                       if verdict != "good" else "", facts)

    def _chinese(self, role: str, forms: Counter[str], count: int) -> Finding:
        verdict, column = judge(count / forms.total(), self._look), self._seen.column(role)
        return Finding(f"shape.form.{role}", verdict, t(
            "{c}: {a:,} texts in simplified characters, {b:,} in traditional ones, {m:,} mixed",
            "{c}：简体 {a:,}，繁体 {b:,}，混用 {m:,}", c=column, a=forms["simplified"], b=forms["traditional"],
            m=forms["mixed"]), count, forms.total(),
            t("look: more than {p} in the other form", "注意：超过 {p} 为另一种字形", p=percent(self._look)),
            self._other[role].shown, "" if verdict == "good" or self._seen.places else t(
                "fold them to one: --set clean.chinese=simplified", "可统一：--set clean.chinese=simplified"),
            {"column": column, "forms": dict(forms)})


def _by_role(seen: Seen, example: Example) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, text in seen.texts(example):
        found[role] = f"{found[role]}\n{text}" if role in found else text
    return found


def _main(counts: Counter[str]) -> str:
    """The language of the rest; "" where the texts are in several."""
    known = counts.total() - counts[""]
    by_script: Counter[str] = Counter()
    for language, n in counts.items():
        by_script[scripts.script_of(language) if language else ""] += n
    name, most = max(((k, n) for k, n in counts.items() if k), key=lambda x: x[1], default=("", 0))
    if known and most >= _MOST * known:
        return name
    # Many short texts hold too few function words to tell their language: the script is what can be compared then.
    script, most = max(((k, n) for k, n in by_script.items() if k), key=lambda x: x[1], default=("", 0))
    return script if known and most >= _MOST * known else ""


def _differ(language: str, rest: str) -> bool:
    """Is it surely another one? A script's name leaves the language open."""
    if not language or not rest:
        return False
    if scripts.script_of(language) != scripts.script_of(rest):
        return True
    return language != rest and "Latin" not in (language, rest)
