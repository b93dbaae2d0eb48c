"""What the base model's tokenizer makes of a sample: how many tokens, what is cut off, what its vocabulary lacks.

>>> [f.code for f in Tokens(seen, options).findings()]
['shape.tokens', 'shape.truncated', 'shape.unknown']
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from weitiao.core import scripts
from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.doctor import Finding, Reader, Seen, Spot, excerpt, judge, percent, share
from weitiao.doctor.sections._sizes import quantiles
from weitiao.example import Example
from weitiao.tasks import Encoded

_PIECE = 512  # rows tokenised at a time
_FEW = 20  # rows of a class or language below which its rate says nothing
_LISTED = 5


class Tokens:
    """Tokenises as tuning does.

    Args:
        reader: the tokenizer.
        sample: rows looked at, at most.
        lost_look, lost_stop: shares of all tokens that truncation may cut.
        unknown_look, unknown_stop: shares of all tokens that the vocabulary may lack.
    """

    def __init__(self, seen: Seen, reader: Reader, *, sample: int, lost_look: float, lost_stop: float,
                 unknown_look: float, unknown_stop: float) -> None:
        self._seen, self._reader = seen, reader
        self._lost, self._unknown = (lost_look, lost_stop), (unknown_look, unknown_stop)
        self._rows = [example for _, example in seen.sample(sample)]
        self._lengths = array("I")
        self._cut, self._empty, self._holes = (seen.spots(f"shape.{x}") for x in ("truncated", "no_tokens", "unknown"))
        self._left_out = 0
        self._lost_tokens = self._unknown_tokens = 0
        self._by_group: dict[str, Counter[str]] = {}  # class or language → rows, tokens, unknown

    def findings(self) -> Iterator[Finding]:
        for start in range(0, len(self._rows), _PIECE):
            piece = self._rows[start : start + _PIECE]
            for example, encoded in zip(piece, self._encode(piece), strict=True):
                if encoded is not None:
                    self._count(example, encoded)
        yield self._sizes()
        yield self._truncated()
        if self._reader.tokenizer.unk_token_id is not None:
            yield self._lacking()
        if self._empty.count:
            yield Finding("shape.no_tokens", "look", t(
                "{s} rows become no token at all", "{s}行得不到任何词元", s=share(self._empty.count, len(self._rows))),
                self._empty.count, len(self._rows), t("look: any", "注意：只要出现"), self._empty.shown,
                t("drop them: weitiao tune stops at such a row", "请删去：weitiao tune 会因此停止"),
                fix={"drop": ["shape.no_tokens"]})

    def _encode(self, examples: Sequence[Example]) -> list[Encoded | None]:
        """None for a row that the tokenizer makes nothing of."""
        tokenizer, longest = self._reader.tokenizer, self._reader.max_length
        # What is learnt counts where it is text; labels that this sample's fit has not met would be refused.
        rows = examples if self._seen.writes else [replace(e, target=None) for e in examples]
        try:
            return list(self._seen.task.encode(rows, tokenizer, longest))
        except RowError as e:
            if len(rows) == 1:
                self._empty.add(Spot(examples[0].source, e.field, "", e.reason))
                return [None]
        return [one for example in examples for one in self._encode([example])]

    def _count(self, example: Example, encoded: Encoded) -> None:
        lacking = self._reader.tokenizer.unk_token_id
        ids = [i for window in encoded.windows for i in window]
        holes = 0 if lacking is None else ids.count(lacking)
        self._lengths.append(len(ids) + encoded.tokens_lost)
        self._lost_tokens += encoded.tokens_lost
        self._unknown_tokens += holes
        self._left_out += encoded.left_out
        role, text = next(self._seen.texts(example))
        if encoded.tokens_lost or encoded.left_out:
            note = t("left out", "不参与训练") if encoded.left_out else t(
                "{n:,} of {m:,} tokens are cut off", "{m:,} 个词元中截去 {n:,} 个", n=encoded.tokens_lost,
                m=self._lengths[-1])
            self._cut.add(Spot(example.source, self._seen.column(role), excerpt(text), note))
        if holes:
            self._holes.add(Spot(example.source, self._seen.column(role), excerpt(text),
                                 t("{n} of {m} tokens", "{m} 个词元中 {n} 个", n=holes, m=len(ids))))
        for group in self._groups(example, text):
            self._by_group.setdefault(group, Counter()).update(rows=1, tokens=len(ids), unknown=holes)

    def _groups(self, example: Example, text: str) -> Iterator[str]:
        if self._seen.labelled and example.target is not None:
            yield from (t("label {x}", "标签 {x}", x=name) for name in self._seen.task.tally([example.target]))
        if language := scripts.language(text):
            yield t("language {x}", "语言 {x}", x=language)

    # -- findings ----------------------------------------------------------------------------------------------

    def _sizes(self) -> Finding:
        facts = quantiles(Counter(self._lengths or [0]))
        return Finding("shape.tokens", "good", t(
            "{a:,} to {z:,} tokens of {b}, half of the rows up to {m:,}, 95 % up to {p:,}{s}",
            "{b} 的词元：{a:,} 至 {z:,} 个，半数行不超过 {m:,}，95 % 不超过 {p:,}{s}", a=facts["min"], z=facts["max"],
            m=facts["median"], p=facts["p95"], b=self._reader.base.name, s=self._of_sample()),
            len(self._lengths), self._seen.total, facts={"base": self._reader.base.name, **facts})

    def _of_sample(self) -> str:
        if len(self._rows) == self._seen.total:
            return ""
        return t(" (of {n:,} rows drawn)", "（随机抽取 {n:,} 行）", n=len(self._rows))

    def _truncated(self) -> Finding:
        tokens, lost = sum(self._lengths), self._lost_tokens
        part = lost / tokens if tokens else 0.0
        verdict = "look" if self._left_out and part <= self._lost[1] else judge(part, *self._lost)
        said = t("{r} rows are longer than {n} tokens; {p} of all tokens are cut off",
                 "{r}行超过 {n} 个词元；全部词元的 {p} 被截去", r=share(self._cut.count, len(self._rows)),
                 n=self._reader.max_length, p=percent(part))
        if self._left_out:
            said += t("; {k:,} rows are left out", "；{k:,} 行不参与训练", k=self._left_out)
        return Finding("shape.truncated", verdict, said + self._of_sample(), self._cut.count, len(self._rows),
                       t("look: more than {a} of the tokens, or a row left out; stop: more than {b} of the tokens",
                         "注意：超过 {a} 的词元，或有行被舍弃；停止：超过 {b} 的词元", a=percent(self._lost[0]),
                         b=percent(self._lost[1])), self._cut.shown,
                       "" if verdict == "good" else t(
                           "--set model.long_texts=windows, a larger model.max_length, or shorter texts",
                           "--set model.long_texts=windows、加大 model.max_length，或缩短文本"),
                       {"tokens": tokens, "lost": lost, "left_out": self._left_out})

    def _lacking(self) -> Finding:
        read = sum(self._lengths) - self._lost_tokens
        part = self._unknown_tokens / read if read else 0.0
        rates = {name: n["unknown"] / n["tokens"] for name, n in self._by_group.items()
                 if n["rows"] >= _FEW and n["unknown"]}
        worst = sorted(rates, key=lambda name: (-rates[name], name))
        top = max(rates.values(), default=0.0)
        verdict = "stop" if part > self._unknown[1] else judge(max(part, top / 5), self._unknown[0])
        said = t("{p} of the tokens are unknown to the vocabulary of {b}", "词元中有 {p} 不在 {b} 的词表中",
                 p=percent(part), b=self._reader.base.name)
        if listed := ", ".join(f"{name} {percent(rates[name])}" for name in worst[:_LISTED]):
            said += t("; most in: {l}", "；最多的是：{l}", l=listed)
        return Finding("shape.unknown", verdict, said + self._of_sample(), self._unknown_tokens, read,
                       t("look: more than {a}, or {c} in a label or a language; stop: more than {b}",
                         "注意：超过 {a}，或某个标签或语言超过 {c}；停止：超过 {b}", a=percent(self._unknown[0]),
                         c=percent(5 * self._unknown[0]), b=percent(self._unknown[1])), self._holes.shown,
                       t("choose a base model that knows these characters: --model e5-small",
                         "请换用认识这些字符的基座模型：--model e5-small") if verdict != "good" else "",
                       {"base": self._reader.base.name, "rates": {name: rates[name] for name in worst}})
