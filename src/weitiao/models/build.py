"""From a base and what a task asks of it to a model that can be tuned, and from a saved folder back to it.

>>> model = build(find("e5-small"), task.head(), pooling="auto", dropout=None, seed=1)
>>> model.save(folder, tokenizer)
>>> load(folder, task.head())(**batch)     # the same logits as plain transformers gives
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from weitiao.models import _folder, language, sequence, tokens
from weitiao.models._parts import Model as Model
from weitiao.models.sequence import Pooling
from weitiao.models.spec import HeadSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from weitiao.models import Base


def build(base: Base, head: HeadSpec, *, pooling: Pooling, dropout: float | None, seed: int) -> Model:
    """The base with what `head` asks for, in fp32 and eval mode.

    New weights are a function of `seed` alone. `pooling` matters for whole rows only; `dropout` replaces all of the
    base's own, None keeps them. Raises ModelError: see the modules.
    """
    if head.kind == "sequence":
        return sequence.build(base, head, pooling=pooling, dropout=dropout, seed=seed)
    if head.kind in ("tokens", "span"):
        return tokens.build(base, head, dropout=dropout, seed=seed)
    return language.build(base, head, dropout=dropout, seed=seed)


def wrap(body: PreTrainedModel, head: HeadSpec) -> Model:
    """A model of transformers that has what `head` asks for, as ours."""
    if head.kind == "sequence":
        return sequence.TextModel(body, None)
    if head.kind in ("tokens", "span"):
        return tokens.TokenModel(body, head)
    return language.wrap(body, head)


def load(folder: Path, head: HeadSpec) -> Model:
    """A saved model as plain transformers loads it, fp32, eval mode. Raises ModelError."""
    if head.kind == "sequence":
        return sequence.load(folder)
    if head.kind in ("tokens", "span"):
        return tokens.load(folder, head)
    return language.load(folder, head, _folder.kind(_folder.config(folder)))
