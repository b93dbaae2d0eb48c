"""From messages to pieces of text, each knowing which message it comes from and whether it is learnt.

>>> plain("</s>").pieces([Chat((Message("user", "Hi"), Message("assistant", "Hello.")))])[0]
(Piece('User:\nHi\n\nAssistant:\n', 0, False), Piece('Hello.</s>', 1, True))

One renderer serves tuning, evaluation and prediction. A model's own chat template is used where it has one
(`_sandbox`); a base without one gets ours, which is

    <system text>↵↵User:↵<text>↵↵Assistant:↵<answer><stop token>↵↵User:↵…

What is learnt is each answer with the token that ends it. It begins where a prompt ends and is tokenised by itself, so
that no token ever straddles the border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from weitiao.core.errors import DataError, ModelError
from weitiao.core.i18n import t
from weitiao.tasks import _sandbox

ROLES = ("system", "user", "assistant", "tool")
_HEADS = {"user": "User:\n", "assistant": "Assistant:\n", "tool": "Tool:\n"}


class Message(NamedTuple):
    """One turn: who says it, one of ROLES, and what."""

    role: str
    content: str


class Piece(NamedTuple):
    """A run of text, the number of the (last) message it comes from, and whether the model learns to say it."""

    text: str
    message: int
    learnt: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation. Where its last message is the assistant's, that is the answer; else an answer is asked for.

    Args:
        messages: in order.
        every: learn every turn of the assistant, not only the last one.
        source: `file:line`, for errors.
        keeps_start: where it is too long, its longest message loses its end; else the whole loses its beginning.
    """

    messages: tuple[Message, ...]
    every: bool = True
    source: str = ""
    keeps_start: bool = False

    @property
    def asks(self) -> bool:
        """Is an answer asked for?"""
        return not self.messages or self.messages[-1].role != "assistant"

    @property
    def turns(self) -> list[int]:
        """Numbers of the messages that are learnt."""
        said = [i for i, m in enumerate(self.messages) if m.role == "assistant"]
        return said if self.every or not said or said[-1] < len(self.messages) - 1 else said[-1:]


class Renderer(Protocol):
    """How conversations become text."""

    @property
    def stop(self) -> str:
        """The text of the token that ends an answer."""

    def pieces(self, chats: Sequence[Chat]) -> list[tuple[Piece, ...]]:
        """The pieces of each conversation, unlearnt and learnt in turn. A conversation that asks for an answer ends
        where the answer would begin, and nothing of it is learnt."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Our own template."""

    stop: str

    def pieces(self, chats: Sequence[Chat]) -> list[tuple[Piece, ...]]:
        return [self._pieces(chat) for chat in chats]

    def _pieces(self, chat: Chat) -> tuple[Piece, ...]:
        learnt = set() if chat.asks else set(chat.turns)
        out: list[Piece] = []
        waiting = ""
        for i, (role, content) in enumerate(chat.messages):
            waiting += _HEADS.get(role, "")
            if i in learnt:
                out += [Piece(waiting, i - 1, False), Piece(content + self.stop, i, True)]
                waiting = "\n\n"
            else:
                waiting += content + (self.stop if role == "assistant" else "") + "\n\n"
        if chat.asks:
            out.append(Piece(waiting + _HEADS["assistant"], len(chat.messages) - 1, False))
        return tuple(out)


