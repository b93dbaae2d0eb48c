"""Every starter says what a person and the downloader need to know before a byte is fetched."""

from __future__ import annotations

import re

import pytest

from weitiao import starters


@pytest.mark.parametrize("name", starters.names())
def test_card_is_complete(name: str) -> None:
    card = starters.load(name).CARD
    assert card.name == name
    assert card.title and card.languages and card.licence
    assert card.parameters > 1_000_000
    assert card.source.startswith("https://")
    for wheel in card.wheels:
        assert wheel.package and re.fullmatch(r"\d+(\.\d+)+", wheel.version)
        assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
        assert wheel.bytes > 1_000_000


def test_names_do_not_clash() -> None:
    cards = [starters.load(n).CARD for n in starters.names()]
    assert len({c.name for c in cards}) == len(cards) > 0
