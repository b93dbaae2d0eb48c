"""Documents as blocks of token ids that together hold every token, each with the bytes of text that it stands for.

>>> cut(tokenizer, ["一段很长的文字……"], length=512, ends=frame(tokenizer, "encoder"))[0]
Blocks(ids=((101, 671, …, 102), …), bytes=((-1, 3, …, -1), …))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from weitiao.core.errors import ModelError, RecipeError
from weitiao.core.i18n import t
from weitiao.tasks import _wholewords

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTEXT, END = -1, -2
_AT_ONCE = 64  # documents tokenised together: offsets take a hundred bytes a token
_MOST_UNKNOWN = 0.3


class Frame(NamedTuple):
    """What stands around each block: special tokens before and after it; `shared` tokens of the block before are
    repeated at its beginning (a decoder foresees each token from the one before); `end` is the document's, once."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    shared: int
    end: tuple[int, ...] = ()


class Blocks(NamedTuple):
    """A document's blocks: token ids, and of each token how many bytes (UTF-8) it adds to what stands before it;
    CONTEXT for what surrounds a block and is not learnt, END for a document's end, which is learnt but no text."""

    ids: tuple[tuple[int, ...], ...]
    bytes: tuple[tuple[int, ...], ...]
    words: tuple[tuple[int, ...], ...] | None = None  # of each token, see `_wholewords`


def frame(tokenizer: Any, kind: str) -> Frame:
    """An encoder's blocks stand between the tokenizer's special tokens. A decoder's begin as the tokenizer begins a
    text, and a document ends as it ends one, or with its end token: else a model would forget where texts end.

    Raises ModelError `model.no_stop_token` for a decoder whose tokenizer has no such token."""
    inner = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    at = next((i for i in range(len(whole)) if whole[i : i + len(inner)] == inner), 0)
    before, after = tuple(whole[:at]), tuple(whole[at + len(inner):])
    return Frame(before, (), 1, after or _end(tokenizer)) if kind == "decoder" else Frame(before, after, 0)


def _end(tokenizer: Any) -> tuple[int, ...]:
    end = next((x for x in (tokenizer.eos_token_id, tokenizer.sep_token_id) if x is not None), None)
    if end is None:
        raise ModelError("model.no_stop_token", t("the tokenizer has no end token: the model could not learn where a "
                                                  "text ends", "分词器没有结束词元：模型学不会文本在哪里结束"),
                         where="model.name", fix=t("choose another decoder; see: weitiao models",
                                                   "请换一个解码器；见：weitiao models"))
    return (end,)


def cut(tokenizer: Any, texts: Sequence[str], length: int, ends: Frame, *, words: bool = False) -> list[Blocks]:
    """Every text in blocks of at most `length` tokens, with `words` also the word of each token. Nothing is cut off.

    Raises RecipeError where `length` leaves no room, ModelError `model.unknown_words` where the tokenizer does not know
    most of the texts.
    """
    room = length - len(ends.before) - len(ends.after)
    if room <= ends.shared + 1:
        raise RecipeError("recipe.bad_value", t("model.max_length = {n} leaves no room for text",
                                                "model.max_length = {n} 容不下任何文本", n=length),
                          expected=t("at least 16", "至少 16"))
    out: list[Blocks] = []
    unknown = tokens = 0
    for start in range(0, len(texts), _AT_ONCE):
        some = list(texts[start : start + _AT_ONCE])
        got = tokenizer(some, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False,
                        return_token_type_ids=False, verbose=False)
        for text, ids, offsets in zip(some, got["input_ids"], got["offset_mapping"], strict=True):
            sizes = np.append(_sizes(text, offsets), [END] * len(ends.end)).astype(np.int64)
            whole = _blocks([*ids, *ends.end], sizes.tolist(), room, ends)
            if words:
                found = _blocks(ids, _wholewords.numbers(text, offsets), room, ends)
                whole = whole._replace(words=found.bytes)
            out.append(whole)
            tokens += len(ids)
            unknown += ids.count(tokenizer.unk_token_id)
    if unknown > _MOST_UNKNOWN * max(1, tokens):
        raise ModelError("model.unknown_words", t("the vocabulary does not know {p:.0%} of these texts' tokens",
                                                  "词表不认识这些文本中 {p:.0%} 的词元", p=unknown / tokens),
                         where="model.name", expected=f"<= {_MOST_UNKNOWN:.0%}",
                         fix=t("choose a base for this language; see: weitiao models",
                               "请选择支持该语言的基座；见：weitiao models"))
    return out


def _sizes(text: str, offsets: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Bytes from the end of the token before to the end of each token; what follows the last belongs to it."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    upto = np.concatenate([[0], np.cumsum(1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF).astype(np.int64))])
    ends = np.maximum.accumulate(np.array([e for _, e in offsets], np.int64)) if offsets else np.zeros(0, np.int64)
    if len(ends):
        ends[-1] = len(codes)
    sizes: NDArray[np.int64] = np.diff(upto[ends], prepend=0).astype(np.int64)
    return sizes


def _blocks(ids: Sequence[int], sizes: Sequence[int], room: int, ends: Frame) -> Blocks:
    made: list[tuple[int, ...]] = []
    bytes_: list[tuple[int, ...]] = []
    start, repeated = 0, 0
    while start < len(ids) or not made:
        stop = min(len(ids), start + room - repeated)
        made.append((*ends.before, *ids[start - repeated : stop], *ends.after))
        bytes_.append((*[CONTEXT] * (len(ends.before) + repeated), *sizes[start:stop],
                       *[CONTEXT] * len(ends.after)))
        start, repeated = stop, ends.shared
    return Blocks(tuple(made), tuple(bytes_))