@dataclass(frozen=True, slots=True)
class Own:
    """A model's own template."""

    template: str
    tokens: dict[str, str]
    stop: str

    def pieces(self, chats: Sequence[Chat]) -> list[tuple[Piece, ...]]:
        """Raises ModelError `model.template_refused`, DataError `data.template_refuses` with the rows that the template
        does not take, or of which a later turn changes how an earlier one is shown: what is learnt would not follow
        what is asked."""
        wanted = [variables(messages, ask=ask) for chat in chats for messages, ask in _prefixes(chat)]
        texts = iter(_sandbox.try_each(self.template, wanted, self.tokens) if wanted else [])
        out: list[tuple[Piece, ...]] = []
        for chat in chats:
            found = [next(texts) for _ in _prefixes(chat)]
            if why := next((x["refused"] for x in found if "refused" in x), ""):
                raise _refused_row(chat, why)
            prompts = [x["text"] for x in found]
            out.append((Piece(prompts[0], len(chat.messages) - 1, False),) if chat.asks else
                       self._learnt(chat, list(zip(prompts[::2], prompts[1::2], strict=True))))
        return out

    def _learnt(self, chat: Chat, texts: Sequence[tuple[str, str]]) -> tuple[Piece, ...]:
        out: list[Piece] = []
        done = ""
        for i, (prompt, whole) in zip(chat.turns, texts, strict=True):
            begin = whole.find(chat.messages[i].content.strip(), len(prompt))
            end = whole.find(self.stop, begin + len(chat.messages[i].content.strip()))
            if not (prompt.startswith(done) and whole.startswith(prompt)) or begin < 0 or end < 0:
                raise _refused_row(chat, t("the prompt is not the beginning of prompt and answer",
                                           "提示并不是“提示+回答”的开头"))
            end += len(self.stop)
            out += [Piece(prompt[len(done):], i - 1, False), Piece(whole[len(prompt):end], i, True)]
            done = whole[:end]
        return tuple(out)


def _prefixes(chat: Chat) -> list[tuple[Sequence[Message], bool]]:
    """What the template is asked to show: each answer's prompt, and the prompt with the answer."""
    if chat.asks:
        return [(chat.messages, True)]
    return [x for i in chat.turns for x in ((chat.messages[:i], True), (chat.messages[: i + 1], False))]


def _refused_row(chat: Chat, why: str) -> DataError:
    return DataError("data.template_refuses", t("the model's chat template does not take this conversation: {e}",
                                                "模型的对话模板不接受这段对话：{e}", e=why),
                     where=chat.source or "messages",
                     fix=t("change or remove the row, or set task.template=plain",
                           "请修改或删除该行，或设 task.template=plain"))


def variables(messages: Sequence[Message], *, ask: bool) -> dict[str, Any]:
    """What a chat template is given; `ask`: end where the answer begins."""
    return {"messages": [{"role": m.role, "content": m.content} for m in messages], "add_generation_prompt": ask}


def plain(tokenizer: Any) -> Plain:
    """Our template, ended by the tokenizer's end token. Raises ModelError `model.no_stop_token`."""
    stop = tokenizer.eos_token or tokenizer.sep_token
    if not stop:
        raise _no_stop(t("the tokenizer has no end token", "分词器没有结束词元"))
    return Plain(stop)


def own(tokenizer: Any) -> Own:
    """The tokenizer's own template; the token that ends an answer is read off it. Raises ModelError
    `model.template_refused`, `model.no_stop_token`."""
    tokens = {k: str(v) for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)}
    ask = (Message("user", "a"), Message("assistant", "b"))
    prompt, whole = _sandbox.render(tokenizer.chat_template,
                                    [variables(ask[:1], ask=True), variables(ask, ask=False)], tokens)
    tail = whole[whole.find("b", len(prompt)) + 1 :] if whole.startswith(prompt) else ""
    special = {str(x) for x in tokenizer.added_tokens_decoder.values()} | set(tokenizer.all_special_tokens)
    found = [(at, -len(x), x) for x in special if (at := tail.find(x)) >= 0]
    if not found:
        raise _no_stop(t("its chat template ends an answer with no token of its own",
                         "对话模板没有用专门的词元结束回答"))
    return Own(tokenizer.chat_template, tokens, min(found)[2])


def _no_stop(what: str) -> ModelError:
    return ModelError("model.no_stop_token", t("{w}: the model could not learn to stop", "{w}：模型学不会停下", w=what),
                      where="model.name", fix=t("set task.template=plain, or choose another base model",
                                                "设 task.template=plain，或换一个基座模型"))
