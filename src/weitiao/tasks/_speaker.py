"""Between conversations and token ids: what is learnt of a row, what is cut of it, and answers back to texts.

>>> speaker = meet("decoder", tokenizer)
>>> row = speaker.encode([Chat((Message("user", "Hi"), Message("assistant", "Hello.")))], 512)[0]
>>> row.windows, row.target                # the target repeats the ids that are learnt; -100 stands for the others
(((1, 9, 4, 22, 8, 30, 2),), (-100, -100, -100, -100, 8, 30, 2))
>>> speaker.texts([[8, 30, 2]])
[Text(text='Hello.', stopped=True)]

A decoder reads prompt and answer in one row; an encoder-decoder reads the prompt, and its answer is the target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from weitiao.core.errors import DataError, ModelError, RecipeError
from weitiao.core.i18n import t
from weitiao.models.control import Control
from weitiao.models.spec import virtual_ids
from weitiao.tasks import Batch, Encoded, _render
from weitiao.tasks._render import Chat, Message, Piece, Renderer

if TYPE_CHECKING:
    from weitiao.models.build import Model

IGNORED = -100
TooLong = Literal["truncate", "drop", "stop"]
_ANSWERS_AT_ONCE = 64


class Text(NamedTuple):
    """An answer, and whether it was ended by the stop token (if not, it was cut at max_new_tokens)."""

    text: str
    stopped: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """A tokenizer and a template met with a kind of base: all that lies between texts and token ids.

    Args:
        kind: decoder or encoder-decoder.
        tokenizer: transformers' own.
        renderer: the template; of an encoder-decoder it is not used.
        lead: ids that begin every row of a decoder (a learnt prompt, BOS), where the tokenizer puts such.
        stop: id of the token that ends an answer.
        control: the tokens that a template writes and a user cannot.
    """

    kind: str
    tokenizer: Any
    renderer: Renderer
    lead: tuple[int, ...]
    stop: int
    control: Control

    @property
    def own(self) -> bool:
        """Is it the model's own chat template?"""
        return isinstance(self.renderer, _render.Own)

    # -- to ids ----------------------------------------------------------------------------------------------------

    def encode(self, chats: Sequence[Chat], max_length: int, too_long: TooLong = "truncate") -> list[Encoded]:
        """Token ids of conversations; those that ask for an answer get no target.

        A row longer than `max_length` loses the beginning of its prompt ("truncate"), is `left_out` ("drop"), or
        raises ("stop"). What is learnt is never cut: a row whose answer alone does not fit is left out.

        Raises DataError `data.too_long` with "stop", and what `check` raises.
        """
        if max_length < 8:
            raise RecipeError("recipe.bad_value", t("model.max_length = {n} leaves no room for text",
                                                    "model.max_length = {n} 容不下任何文本", n=max_length),
                              expected=t("at least 8", "至少 8"))
        make = self._decoder if self.kind == "decoder" else self._both
        rows = make(chats, max_length)
        if too_long == "stop" and (cut := [c.source for c, r in zip(chats, rows, strict=True)
                                           if r.target is not None and (r.tokens_lost or r.left_out)]):
            raise DataError("data.too_long", t("{n} rows are longer than {m} tokens", "{n} 行超过 {m} 个词元",
                                               n=len(cut), m=max_length), where=_some(cut),
                            fix=t("raise model.max_length, or set task.too_long=truncate or drop",
                                  "请增大 model.max_length，或设 task.too_long=truncate 或 drop"))
        if too_long == "drop":
            rows = [r._replace(left_out=True) if r.target is not None and r.tokens_lost else r for r in rows]
        self.check(rows, chats)
        return rows

    def _decoder(self, chats: Sequence[Chat], max_length: int) -> list[Encoded]:
        rows = self._rows(chats, max_length)
        long = [i for i, row in enumerate(rows) if row.tokens_lost and chats[i].keeps_start and not row.left_out]
        again = self._rows([self._shortened(chats[i], rows[i].tokens_lost) for i in long], max_length)
        for i, row in zip(long, again, strict=True):
            rows[i] = row._replace(tokens_lost=rows[i].tokens_lost)
        return rows

    def _shortened(self, chat: Chat, lost: int) -> Chat:
        """The longest message without its last tokens."""
        prompt = chat.messages if chat.asks else chat.messages[:-1]
        at = max(range(len(prompt)), key=lambda i: len(prompt[i].content))
        ends = [end for _, end in self.tokenizer(prompt[at].content, add_special_tokens=False, verbose=False,
                                                 return_offsets_mapping=True)["offset_mapping"]]
        kept = ends[-lost - 2] if len(ends) > lost + 1 else 0  # one more: the cut may part what was one token
        short = prompt[at]._replace(content=prompt[at].content[:kept].rstrip())
        return replace(chat, messages=(*chat.messages[:at], short, *chat.messages[at + 1 :]))

    def _rows(self, chats: Sequence[Chat], max_length: int) -> list[Encoded]:
        pieces = self.renderer.pieces([self._hidden(chat) for chat in chats])
        ids = iter(self._ids([(p.text, n > 0) for row in pieces for n, p in enumerate(row)]))
        return [self._row([(p, next(ids)) for p in row], chat, max_length)
                for row, chat in zip(pieces, chats, strict=True)]

    def _hidden(self, chat: Chat) -> Chat:
        """With marks where a message holds what reads like a control token."""
        if not any(self.control.found(m.content) for m in chat.messages):
            return chat
        return replace(chat, messages=tuple(m._replace(content=self.control.hidden(m.content)) for m in chat.messages))

    def _row(self, parts: Sequence[tuple[Piece, tuple[int, ...]]], chat: Chat, max_length: int) -> Encoded:
        lead = self._lead(parts[0][1])
        size = len(lead) + sum(len(ids) for _, ids in parts)
        lost = max(0, size - max_length)
        row, target, told = list(lead), [IGNORED] * len(lead), 0
        for piece, ids in parts:
            # A turn that the cut has hurt is no longer learnt: the model would be taught half a sentence.
            learns = piece.learnt and (len(row) >= len(lead) + lost or piece is parts[-1][0])
            row += ids
            target += ids if learns else [IGNORED] * len(ids)
            told += len(chat.messages[piece.message].content.encode()) if learns else 0
        del row[len(lead) : len(lead) + lost], target[len(lead) : len(lead) + lost]
        if not parts[-1][0].learnt:
            return Encoded((tuple(row),), (), None, lost)
        out = len(lead) + len(parts[-1][1]) + 1 > max_length
        return Encoded((tuple(row),), (), tuple(target), lost, told, out)

    def _lead(self, first: Sequence[int]) -> tuple[int, ...]:
        """What the tokenizer writes first, less what of it the template has written already: BOS, mostly."""
        n = len(self.lead)
        return next(self.lead[:k] for k in range(n + 1) if tuple(first[: n - k]) == self.lead[k:])

    def _both(self, chats: Sequence[Chat], max_length: int) -> list[Encoded]:
        asked = [chat.asks for chat in chats]
        sources = [source(chat.messages if ask else chat.messages[:-1])
                   for chat, ask in zip(chats, asked, strict=True)]
        read = self.tokenizer(sources, truncation=False, verbose=False)["input_ids"] if sources else []
        answers = [chat.messages[-1].content for chat, ask in zip(chats, asked, strict=True) if not ask]
        written = self.tokenizer(text_target=answers, verbose=False)["input_ids"] if answers else []
        virtual = virtual_ids(self.tokenizer)  # a prompt stands before what is read, not before what is said
        said = iter([[x for x in ids if x not in virtual] for ids in written])
        rows = []
        for chat, ask, ids in zip(chats, asked, read, strict=True):
            # The end of the text goes, the special tokens behind it stay.
            tail = self._tail(ids) if len(ids) > max_length else 0
            lost = max(0, len(ids) - max_length)
            ids = ids[: max_length - tail] + ids[len(ids) - tail :] if lost else ids
            target = None if ask else tuple(next(said))
            told = 0 if ask else len(chat.messages[-1].content.encode())
            rows.append(Encoded((tuple(ids),), (), target if target is None else target[:max_length], lost, told,
                                target is not None and len(target) > max_length))
        return rows

    def _tail(self, ids: Sequence[int]) -> int:
        special = set(self.tokenizer.all_special_ids)
        return next((n for n, x in enumerate(reversed(ids)) if x not in special), 0)

    def _ids(self, texts: Sequence[tuple[str, bool]]) -> list[tuple[int, ...]]:
        """Ids of (text, does it follow another one), of which some may hold marks of a user's control tokens."""
        apart = {i: self.control.parts(text) for i, (text, _) in enumerate(texts) if self.control.holds_marks(text)}
        found = self._plain([("", False) if i in apart else x for i, x in enumerate(texts)], control=True)
        for i, parts in apart.items():
            runs = self._plain([(text, texts[i][1] or n > 0) for n, (text, _) in enumerate(parts)], control=False)
            found[i] = tuple(x for (text, own), ids in zip(parts, runs, strict=True)
                             for x in ((self.tokenizer.convert_tokens_to_ids(text),) if own else ids))
        return found

    def _plain(self, texts: Sequence[tuple[str, bool]], *, control: bool) -> list[tuple[int, ...]]:
        """Some tokenizers put a space before whatever they are given: a text that follows another one is then shown
        after a line break, whose ids are taken off again.

        Args:
            control: what reads like a control token is one.
        """
        def ids(some: list[str]) -> list[tuple[int, ...]]:
            return [tuple(x) for x in self.tokenizer(some, add_special_tokens=False, verbose=False,
                                                     split_special_tokens=not control)["input_ids"]]

        if not texts:
            return []
        found = ids([text for text, _ in texts])
        single, line, after = ids(["a", "\n", "\na"])
        if after != line + single:
            glued = ids(["\n" + text for text, _ in texts])
            found = [g[len(line):] if follows and g[: len(line)] == line else own
                     for own, g, (_, follows) in zip(found, glued, texts, strict=True)]
        return found

    def check(self, rows: Sequence[Encoded], chats: Sequence[Chat]) -> None:
        """The gate before anything is learnt. Raises DataError with the rows' places: `data.nothing_learnt`,
        `data.no_stop_token`, `data.doubled_bos`."""
        special = set(self.tokenizer.all_special_ids)
        wrong: dict[str, list[str]] = {"data.nothing_learnt": [], "data.no_stop_token": [], "data.doubled_bos": []}
        for row, chat in zip(rows, chats, strict=True):
            ids = row.windows[0]
            bos = self.tokenizer.bos_token_id
            if bos is not None and (bos, bos) in pairwise(ids[: max(2, len(self.lead) + 1)]):
                wrong["data.doubled_bos"].append(chat.source)
            if row.target is None or row.left_out:
                continue
            learnt = [x for x in row.target if x != IGNORED]
            if special.issuperset(learnt):
                wrong["data.nothing_learnt"].append(chat.source)
            elif self.stop not in learnt[-2:]:  # behind the stop token some tokenizers put a language
                wrong["data.no_stop_token"].append(chat.source)
        n = {code: len(places) for code, places in wrong.items()}
        what = {"data.nothing_learnt": t("{n} rows hold nothing to learn", "{n} 行没有可学习的内容",
                                         n=n["data.nothing_learnt"]),
                "data.no_stop_token": t("{n} answers do not end with the stop token", "{n} 个回答末尾没有结束词元",
                                        n=n["data.no_stop_token"]),
                "data.doubled_bos": t("{n} rows begin with two BOS tokens", "{n} 行开头有两个 BOS 词元",
                                      n=n["data.doubled_bos"])}
        for code, places in wrong.items():
            if places:
                raise DataError(code, what[code], where=_some(places),
                                fix=t("look at them with: weitiao show data --mask", "查看：weitiao show data --mask"))

    # -- to texts --------------------------------------------------------------------------------------------------

    def answer(self, model: Model, batch: Batch, seed: int = 0) -> list[Text]:
        """The model's answers to a batch of prompts, as its generation settings say."""
        inputs = {k: v for k, v in batch.items() if k in ("input_ids", "attention_mask")}
        said: list[list[int]] = []
        for start in range(0, len(inputs["input_ids"]), _ANSWERS_AT_ONCE):
            said += _generate(model, {k: v[start : start + _ANSWERS_AT_ONCE] for k, v in inputs.items()}, seed)
        return self.texts(said)

    def texts(self, said: Sequence[Sequence[int]]) -> list[Text]:
        """Answers as ids, the stop token the last one where it was said, as texts without white space around them."""
        texts = self.tokenizer.batch_decode([list(ids) for ids in said], skip_special_tokens=True)
        return [Text(text.strip(), bool(ids) and ids[-1] == self.stop)
                for text, ids in zip(texts, said, strict=True)]


