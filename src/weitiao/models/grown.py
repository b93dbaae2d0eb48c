"""Words that a base's vocabulary lacks: new tokens, and a prompt of virtual ones before every input.

>>> tokenizer, growth = teach(tokenizer, ["metformin"], prompt=0, seed=1)
>>> grow(model, growth)              # rows of the word embeddings (and of an output layer) for them
>>> with moving(model) as rows:      # where the table is frozen, these rows alone learn
...     ...

A new token's row begins at the mean of the rows of the pieces that it was cut into before (Gee et al. 2022, "Fast
Vocabulary Transfer for Language Model Compression", arXiv:2402.09977): it says at once about what its pieces said, and
lies among the other rows, where the layers above have learnt to read. A drawn row does not, and as a word to be said
can take nearly all of the probability (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models",
nlp.stanford.edu/~johnhew/vocab-expansion.html).

A prompt (Lester et al. 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning", arXiv:2104.08691) is tokens of
its own, which the tokenizer writes before every text. So the saved folder needs nothing of ours, rows may be packed,
and what reads tokens sees no difference. No text holds them and none is ever said: `config.json` names the first of
them (`weitiao_prompt`), which ends what a language model may say, and `generation_config.json` suppresses them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from weitiao.core import seeds
from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.core.text import UNSPACED
from weitiao.models import _load, control
from weitiao.models.spec import PROMPT, VIRTUAL

if TYPE_CHECKING:
    from weitiao.models._parts import Model

_COMMON = 5000  # Lester et al. draw what a prompt begins at from the 5,000 commonest words
_UNSPACED = re.compile(f"[{UNSPACED}]")
_PROMPT = "<|prompt|>"  # the name of all virtual tokens together, in the tokenizer's template


@dataclass(frozen=True, slots=True)
class Growth:
    """Tokens that were added to a tokenizer.

    Args:
        first: id of the first one; the others follow.
        parts: for each, the ids of the tokens in whose mean its row begins.
        virtual: how many of them, the last ones, are a prompt.
    """

    first: int
    parts: tuple[tuple[int, ...], ...]
    virtual: int

    @property
    def ids(self) -> range:
        return range(self.first, self.first + len(self.parts))


# -- the tokenizer -------------------------------------------------------------------------------------------------

def teach(tokenizer: Any, tokens: Sequence[str], *, prompt: int, seed: int) -> tuple[Any, Growth]:
    """The tokenizer with `tokens` and a prompt of so many virtual tokens, and what a model needs to follow.

    Raises ModelError: `model.token_exists` for one that the tokenizer has, `model.token_not_found` for one that it
    never finds in a text, `model.fixed_vocabulary` where nothing can be added.
    """
    if not tokens and not prompt:
        return tokenizer, Growth(len(tokenizer), (), 0)
    if not tokenizer.is_fast:
        raise _fixed(t("its tokenizer is sentencepiece's own", "其分词器为 sentencepiece 自带"))
    parts = _add(tokenizer, tokens)
    first = tokenizer.convert_tokens_to_ids(tokens[0]) if tokens else len(tokenizer)
    if prompt:
        common = _commonest(tokenizer, set(tokens))
        parts += [(int(i),) for i in seeds.rng(seed, "prompt").choice(common, prompt, replace=prompt > len(common))]
        tokenizer = _prompted(tokenizer, [f"{VIRTUAL}{i}|>" for i in range(prompt)])
    if len(tokenizer) != first + len(parts):
        raise _fixed(t("its token numbers have gaps", "其词元编号不连续"))
    return tokenizer, Growth(first, tuple(parts), prompt)


def _commonest(tokenizer: Any, but: set[str]) -> list[int]:
    """Ids of the commonest words, in whose rows a prompt begins: vocabularies list the commoner ones first."""
    pieces = sorted((i, x) for x, i in tokenizer.get_vocab().items() if x not in but)
    return [i for i, x in pieces if x.lstrip("▁Ġ").isalpha()][:_COMMON]


def _add(tokenizer: Any, tokens: Sequence[str]) -> list[tuple[int, ...]]:
    """Add tokens; the pieces that each was cut into before."""
    from tokenizers import AddedToken

    known, unknown = tokenizer.get_vocab(), tokenizer.unk_token_id
    parts = [tuple(tokenizer(x, add_special_tokens=False)["input_ids"]) for x in tokens]
    for token, ids in zip(tokens, parts, strict=True):
        if token in known or (len(ids) == 1 and ids[0] != unknown):
            raise ModelError("model.token_exists", t("{x!r} is one token already", "{x!r} 已是一个词元", x=token),
                             where="model.new_tokens", expected=t("tokens that the tokenizer cuts into pieces",
                                                                  "会被分词器切开的词元"),
                             fix=t("leave it out", "请去掉它"))
    # A word must not be found inside others; in scripts without spaces nothing shows where one begins.
    tokenizer.add_tokens([AddedToken(x, single_word=x.isalnum() and not _UNSPACED.search(x)) for x in tokens])
    for token, ids in zip(tokens, parts, strict=True):
        got = tokenizer(f"{token} {token}", add_special_tokens=False)["input_ids"]
        if not ids or got.count(tokenizer.convert_tokens_to_ids(token)) != 2:
            raise ModelError("model.token_not_found",
                             t("the tokenizer would not find {x!r} in a text", "分词器在文本中找不到 {x!r}", x=token),
                             where="model.new_tokens", fix=t("leave it out", "请去掉它"))
    return parts


def _prompted(tokenizer: Any, names: Sequence[str]) -> Any:
    """The tokenizer that writes these tokens before whatever it is given. Raises ModelError `model.fixed_vocabulary`,
    `model.token_exists`."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    if "_switch_to_target_mode" in dir(type(tokenizer)):  # as transformers itself tells them
        raise _fixed(t("its tokenizer writes a language before or behind each text",
                       "其分词器会在文本前后写入语言标记"))
    if set(names) & set(tokenizer.get_vocab()):
        raise ModelError("model.token_exists", t("this base has a prompt already", "该基座已带有提示词元"),
                         where="model.name", fix=t("use method.name=lora, or the base from which it was tuned",
                                                   "请用 method.name=lora，或换成它微调之前的基座"))
    texts = (("a b",), ("a b", "c"))
    before = [tokenizer(*x) for x in texts]
    tokenizer.add_tokens(list(names), special_tokens=True)
    ids = tokenizer.convert_tokens_to_ids(list(names))
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["post_processor"] = _written_first(state["post_processor"], {"id": _PROMPT, "ids": ids, "tokens": names})
    # Of transformers' plain class: those of single families write their own template over what the file says.
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)), model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names, padding_side=tokenizer.padding_side,
        clean_up_tokenization_spaces=tokenizer.clean_up_tokenization_spaces, **tokenizer.special_tokens_map)
    made.chat_template = tokenizer.chat_template
    control.as_text(made)
    for text, old in zip(texts, before, strict=True):
        if made(*text)["input_ids"] != [*ids, *old["input_ids"]]:
            raise _fixed(t("its tokenizer writes what it likes before a text", "其分词器会改写文本开头"))
    return made


