"""What is measured of a text so that two sets of texts can be compared without keeping either.

The same functions measure training rows before a push and live texts while they are served.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agnews.components.text.has_markup import has_markup

NUM_BUCKETS = 1 << 14
"""Buckets that word n-grams are hashed into."""
MOST_GRAMS = 256
"""Of one text; what comes after is not looked at."""

_WORD_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_PAIR_FACTOR = np.uint64(0xC2B2AE3D27D4EB4F)
_LONGEST_WORD = 64
_SHIFT = np.uint64(64 - 14)

# Letters, digits and all bytes of characters beyond ASCII make words; capitals count as small letters.
_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_IS_WORD = np.zeros(256, bool)
for _first, _last in ((48, 57), (65, 90), (97, 122), (128, 255)):
    _IS_WORD[_first : _last + 1] = True


def _powers() -> NDArray[np.uint64]:
    powers = np.ones(_LONGEST_WORD, np.uint64)
    with np.errstate(over="ignore"):
        for place in range(1, _LONGEST_WORD):
            powers[place] = powers[place - 1] * np.uint64(0x100000001B3)
    return powers


_POWERS = _powers()


@dataclass(frozen=True)
class MeasuredTexts:
    """What was measured of some texts.

    Attributes:
        words: (texts,) int32, runs of letters, digits and characters beyond ASCII.
        has_markup: (texts,) bool, whether remnants of markup are in it.
        unknown_words: (texts,) int32, words with a character that the vocabulary has no piece for, which the model
            therefore sees as `[UNK]`.
        grams: (all n-grams,) uint16, buckets of words and pairs of neighbours, those of the first text first.
        gram_ends: (texts,) int64, where in `grams` each text ends.
    """

    words: NDArray[np.int32]
    has_markup: NDArray[np.bool_]
    unknown_words: NDArray[np.int32]
    grams: NDArray[np.uint16]
    gram_ends: NDArray[np.int64]


class Alphabet:
    """The characters that a vocabulary has pieces for.

    Args:
        characters: Each of them; empty where nothing is known, and then nothing is unknown.
    """

    def __init__(self, characters: str) -> None:
        self.characters = "".join(sorted(set(characters)))
        known = "".join(re.escape(each) for each in self.characters)
        self._unknown = re.compile(rf"[^\s{known}]") if known else None
        # A vocabulary without capitals is one of small letters: texts are spelled so before they are cut.
        self._lowers = not any("A" <= each <= "Z" for each in self.characters)
        visible = {chr(code) for code in range(ord("!"), ord("~") + 1)}
        self._knows_ascii = {each.lower() if self._lowers else each for each in visible} <= set(self.characters)

    @classmethod
    def of(cls, pieces: Sequence[str]) -> Alphabet:
        """Reads it off word pieces.

        Args:
            pieces: Those of a vocabulary; continuations begin with `##`.
        """
        return cls("".join(piece for piece in pieces if len(piece) == 1))

    def unknown_words(self, text: bytes) -> int:
        """Counts the words of a text that hold a character without a piece."""
        if self._unknown is None or (self._knows_ascii and text.isascii()):
            return 0
        spelled = text.decode(errors="replace")
        if self._lowers:
            spelled = unicodedata.normalize("NFD", spelled.lower())
        kept = "".join(each for each in spelled if unicodedata.category(each) not in ("Mn", "Cc", "Cf"))
        return sum(self._unknown.search(word) is not None for word in kept.split())


def measure_texts(texts: Sequence[bytes], alphabet: Alphabet) -> MeasuredTexts:
    """Measures texts, many at a time.

    Args:
        texts: In UTF-8, though any bytes will do.
        alphabet: Of the model's vocabulary.

    Returns:
        The features, the same on every machine. It takes some microseconds a text.
    """
    words, grams, ends = _hash_grams(texts)
    return MeasuredTexts(
        words=words,
        has_markup=np.fromiter((_has_markup(text) for text in texts), bool, len(texts)),
        unknown_words=np.fromiter((alphabet.unknown_words(text) for text in texts), np.int32, len(texts)),
        grams=grams,
        gram_ends=ends,
    )


def _has_markup(text: bytes) -> bool:
    # Every remnant has one of these; most texts are not decoded.
    return (b"\\" in text or b";" in text or b"<" in text) and has_markup(text.decode(errors="replace"))


def _hash_grams(texts: Sequence[bytes]) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.int64]]:
    """Hashes all words of all texts at once: a polynomial of the bytes of each, as FNV's but for the order of steps."""
    # Two spaces, so that each word has an end inside its own text, and an empty text a place.
    joined = np.frombuffer(b"\n ".join(texts) + b"\n ", np.uint8)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 2
    text_ends = np.cumsum(lengths)
    is_word = _IS_WORD[joined]
    change = np.flatnonzero(is_word[1:] != is_word[:-1]) + 1
    if is_word.size and is_word[0]:
        change = np.concatenate([[0], change])
    starts, stops = change[0::2], change[1::2]
    counts = np.diff(np.searchsorted(starts, text_ends), prepend=0)
    if not starts.size:
        return counts.astype(np.int32), np.empty(0, np.uint16), np.zeros(len(texts), np.int64)
    sizes = stops - starts
    letters = _LOWER[joined[is_word]].astype(np.uint64)
    first = np.cumsum(sizes) - sizes
    place = np.arange(letters.size) - np.repeat(first, sizes)
    np.minimum(place, _LONGEST_WORD - 1, out=place)
    letters *= _POWERS[place]
    hashes = np.add.reduceat(letters, first) * _WORD_FACTOR
    hashes ^= hashes >> np.uint64(29)
    # Each word, and the pair that begins with it; the last word of a text begins none.
    grams = np.empty(2 * hashes.size, np.uint16)
    grams[0::2] = (hashes * _WORD_FACTOR) >> _SHIFT
    grams[1:-1:2] = ((hashes[:-1] * _PAIR_FACTOR + hashes[1:]) * _WORD_FACTOR) >> _SHIFT
    kept = np.ones(grams.size, bool)
    word_ends = np.cumsum(counts)
    kept[2 * word_ends[counts > 0] - 1] = False
    if counts.max() > MOST_GRAMS // 2:
        in_text = np.arange(hashes.size) - np.repeat(word_ends - counts, counts)
        kept &= np.repeat(in_text < MOST_GRAMS // 2, 2)
    ends = np.cumsum(kept)[np.maximum(2 * word_ends - 1, 0)]
    ends[word_ends == 0] = 0
    return counts.astype(np.int32), grams[kept], ends.astype(np.int64)