def _generate(model: Any, inputs: Mapping[str, Any], seed: int) -> list[list[int]]:
    import torch

    from weitiao.core.seeds import key

    # Draws depend on what was asked and on the seed, never on what was asked before.
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(key(seed, "generate", str(inputs["input_ids"].tolist())))
        said: list[list[int]] = model.generate(inputs)
    return said


def meet(kind: str, tokenizer: Any, template: Literal["auto", "plain"] = "auto") -> Speaker:
    """A base's tokenizer and template. `auto`: the model's own chat template where it has one.

    Raises ModelError: `model.says_nothing` for an encoder, `model.no_stop_token`, `model.template_refused`.
    """
    if kind not in ("decoder", "encoder-decoder"):
        raise ModelError("model.says_nothing", t("an encoder writes no text", "编码器不能生成文本"), where="model.name",
                         expected=t("a decoder or an encoder-decoder", "解码器或编码器-解码器"),
                         fix=t("e.g. --model smollm2-135m (English), --model gemma3-270m (Chinese; its terms apply)",
                               "例如 --model smollm2-135m（英文）、--model gemma3-270m（中文，须遵守其条款）"))
    own = kind == "decoder" and template == "auto" and tokenizer.chat_template
    renderer: Renderer = _render.own(tokenizer) if own else _render.plain(tokenizer)
    stop = tokenizer.convert_tokens_to_ids(renderer.stop)
    whole = tokenizer("a")["input_ids"]
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    at = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), 0)
    return Speaker(kind, tokenizer, renderer, tuple(whole[:at]) if kind == "decoder" else (), stop,
                   Control.of(tokenizer))


