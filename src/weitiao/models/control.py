"""A model's control tokens (`</s>`, `[MASK]`, `<|im_end|>`): text where a user wrote them; only templates write them.

>>> as_text(tokenizer)
>>> tokenizer("a [SEP] b")["input_ids"]          # the pieces "[", "SEP", "]": nothing that ends a text
>>> Control.of(tokenizer).found("a [SEP] b")
True

What a tokenizer marks as special is meant; tokens that are merely added to a vocabulary (runs of line breaks, marks of
reasoning) stay what they are. Texts without a control token have the ids that plain transformers gives. That a prompt
can inject such tokens is described in transformers' documentation of `split_special_tokens` and
`sanitize_control_tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"  # noncharacters: Unicode keeps them free for such inner use
_HIDDEN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")


def as_text(tokenizer: Any) -> None:
    """Let a tokenizer read control tokens in a text as text; `split_special_tokens=False` in a call turns that off.

    It is changed in place; a second time changes nothing, and a copy that plain transformers loads still reads them as
    tokens. In a unigram vocabulary they are ordinary pieces, too, and likelier than any spelling: there a cut behind
    their first character is added to the tokenizer's own cuts, which no other text meets.
    """
    tokenizer.split_special_tokens = True
    if not tokenizer.is_fast:
        return
    names = [x for x in _special(tokenizer) if len(x) > 1]
    found = tokenizer(names, add_special_tokens=False, verbose=False)["input_ids"] if names else []
    numbers = tokenizer.convert_tokens_to_ids(names)
    pieces = [x for x, own, ids in zip(names, numbers, found, strict=True) if own in ids]
    if pieces and type(tokenizer.backend_tokenizer.model).__name__ == "Unigram":
        _cut_behind_first(tokenizer.backend_tokenizer, pieces)


def _cut_behind_first(backend: Any, pieces: list[str]) -> None:
    from tokenizers import Regex, pre_tokenizers

    pattern = "|".join(f"{re.escape(x[0])}(?={re.escape(x[1:])})" for x in pieces)
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    own = backend.pre_tokenizer
    backend.pre_tokenizer = split if own is None else pre_tokenizers.Sequence([own, split])


def _special(tokenizer: Any) -> list[str]:
    marked = [str(x) for x in tokenizer.added_tokens_decoder.values() if x.special]
    return list(dict.fromkeys([*marked, *tokenizer.all_special_tokens]))


@dataclass(frozen=True, slots=True)
class Control:
    """Finds control tokens in texts, and keeps those of a user apart from those of a template.

    Args:
        names: the tokens as they are written.
        trimmed: of these, whether white space before and after one belongs to it.
    """

    names: tuple[str, ...]
    trimmed: dict[str, tuple[bool, bool]] = field(default_factory=dict)

    @classmethod
    def of(cls, tokenizer: Any) -> Control:
        """Those of a tokenizer."""
        added = {str(x): (x.lstrip, x.rstrip) for x in tokenizer.added_tokens_decoder.values()}
        return cls(tuple(_special(tokenizer)), {x: both for x, both in added.items() if any(both)})

    def found(self, text: str) -> bool:
        """Does the text hold one?"""
        return next(self._places(text), None) is not None

    def hidden(self, text: str) -> str:
        """The text with marks instead of its control tokens; `parts` puts them back."""
        out, done = [], 0
        for at, name in self._places(text):
            out += [text[done:at], f"{_OPEN}{self.names.index(name)}{_CLOSE}"]
            done = at + len(name)
        return "".join(out) + text[done:]

    def holds_marks(self, text: str) -> bool:
        """Are there marks in the text?"""
        return _HIDDEN.search(text) is not None

    def parts(self, text: str) -> list[tuple[str, bool]]:
        """What a template made of a text with marks: runs of text, the marks put back, and its own control tokens
        (True) between them."""
        out: list[tuple[str, bool]] = []
        done, trim = 0, False
        for at, name in (*self._places(text), (len(text), "")):
            before, after = self.trimmed.get(name, (False, False))
            run = text[done:at].lstrip() if trim else text[done:at]
            out += [(self._restored(run.rstrip() if before else run), False), (name, True)]
            done, trim = at + len(name), after
        return [(run, control) for run, control in out if run]

    def _restored(self, text: str) -> str:
        return _HIDDEN.sub(lambda m: self.names[int(m[1])] if int(m[1]) < len(self.names) else m[0], text)

    def _places(self, text: str) -> Iterator[tuple[int, str]]:
        """Where control tokens stand, from left to right, of several at one place the longest."""
        if not self.names:
            return
        names, sizes, first = _index(self.names)
        done = 0
        for at in (m.start() for m in first.finditer(text)):
            if at >= done and (name := next((text[at : at + n] for n in sizes if text[at : at + n] in names), "")):
                yield at, name
                done = at + len(name)


@cache
def _index(names: tuple[str, ...]) -> tuple[frozenset[str], list[int], re.Pattern[str]]:
    """The names, their sizes from the longest, and the characters with which they begin."""
    first = "".join(sorted({x[0] for x in names}))
    return frozenset(names), sorted({len(x) for x in names}, reverse=True), re.compile(f"[{re.escape(first)}]")
