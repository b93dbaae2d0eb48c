"""How families of translation models are told from which language into which: read off their vocabulary.

>>> point(tokenizer, "en", "zh")       # of NLLB: the tokenizer now writes eng_Latn and zho_Hans beside the texts
Direction(prefix='', generation={'forced_bos_token_id': 256200})

| family | code | where the target's code stands |
|---|---|---|
| mBART | `zh_CN` | the decoder begins with it |
| mBART-50, M2M-100, NLLB | `zh_CN`, `__zh__`, `zho_Hans` | the decoder's first word is forced to be it |
| Marian with several targets | `>>zho<<` | before the source |
| T5, mT5 | English names | a sentence before the source |

Source: the model cards of these families, and transformers' documentation of their tokenizers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weitiao.core import languages
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t

_BESIDE = (re.compile(r"([a-z]{2}_[A-Z]{2})"), re.compile(r"([a-z]{3}_[A-Z][a-z]{3})"), re.compile(r"__([a-z]{2,3})__"))
_BEFORE = re.compile(r">>([A-Za-z_]{2,12})<<")
_T5 = "<extra_id_0>"


@dataclass(frozen=True, slots=True)
class Direction:
    """What a model must be told.

    Args:
        prefix: stands before each source.
        generation: settings that begin an answer, under transformers' names.
    """

    prefix: str = ""
    generation: Mapping[str, Any] = field(default_factory=dict)


def point(tokenizer: Any, source: str, target: str) -> Direction:
    """Set the tokenizer's languages and say what else the model needs; nothing for a model of one direction.

    Args:
        tokenizer: of an encoder-decoder; its `src_lang` and `tgt_lang` are set where it has language codes.
        source, target: codes; "" where they are not known.

    Raises RecipeError `recipe.no_language` where the model must be told a language that is not known or that it does
    not have.
    """
    words = _words(tokenizer)
    for form in _BESIDE:
        codes = {found[1]: word for word in words if (found := form.fullmatch(word))}
        if len(codes) >= 2:
            return _beside(tokenizer, codes, source, target)
    if codes := {found[1]: word for word in words if (found := _BEFORE.fullmatch(word))}:
        return Direction(prefix=f"{codes[_pick(list(codes), target, 'target')]} ")
    if _T5 in words and languages.is_known(source) and languages.is_known(target):
        return Direction(prefix=f"translate {languages.english_name(source)} to {languages.english_name(target)}: ")
    return Direction()


def _words(tokenizer: Any) -> list[str]:
    """The vocabulary. M2M-100's tokenizer keeps its language codes out of it: they are asked for one by one."""
    hidden = [f"__{code}__" for code in languages.CODES]
    unknown = (None, tokenizer.unk_token_id)
    return [*tokenizer.get_vocab(), *(w for w in hidden if tokenizer.convert_tokens_to_ids(w) not in unknown)]


def _beside(tokenizer: Any, codes: Mapping[str, str], source: str, target: str) -> Direction:
    tokenizer.src_lang = _pick(list(codes), source, "source")
    tokenizer.tgt_lang = _pick(list(codes), target, "target")
    number = tokenizer.convert_tokens_to_ids(codes[tokenizer.tgt_lang])
    if tokenizer(text_target="a")["input_ids"][0] == number:
        return Direction(generation={"forced_bos_token_id": number})
    # mBART's tokenizer writes the code behind the end: moved to the front it is what the decoder begins with.
    return Direction(generation={"decoder_start_token_id": number, "forced_bos_token_id": None})


def _pick(codes: Sequence[str], wanted: str, side: str) -> str:
    """The model's own code for a language. Of several scripts the wanted one, else the usual one."""
    same = [c for c in codes if wanted and c.casefold() == wanted.replace("-", "_").casefold()]
    found = same or sorted((c for c in codes if wanted and languages.primary(c) == languages.primary(wanted)),
                           key=lambda c: (languages.is_traditional(c) != languages.is_traditional(wanted), c))
    if found:
        return found[0]
    raise RecipeError(
        "recipe.no_language",
        t("this model does not know the language {x!r}", "该模型不支持语言 {x!r}", x=wanted) if wanted else
        t("this model must be told the languages", "必须告诉该模型语言"), where=f"task.{side}",
        expected=", ".join(sorted(codes)[:300]),
        fix=t("name them, e.g. --source en --target zh", "请指明，例如 --source en --target zh"))