def source(messages: Sequence[Message]) -> str:
    """What an encoder reads: the one message, or the turns with their roles.

    >>> source((Message("user", "Hi"),)), source((Message("user", "Hi"), Message("assistant", "Yes?")))
    ('Hi', 'User: Hi\\nAssistant: Yes?')
    """
    if len(messages) == 1:
        return messages[0].content
    return "\n".join(m.content if m.role == "system" else f"{m.role.capitalize()}: {m.content}" for m in messages)


GOLDEN: tuple[Chat, ...] = (
    Chat((Message("user", "Is 1+1=2? 一加一等于二吗？"), Message("assistant", "Yes, 是的。"))),
    Chat((Message("user", " Hi\n"), Message("assistant", "Hello!"), Message("user", "café 😀"),
          Message("assistant", "OK\nbye"))),
)
"""Conversations whose ids are kept with a model: another tokenizer or template would not give the same."""


def golden(speaker: Speaker) -> list[list[Any]]:
    """Ids and targets of GOLDEN, as JSON."""
    rows = speaker.encode(GOLDEN, 512)
    return [[list(r.windows[0]), list(r.target)] for r in rows]


def check_golden(speaker: Speaker, kept: Sequence[Any]) -> None:
    """Raises ModelError `model.other_tokens` where the tokenizer or template is not the one that was tuned with."""
    if golden(speaker) != [list(x) for x in kept]:
        raise ModelError("model.other_tokens",
                         t("the tokenizer or the chat template is not the one with which this model was tuned",
                           "分词器或对话模板与微调时不一致"), where="tokenizer",
                         fix=t("copy the model folder again, with its tokenizer files",
                               "请重新复制模型目录（含分词器文件）"))


def _some(places: Sequence[str]) -> str:
    return ", ".join(places[:8]) + (" …" if len(places) > 8 else "")
