"""Hashes of texts such that near copies share some: how two of a million texts meet without comparing all pairs.

>>> keys, owners, bits, low = sketch(["howdoiresetmypin", "howdoiresettmypin"], np.array([16, 17]))
>>> bool(set(keys[owners == 0]) & set(keys[owners == 1]))
True

By the folded length n there are three kinds of keys; where lengths meet, a text has two kinds.

- n ≤ 22 (one edit is allowed): the text and the text without its j-th character, for every j. Two texts that are one
  edit apart share such a key always (deletion neighbourhood; Mor and Fraenkel 1982, Commun. ACM 25:935).
- 14 ≤ n ≤ 60: 32 bands of two MinHash values each over character 3-grams; n ≥ 48: over 5-grams (Broder 1997, "On the
  resemblance and containment of documents"). Two sets of grams with Jaccard similarity J share a MinHash value with
  probability J, hence a band with 1 - (1 - J²)³². With a tenth of the characters edited J is about 0.4: 0.996.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

U64: TypeAlias = NDArray[np.uint64]
I64: TypeAlias = NDArray[np.int64]
I32: TypeAlias = NDArray[np.int32]

BANDS = 32
HASHES = 2 * BANDS
_DELETIONS_UP_TO = 22
_KINDS = ((3, 14, 60), (5, 48, 1 << 62))  # characters of a gram, from which length to which
_WORDS = 4  # of 64 bits each, for the bigrams' bits
_RANDOM = np.random.Generator(np.random.PCG64(20261125)).integers(1, 1 << 63, size=(3, HASHES), dtype=np.uint64)
_FACTORS, _OFFSETS = _RANDOM[0] * np.uint64(2) + np.uint64(1), _RANDOM[1]
_BASE = np.uint64(0x9E3779B97F4A7C15)


class Sketches:
    """What is kept of each different text beside its keys, in files: length, bits of its bigrams, low MinHash bytes."""

    def __init__(self, folder: Path, count: int) -> None:
        self._paths = [folder / "bits", folder / "low"]
        shape = max(count, 1)  # a file of no bytes cannot be mapped
        self.count = count
        self.length = np.zeros(count, np.int32)
        # As plain arrays: every access to a memmap costs some Python.
        self.bits = np.asarray(np.memmap(self._paths[0], np.uint64, "w+", shape=(shape, _WORDS)))
        self.low = np.asarray(np.memmap(self._paths[1], np.uint8, "w+", shape=(shape, HASHES)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        del self.bits, self.low
        for path in self._paths:
            path.unlink()

    def put(self, numbers: I32, lengths: I64, bits: U64, low: NDArray[np.uint8]) -> None:
        """Those of some texts."""
        self.length[numbers] = lengths
        self.bits[numbers] = bits
        self.low[numbers] = low


def sketch(texts: Sequence[str], lengths: I64) -> tuple[U64, I64, U64, NDArray[np.uint8]]:
    """Keys and which text each belongs to; per text 256 bits of its bigrams and the low bytes of 64 MinHash values.

    One edit changes at most four of the bits, whatever the text.
    """
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts)), lengths)
    low = np.zeros((len(texts), HASHES), np.uint8)
    keys, rows = [], []
    short = lengths <= _DELETIONS_UP_TO
    found, own = _deletions(codes[short[owners]], lengths[short])
    keys.append(found)
    rows.append(np.flatnonzero(short)[own])
    for kind, (size, least, most) in enumerate(_KINDS):
        fits = (lengths >= least) & (lengths <= most)
        if fits.any():
            values = _minima(codes[fits[owners]], lengths[fits], size)
            low[fits] = values.T & 0xFF
            keys.append(_bands(values, kind).ravel())
            rows.append(np.tile(np.flatnonzero(fits), BANDS))
    return np.concatenate(keys), np.concatenate(rows), _bits(codes, owners, len(texts)), low


def mix(values: U64) -> U64:
    """Numbers whose bits all depend on all bits of the given ones (the finaliser of MurmurHash3, public domain)."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def _grams(codes: U64, size: int) -> U64:
    """A hash of the `size` characters from each place on; the last places are left 0."""
    out = np.zeros(len(codes), np.uint64)
    count = len(codes) - size + 1
    if count > 0:
        hashed = np.zeros(count, np.uint64)
        for j in range(size):
            hashed = hashed * _BASE + codes[j : j + count]
        out[:count] = mix(hashed)
    return out


def _minima(codes: U64, lengths: I64, size: int) -> NDArray[np.uint32]:
    """(hashes, texts): the smallest value that each hash function gives to a gram of each text."""
    grams = _grams(codes, size)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    # The last size - 1 places of a text begin grams that reach into the next one.
    crossing = (ends[:, None] - np.arange(1, size)).ravel()
    out = np.empty((HASHES, len(lengths)), np.uint32)
    for h in range(HASHES):
        values = ((grams * _FACTORS[h] + _OFFSETS[h]) >> np.uint64(32)).astype(np.uint32)
        values[crossing] = 0xFFFFFFFF
        out[h] = np.minimum.reduceat(values, starts)
    return out


def _bands(values: NDArray[np.uint32], kind: int) -> U64:
    """(bands, texts): each band's key."""
    wide = values.astype(np.uint64)
    pairs = (wide[0::2] << np.uint64(32)) | wide[1::2]
    names = np.arange(BANDS, dtype=np.uint64) + np.uint64(1 + kind * BANDS)
    return mix(mix(pairs) + (names * _BASE)[:, None])


def _deletions(codes: U64, lengths: I64) -> tuple[U64, I64]:
    """Keys of short texts and of them without one character.

    A text's hash is Σ h(cᵢ) Bⁱ modulo 2⁶⁴, so the hash without character j is the sum before j plus the sum behind it
    with every exponent one smaller.
    """
    width = _DELETIONS_UP_TO
    there = np.arange(width) < lengths[:, None]
    values = np.zeros(there.shape, np.uint64)
    values[there] = mix(codes + _BASE)
    powers = np.cumprod(np.full(width + 1, _BASE, np.uint64))
    before = np.cumsum(values * powers[1:], axis=1, dtype=np.uint64)
    after = np.cumsum(values * powers[:-1], axis=1, dtype=np.uint64)
    shifted = np.concatenate([np.zeros((len(lengths), 1), np.uint64), before[:, :-1]], axis=1)
    without = shifted + after[:, -1:] - after
    sizes = lengths.astype(np.uint64)
    keys = np.concatenate([mix(without + sizes[:, None] - np.uint64(1))[there],
                           mix(before[:, -1] + sizes)])
    row = np.arange(len(lengths))
    return keys, np.concatenate([np.repeat(row, lengths), row])


def _bits(codes: U64, owners: I64, count: int) -> U64:
    """(texts, 4): for each bigram of a text one of 256 bits is set."""
    grams = _grams(codes, 2)
    inside = np.flatnonzero(owners[1:] == owners[:-1])
    flags = np.zeros((count, 64 * _WORDS), np.bool_)
    flags[owners[inside], (grams[inside] >> np.uint64(56)).astype(np.int64)] = True
    return np.packbits(flags, axis=1).view(np.uint64)
