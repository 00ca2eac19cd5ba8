"""What is measured of a text, against plain Python."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agnews.components.drift.measure_texts import MOST_GRAMS, Alphabet, measure_texts

ASCII = Alphabet("".join(map(chr, range(33, 127))).lower())


def grams(texts: list[bytes]) -> list[list[int]]:
    found = measure_texts(texts, ASCII)
    return [part.tolist() for part in np.split(found.grams, found.gram_ends[:-1])]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_words_and_grams_are_those_of_each_text_alone(texts: list[bytes]) -> None:
    found = measure_texts(texts, ASCII)
    words = [re.findall(rb"[0-9A-Za-z\x80-\xff]+", text) for text in texts]
    assert found.words.tolist() == [len(each) for each in words]
    assert grams(texts) == [grams([text])[0] for text in texts]
    assert [len(each) for each in grams(texts)] == [max(0, 2 * len(each) - 1) for each in words]


def test_case_and_signs_do_not_matter_and_words_and_their_order_do() -> None:
    one, same, other = grams([b"Oil prices, soar!", b"oil PRICES soar", b"prices oil soar"])
    assert one == same
    assert one[::2] == [other[2], other[0], other[4]]
    assert one[1] != other[1]


def test_buckets_are_spread_evenly() -> None:
    words = [f"word{number}".encode() for number in range(20_000)]
    counts = np.bincount([each[0] for each in grams(words)], minlength=1 << 14)
    # Poisson with a mean of 1.22 has no bucket beyond a dozen among 16,384, and leaves 29.5 % empty.
    assert counts.max() < 13
    assert 0.27 < (counts == 0).mean() < 0.32


def test_the_same_on_every_machine() -> None:
    assert grams([b"Oil prices soar"]) == [[1365, 2301, 8211, 3341, 15312]]


def test_long_texts_are_cut() -> None:
    (long, short) = grams([b"a " * 10_000, b"a b"])
    assert len(long) == MOST_GRAMS
    assert len(short) == 3


def test_words_that_the_vocabulary_cannot_spell() -> None:
    alphabet = Alphabet.of(["[PAD]", "##ing", *map(chr, range(ord("a"), ord("z") + 1)), "##a", "\u03b1"])
    texts = ["abc", "caf\u00e9", "\u03b1\u03b2 \u03b1 x", "\u043d\u0435\u0442 \u0434\u0430", "a1", "ABC"]
    found = measure_texts([text.encode() for text in texts], alphabet)
    assert found.unknown_words.tolist() == [0, 0, 1, 2, 1, 0]
    assert measure_texts([b"\xff"], Alphabet("")).unknown_words.tolist() == [0]