def _written_first(post: Mapping[str, Any] | None, prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer's own template with the prompt before it; in the form of tokenizer.json."""
    kind = post["type"] if post else None
    if post and kind == "TemplateProcessing":
        begin = {"SpecialToken": {"id": prompt["id"], "type_id": 0}}
        return {**post, "single": [begin, *post["single"]], "pair": [begin, *post["pair"]],
                "special_tokens": {**post["special_tokens"], prompt["id"]: prompt}}
    if post and kind == "Sequence":
        inner = list(post["processors"])
        at = next((i for i, x in enumerate(inner) if x["type"] == "TemplateProcessing"), len(inner))
        inner[at:at + 1] = [_written_first(inner[at] if at < len(inner) else None, prompt)]
        return {**post, "processors": inner}
    if post and kind == "RobertaProcessing":
        plain = _template([post["cls"]], [post["sep"]], [post["sep"], post["sep"]], second=0)
        offsets = {"type": "ByteLevel", "use_regex": True, **{k: post[k] for k in ("add_prefix_space", "trim_offsets")}}
        return {"type": "Sequence", "processors": [offsets, _written_first(plain, prompt)]}
    if post and kind == "BertProcessing":
        return _written_first(_template([post["cls"]], [post["sep"]], [post["sep"]], second=1), prompt)
    bare = _written_first(_template([], [], [], second=1), prompt)
    return {"type": "Sequence", "processors": [post, bare]} if post else bare


def _template(begin: Sequence[Any], end: Sequence[Any], between: Sequence[Any], *, second: int) -> dict[str, Any]:
    """`begin` A `end`, and `begin` A `between` B `end`, whose second text has the type `second`; of (token, id)."""
    def some(tokens: Sequence[Any], kind: int = 0) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": token, "type_id": kind}} for token, _ in tokens]

    a, b = ({"Sequence": {"id": x, "type_id": kind}} for x, kind in (("A", 0), ("B", second)))
    return {"type": "TemplateProcessing", "single": [*some(begin), a, *some(end)],
            "pair": [*some(begin), a, *some(between), b, *some(end, second)],
            "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}
                               for token, number in (*begin, *end, *between)}}


def _fixed(why: str) -> ModelError:
    return ModelError("model.fixed_vocabulary", t("no tokens can be added to this base: {w}",
                                                  "无法给该基座添加词元：{w}", w=why), where="model.name",
                      fix=t("leave model.new_tokens out, use method.name=lora, or choose another model",
                            "请去掉 model.new_tokens、用 method.name=lora，或换一个模型"))


# -- the model -----------------------------------------------------------------------------------------------------

