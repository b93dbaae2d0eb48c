"""Personal data by kind, always shown masked: identity cards, bank cards, phones, e-mail, passports, plates, IBANs.

    personal.cn_mobile   17 of 3,000 (0.57 %) rows hold a Chinese mobile number (18 in all)      look
        reviews.csv:40   我的电话是13*********，请回电

What is found and what is not: see `weitiao.core.personal`; recall and precision on planted data are in
benchmarks/results/planted_faults.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core import personal
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Seen, Spot, excerpt, share

TITLE = ("Personal data", "个人信息")


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    rows: int = Field(default=1, ge=1)
    """Rows with one kind from which on it is "look"."""


def look(seen: Seen, options: Options) -> Iterator[Finding]:
    """One finding a kind that occurs; one good one where none does."""
    spots = {kind: seen.spots(f"personal.{kind}") for kind in personal.KINDS}
    counts: Counter[str] = Counter()
    for _, example in seen.all():
        kinds: dict[str, Spot] = {}
        for role, text in seen.texts(example):
            found = personal.find(text)
            counts.update(m.kind for m in found)
            for m in found:
                if m.kind not in kinds:
                    kinds[m.kind] = Spot(example.source, seen.column(role), excerpt(text, m.start))
        for kind, spot in kinds.items():
            spots[kind].add(spot)
    threshold = t("look: from {n} rows on", "注意：达到 {n} 行", n=options.rows)
    for kind in (k for k in personal.KINDS if spots[k].count):
        found_in = spots[kind]
        yield Finding(
            f"personal.{kind}", "look" if found_in.count >= options.rows else "good",
            t("{s} rows hold {k} ({n:,} in all)", "{s}行含有{k}（共 {n:,} 处）", s=share(found_in.count, seen.total),
              k=_named(kind), n=counts[kind]),
            found_in.count, seen.total, threshold, found_in.shown,
            t("mask or drop them before tuning: a model can say what it learnt by heart",
              "请在微调前打码或删去：模型可能说出背下来的内容"), {"found": counts[kind]},
            {"drop": [f"personal.{kind}"]})
    if not counts:
        yield Finding("personal.none", "good", t("none of the kinds with a known form was found",
                                                 "未发现有固定格式的个人信息"), 0, seen.total, threshold)


def _named(kind: str) -> str:
    return {
        "cn_id": t("a Chinese identity card number", "居民身份证号"), "iban": t("an IBAN", "国际银行账号"),
        "bank_card": t("a bank card number", "银行卡号"), "cn_mobile": t("a Chinese mobile number", "手机号"),
        "ssn": t("a US social security number", "美国社会安全号"), "phone": t("a phone number", "电话号码"),
        "email": t("an e-mail address", "电子邮箱"), "passport": t("a passport number", "护照号"),
        "plate": t("a Chinese number plate", "车牌号")}[kind]
