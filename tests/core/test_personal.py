"""Personal data: published examples, planted data with checksums by other formulas, numbers that are none, masks."""

from __future__ import annotations

import random

import pytest
from personal_cases import MAKERS, innocent, planted

from weitiao.core.personal import KINDS, bank_card, cn_id, find, iban, luhn, mask


def test_published_examples() -> None:
    # GB 11643-1999 itself; ISO/IEC 7812-1; the registry of ISO 13616; test numbers of the card networks.
    assert cn_id("11010519491231002X") and cn_id("440524188001010014") and not cn_id("110105194912310029")
    assert luhn("79927398713") and not luhn("79927398710")
    assert iban("GB82WEST12345698765432") and iban("DE89370400440532013000") and not iban("GB82WEST12345698765433")
    assert all(map(bank_card, ("4111111111111111", "5555555555554444", "378282246310005", "6011000990139424", "3530111333300000")))
    assert not bank_card("9999999999999995")  # Luhn's digit is right, no issuer begins so


@pytest.mark.parametrize("kind", KINDS)
def test_planted_data_is_found(kind: str) -> None:
    rng = random.Random(KINDS.index(kind))
    assert sorted(KINDS) == sorted(MAKERS)
    for _ in range(300):
        text, value = planted(kind, rng)
        (match,) = find(text)
        assert (match.kind, text[match.start : match.end]) == (kind, value)


def test_innocent_numbers_are_left_alone() -> None:
    rng = random.Random(9)
    texts = [innocent(rng) for _ in range(2000)]
    assert [text for text in texts if find(text)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_masks(kind: str) -> None:
    rng = random.Random(4)
    for _ in range(50):
        text, value = planted(kind, rng)
        shown = mask(text)
        assert len(shown) == len(text) and value not in shown and find(shown) == []
        assert sum(a != b for a, b in zip(shown, text, strict=True)) >= len(value) - 3


def test_several_in_one_text_and_what_follows() -> None:
    text = "卡号6222021234567894 2024年，GB82 WEST 1234 5698 7654 32 CALL ME, +86-13812345678/13912345678"
    assert [(m.kind, text[m.start : m.end]) for m in find(text)] == [
        ("bank_card", "6222021234567894"), ("iban", "GB82 WEST 1234 5698 7654 32"), ("cn_mobile", "13812345678"), ("cn_mobile", "13912345678")]


def test_characters_that_grow_when_narrowed() -> None:
    text = "㍿℡ ①３８１２３４５６７８ ㈱ １３８１２３４５６７８"
    assert [(m.kind, text[m.start : m.end]) for m in find(text)][-1] == ("cn_mobile", "１３８１２３４５６７８")
