"""A base with only the words that some texts use: the same tokens and vectors for these, a fraction of the size.

>>> with shortened(find("e5-small"), texts) as base:      # 250,037 words become some 15,000
...     build(base, head, ...), tokenizer(base.folder)

Exact for unigram and WordPiece vocabularies: the pieces that a text is cut into are all kept, and taking others away
can only remove cuts that were not the best (or not the longest) before. What is kept besides is what is special, and
every single character of the scripts that occur, so that words which no text holds are still spelled. Other kinds of
vocabulary (BPE, whose pieces are made of one another) stay whole.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from weitiao import models
from weitiao.core import files
from weitiao.models import _folder

_KINDS = ("Unigram", "WordPiece")
_MARKS = ("▁", "##")  # of the beginning of a word, of what continues one
_AT_ONCE = 10_000


@contextmanager
def shortened(base: models.Base, texts: Sequence[str]) -> Iterator[models.Base]:
    """The base in a temporary folder with the words that `texts` use; the base itself where its vocabulary is of
    another kind."""
    tokenizer = models.tokenizer(base.folder)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"]["type"] not in _KINDS:
        yield base
        return
    with tempfile.TemporaryDirectory(prefix="weitiao-") as home:
        folder = Path(home)
        kept = _kept(tokenizer, texts)
        new = {old: i for i, old in enumerate(kept)}
        for path in base.folder.iterdir():
            if path.is_file() and path.suffix != ".safetensors" and not path.name.endswith(".index.json"):
                shutil.copy(path, folder / path.name)
        files.write_json(folder / "tokenizer.json", _renumbered(state, new))
        words = _weights(base.folder, folder, kept)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = {k: new.get(v, v) if k.endswith("_token_id") and isinstance(v, int) else v
                  for k, v in config.items()} | {"vocab_size": len(kept)}
        files.write_json(folder / "config.json", config)
        _check(tokenizer, models.tokenizer(folder), texts[:_AT_ONCE], new)
        cut = base.embedding_parameters - words
        yield replace(base, folder=folder, parameters=base.parameters - cut, embedding_parameters=words)


def _kept(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Ids that stay, ascending."""
    used = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for start in range(0, len(texts), _AT_ONCE):
        for ids in tokenizer(list(texts[start : start + _AT_ONCE]), verbose=False)["input_ids"]:
            used.update(ids)
    scripts = {_script(c) for text in texts for c in set(text)}
    for piece, number in tokenizer.get_vocab().items():
        bare = piece.removeprefix(_MARKS[0]).removeprefix(_MARKS[1])
        if len(bare) <= 1 and (not bare or _script(bare) in scripts):
            used.add(number)
    return sorted(used)


def _script(character: str) -> str:
    """LATIN, CJK, DIGIT …: the first word of the character's name."""
    return unicodedata.name(character, "").split(" ")[0]


def _renumbered(state: dict[str, Any], new: dict[int, int]) -> dict[str, Any]:
    """The tokenizer's own JSON with other numbers."""
    model = state["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for i, entry in enumerate(model["vocab"]) if i in new]
        model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {piece: new[i] for piece, i in model["vocab"].items() if i in new}
    for token in state["added_tokens"]:
        token["id"] = new[token["id"]]
    after = state.get("post_processor") or {}
    for token in (after.get("special_tokens") or {}).values():
        token["ids"] = [new[i] for i in token["ids"]]
    for side in ("sep", "cls"):
        if side in after:
            after[side][1] = new[after[side][1]]
    return state


def _weights(source: Path, folder: Path, kept: list[int]) -> int:
    """Write the weights with the rows of these words; how many numbers the words are now."""
    import torch
    from safetensors.torch import load_file, save_file

    words = _folder.config(source)["vocab_size"]
    table = _folder.word_embeddings(_folder.config(source), _folder.shapes(source))
    tensors = {name: value for path in sorted(source.glob("model*.safetensors"))
               for name, value in load_file(path).items()}
    rows = torch.tensor([i for i in kept if i < words])
    tensors = {name: value[rows].contiguous() if value.ndim and value.shape[0] == words else value
               for name, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return tensors[table].numel()


def _check(whole: Any, short: Any, texts: Sequence[str], new: dict[int, int]) -> None:
    for before, after in zip(whole(list(texts))["input_ids"], short(list(texts))["input_ids"], strict=True):
        assert [new[i] for i in before] == after, "a shortened vocabulary cuts texts as the whole one does"