def grow(model: Model, growth: Growth) -> None:
    """Give the model a row for each token that was added. Raises ModelError `model.fixed_vocabulary` for a pair of
    encoders, whose sides have a vocabulary each."""
    if not growth.parts:
        return
    body = model.body
    if body.config.model_type == "encoder-decoder":
        raise _fixed(t("its two sides have a vocabulary each", "其编码器和解码器各有词表"))
    if growth.ids.stop > (before := model.word_embeddings().num_embeddings):
        model.base_rows = before
        with _load.quiet(), torch.random.fork_rng(devices=[]):
            body.resize_token_embeddings(growth.ids.stop, mean_resizing=False)
    table, output = model.word_embeddings().weight, body.get_output_embeddings()
    tensors = {id(x): x for x in (table, *(output.parameters() if output is not None else ()))}
    with torch.no_grad():
        for tensor in tensors.values():
            for row, parts in zip(growth.ids, growth.parts, strict=True):
                tensor[row] = tensor[list(parts)].mean(0)
    model.new_rows = growth.ids
    if growth.virtual:
        model.first_virtual = growth.ids.stop - growth.virtual
        setattr(body.config, PROMPT, model.first_virtual)
        if body.can_generate():
            body.generation_config.suppress_tokens = list(growth.ids)[-growth.virtual:]


@contextmanager
def moving(model: Model) -> Iterator[dict[int, nn.Parameter]]:
    """Let the new rows learn where the table that they stand in is frozen; back in it at the end, whatever happened.

    Gives the parameters that stand in, by the `id` of the table (and of an output layer's matrix) that each is part of;
    none where nothing is new or all of the table learns.
    """
    table = model.word_embeddings()
    if not model.new_rows or table.weight.requires_grad:
        yield {}
        return
    output = model.body.get_output_embeddings()
    said = model.new_rows if model.first_virtual is None else range(model.new_rows.start, model.first_virtual)
    rows = {id(table.weight): nn.Parameter(table.weight.detach()[list(model.new_rows)].clone())}
    if output is not None and said and id(output.weight) not in rows:
        rows[id(output.weight)] = nn.Parameter(output.weight.detach()[list(said)].clone())
    standing = _standing_in(model, output if said else None, rows, said)
    try:
        yield rows
    finally:
        for parent, leaf, module in standing:
            parent._modules[leaf] = module
        with torch.no_grad():
            table.weight[list(model.new_rows)] = rows[id(table.weight)].to(table.weight.dtype)
            if output is not None and said and id(output.weight) in rows:
                output.weight[list(said)] = rows[id(output.weight)][:len(said)].to(output.weight.dtype)


def _standing_in(model: Model, output: nn.Module | None, rows: Mapping[int, nn.Parameter],
                 said: range) -> list[tuple[nn.Module, str, nn.Module]]:
    """Put the stand-ins where the table is looked up and where the output layer is: a family may do either in several
    places. What stood there, to be put back."""
    table = model.word_embeddings().weight
    made: dict[int, nn.Module] = {}
    found = []
    for name, module in list(model.body.named_modules(remove_duplicate=False)):
        if isinstance(module, nn.Embedding) and module.weight is table:
            new: nn.Module = made.setdefault(id(module), _Table(module, rows[id(table)], model.new_rows.start))
        elif output is not None and module is output:
            new = made.setdefault(id(module), _Output(module, rows[id(output.weight)], said))
        else:
            continue
        parent, _, leaf = name.rpartition(".")
        found.append((model.body.get_submodule(parent), leaf, module))
        found[-1][0]._modules[leaf] = new
    return found


def read_with(model: Model, rows: torch.Tensor, first: int) -> None:
    """Let a model whose table has no rows from `first` on read these (n, width) beside it, for good: the table stays
    the base's own, and may be shared."""
    model.new_rows = range(first, first + len(rows))
    _standing_in(model, None, {id(model.word_embeddings().weight): nn.Parameter(rows, requires_grad=False)}, range(0))


class _Table(nn.Module):
    """Looks up what the frozen table would, and the rows from `first` on in `rows` (n, width), which learn."""

    def __init__(self, table: nn.Embedding, rows: nn.Parameter, first: int) -> None:
        super().__init__()
        self.table, self.rows, self.first = table, rows, first

    @property
    def weight(self) -> torch.Tensor:
        """What families ask for its type and place."""
        return self.table.weight

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        new = input_ids >= self.first
        # By the table's own forward, which in some families scales. Rows before ours, lest one of ours stand at the
        # padding token's number and get no gradient.
        before = (self.table.padding_idx or 0) + 1
        few = torch.cat([self.rows.new_zeros(before, self.rows.shape[1]), self.rows])
        places = (input_ids - self.first + before).clamp(0, len(few) - 1)
        own = torch.func.functional_call(self.table, {"weight": few}, (places,))
        return torch.where(new[..., None], own, self.table(input_ids.masked_fill(new, 0)))


class _Output(nn.Module):
    """The frozen output layer, with the logits of the words `said` made from the first of `rows`, which learn."""

    def __init__(self, output: Any, rows: nn.Parameter, said: range) -> None:
        super().__init__()
        self.output, self.rows, self.said = output, rows, said

    @property
    def weight(self) -> torch.Tensor:
        """What families ask for its type and place."""
        return self.output.weight  # type: ignore[no-any-return]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self.output(hidden)
        own = nn.functional.linear(hidden, self.rows[:len(self.said)])
        if self.output.bias is not None:
            own = own + self.output.bias[self.said.start:self.said.stop]
        return torch.cat([logits[..., :self.said.start], own, logits[..., self.said.stop:]], -1)
