"""Pretrained models: found on a hub, in a folder or among the starters; given a head; saved for plain transformers.

>>> base = find("e5-small")
>>> base.family, base.kind, base.parameters
('bert', 'encoder', 117505920)
>>> tokenizer(base.folder)("很好吃")["input_ids"]
[0, 4019, 1322, 8976, 2]

Only safetensors are read, and no code that comes with a checkpoint is ever run. Importing this costs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from weitiao import starters
from weitiao.core import languages
from weitiao.core.errors import MissingExtra, ModelError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.models import _folder, _hub, control
from weitiao.starters import _cache

Kind = Literal["encoder", "decoder", "encoder-decoder"]
Hub = Literal["huggingface", "modelscope"]
_PIECES = ("marian", "m2m_100")  # families of which some checkpoints come with sentencepiece files alone
Progress = Callable[[str, int, int], None]  # what is fetched, bytes so far, bytes in all


@dataclass(frozen=True, slots=True)
class Base:
    """A pretrained checkpoint in a local folder, and what its files say without loading it.

    Args:
        name: as the user gave it.
        folder: where plain transformers can load it from.
        family: transformers' `model_type` (bert, llama, ...).
        parameters: numbers in the checkpoint, tied word embeddings counted once.
        embedding_parameters: those of the word embeddings alone.
        max_positions: longest input in tokens, special ones included.
        has_pooler: the checkpoint holds weights of a pooler.
        mean_pooled: it was trained with mean pooling (sentence-transformers' or our own mark says so).
        source: where it came from, in words for a model card.
    """

    name: str
    folder: Path
    family: str
    kind: Kind
    parameters: int
    embedding_parameters: int
    max_positions: int
    has_pooler: bool
    mean_pooled: bool
    source: str


def find(name: str, *, hub: Hub = "huggingface", revision: str = "", progress: Progress | None = None) -> Base:
    """The checkpoint of that name: a starter, a local folder, or a name on the hub; fetched when it is not here.

    Raises ModelError: `model.unknown` with the nearest right name, `model.pickle_only`, `model.needs_code`,
    `model.no_config`, `model.unsupported`, `model.revision_not_hub`, `model.hub_unreachable`, `model.gated`, and
    what fetching a starter raises; MissingExtra for ModelScope without its package.
    """
    if name in starters.names():
        _refuse_revision(name, revision)
        return _describe(name, _cache.folder(name, progress), starters.load(name).CARD.source)
    if name and Path(name).expanduser().is_dir():
        _refuse_revision(name, revision)
        folder = Path(name).expanduser()
        return _describe(name, folder, str(folder))
    if _hub.is_name(name) and not ("/" not in name and nearest(name, starters.names())):
        return _describe(name, *_hub.fetch(name, hub, revision, _starters()))
    raise _hub.unknown(name, _starters())


def catalogue() -> list[dict[str, Any]]:
    """All starters as facts for a table or JSON; fetches nothing."""
    cards = [starters.load(name).CARD for name in starters.names()]
    return [{
        "name": c.name, "title": c.title, "kind": c.kind, "languages": list(c.languages), "licence": c.licence,
        "parameters": c.parameters, "megabytes": round(sum(w.bytes for w in c.wheels) / 1e6),
        "here": _cache.here(c.name), "automatic": c.automatic, "source": c.source,
    } for c in cards]


def suggest(language: str, rows: int, kind: str = "sequence", pair: Sequence[str] = ()) -> tuple[str, str]:
    """The starter for texts of that language ("zh", "en", "other") and the reason, for a person.

    `rows` (training rows) does not change the choice yet: on 300 to 9,000 rows the same bases won (docs/log.md).
    `kind` is `HeadSpec.kind`, or "translation" with the codes of source and target in `pair`. Raises ModelError
    `model.must_be_named` where no starter may be taken unasked.
    """
    if kind == "translation":
        return _translator(tuple(languages.primary(code) for code in pair))
    if kind == "language":
        if language == "en":
            return "smollm2-135m", t("English texts to be written: the smallest starter that writes",
                                     "要生成英文文本：smollm2-135m 最小")
        raise ModelError(
            "model.must_be_named", t("no base model that writes this language may be chosen for you",
                                     "没有可自动选择的、能写这种语言的基座模型"), where="model.name",
            expected=t("the name of a decoder or an encoder-decoder", "解码器或编码器-解码器的名称"),
            fix=t("--model gemma3-270m knows Chinese and many others; naming it accepts Google's Gemma terms "
                  "(https://ai.google.dev/gemma/terms)",
                  "--model gemma3-270m 懂中文和多种语言；指明它即表示接受 Google 的 Gemma 条款"
                  "（https://ai.google.dev/gemma/terms）"))
    if language == "en":
        return "minilm", t("English texts: the smallest starter that does well on them, and the fastest",
                           "英文文本：minilm 小而快，效果好")
    if language == "zh":
        return "e5-small", t("Chinese texts: the starter whose vocabulary knows Chinese",
                             "中文文本：e5-small 的词表覆盖中文")
    return "e5-small", t("neither mainly Chinese nor mainly English: e5-small knows about 100 languages",
                         "文本不以中文或英文为主：e5-small 支持约一百种语言")


def _translator(pair: tuple[str, ...]) -> tuple[str, str]:
    """The starter that translates so already, else an encoder for both sides."""
    for card in (starters.load(name).CARD for name in starters.names()):
        if card.kind == "encoder-decoder" and card.languages == pair:
            return card.name, t("it translates {s} into {g} already", "它本来就能把 {s} 翻译成 {g}",
                                s=languages.english_name(pair[0]), g=languages.english_name(pair[1]))
    return "e5-small", t("no starter translates these languages: of e5-small, which reads about 100 of them, encoder "
                         "and decoder are made; a model for your languages from a hub begins far ahead (--model)",
                         "没有内置的该语言对翻译模型：由支持约一百种语言的 e5-small 构成编码器和解码器；"
                         "若能访问模型站，用 --model 指定对应语言的翻译模型会好得多")


def kind_of(folder: Path) -> Kind:
    """What kind of model lies in a folder. Raises ModelError."""
    return _folder.kind(_folder.config(folder))


def tokenizer(folder: Path) -> Any:
    """The checkpoint's fast tokenizer, padding on the right, with a pad token and a length limit that can be believed;
    control tokens in a text are text (`control`). Marian and M2M-100 have none in transformers: theirs are
    sentencepiece's own.

    Raises ModelError `model.no_tokenizer`, MissingExtra for sentencepiece.
    """
    from transformers import AutoTokenizer

    from weitiao.models import _load

    pieces = _folder.config(folder)["model_type"] in _PIECES and not (folder / "tokenizer.json").is_file()
    if pieces and not find_spec("sentencepiece"):
        raise MissingExtra("sentencepiece", "spm", t("the tokenizer of this model", "该模型的分词器"))
    try:
        with _load.quiet():
            made = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as e:
        raise _no_tokenizer(folder, str(e).splitlines()[0]) from e
    # transformers makes an empty tokenizer of nothing at all.
    files = {"tokenizer.json", *made.vocab_files_names.values()}
    if not (made.is_fast or pieces) or not any((folder / f).is_file() for f in files):
        raise _no_tokenizer(folder, t("there is no tokenizer.json", "缺少 tokenizer.json"))
    made.padding_side = "right"
    if made.pad_token_id is None:
        made.pad_token = _pad_token(made)
    # Some checkpoints say 1e30 ("no limit"), some say more than their position table holds.
    made.model_max_length = min(made.model_max_length, _folder.max_positions(_folder.config(folder)))
    control.as_text(made)
    return made


def _pad_token(tokenizer: Any) -> str:
    """A token that cannot be the end of a text, where the vocabulary has one; else the end token itself."""
    known = ("<pad>", "[PAD]", "<|pad|>", "<|finetune_right_pad_id|>", "<|endoftext|>")
    vocabulary = tokenizer.get_vocab()
    spare = [x for x in (*known, tokenizer.unk_token) if x in vocabulary and x != tokenizer.eos_token]
    last = tokenizer.eos_token or tokenizer.unk_token
    if not spare and last is None:
        raise _no_tokenizer(Path(tokenizer.name_or_path), t("no token can serve as padding", "没有可用于填充的词元"))
    return str(spare[0] if spare else last)


def _no_tokenizer(folder: Path, what: str) -> ModelError:
    return ModelError("model.no_tokenizer", t("its tokenizer cannot be used: {e}", "分词器无法使用：{e}", e=what),
                      where=str(folder), expected="tokenizer.json",
                      fix=t("save it once with transformers' AutoTokenizer(...).save_pretrained into that folder",
                            "用 transformers 的 AutoTokenizer 载入后 save_pretrained 到该目录"))


def _describe(name: str, folder: Path, source: str) -> Base:
    config = _folder.config(folder)
    shapes = _folder.shapes(folder)
    words = _folder.word_embeddings(config, shapes)
    return Base(
        name=name, folder=folder, family=config["model_type"], kind=_folder.kind(config),
        parameters=_folder.count(config, shapes, words),
        embedding_parameters=_folder.size(shapes[words]) if words else 0,
        max_positions=_folder.max_positions(config),
        has_pooler=any("pooler" in n.split(".") for n in shapes) and "weitiao_pooling" not in config,
        mean_pooled=config.get("weitiao_pooling") == "mean" or _folder.mean_pooled(folder), source=source,
    )


def _refuse_revision(name: str, revision: str) -> None:
    if revision:
        raise ModelError("model.revision_not_hub", t("{n} does not come from a hub", "{n} 不来自模型仓库", n=name),
                         where="model.revision", expected='""', fix=t("leave the revision out", "请去掉 revision"))


def _starters() -> tuple[str, ...]:
    return tuple(starters.names())


