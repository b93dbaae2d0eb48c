"""Texts and edited copies of them, by seed; a slow reference that compares every pair."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

_WORDS = ["account", "balance", "card", "payment", "transfer", "money", "bank", "refund", "order", "delivery", "late", "driver", "food", "cold", "price", "change", "cancel", "booking", "hotel", "room", "night", "morning", "train", "ticket", "station", "music", "light", "kitchen", "alarm", "weather", "snow"]
_HAN = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经"


def english(rng: random.Random, words: int) -> str:
    """A sentence of so many words."""
    return " ".join(rng.choice(_WORDS) for _ in range(words)).capitalize() + "."


def chinese(rng: random.Random, characters: int) -> str:
    """So many characters with a comma here and there."""
    return "".join(rng.choice(_HAN) + ("，" if rng.random() < 0.05 else "") for _ in range(characters)) + "。"


def edited(text: str, edits: int, rng: random.Random) -> str:
    """So many characters at random places exchanged, added or deleted."""
    pool = _HAN if any(c >= "\u4e00" for c in text) else string.ascii_lowercase
    characters = list(text)
    for _ in range(edits):
        at = rng.randrange(len(characters))
        match rng.choice("ead"):
            case "e":
                characters[at] = rng.choice(pool)
            case "a":
                characters.insert(at, rng.choice(pool))
            case _:
                del characters[at]
    return "".join(characters)


def levenshtein(a: Sequence[str], b: Sequence[str]) -> int:
    """The textbook's table (Wagner and Fischer 1974)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
