from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agnews.components.linear.ngram_hash import NgramHash

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh", *(f"##{each}" for each in "abcdefgh"), "cab", "##ab", "bad")
Cut = Callable[[Sequence[str]], tuple[NDArray[np.int32], NDArray[np.int64]]]


@pytest.fixture(scope="session")
def tokens() -> tuple[str, ...]:
    """The word pieces."""
    return TOKENS


@pytest.fixture(scope="session")
def hash_of() -> Callable[..., NgramHash]:
    """Makes what finds n-grams: `words` and `characters` say which."""

    def hash_of(*, words: int = 2, characters: tuple[int, int] | None = (1, 3)) -> NgramHash:
        return NgramHash(
            TOKENS,
            silent_ids=(0, 2),
            end_id=3,
            unknown_id=1,
            buckets=2**22,
            word_ngrams=words,
            char_ngrams=characters,
        )

    return hash_of


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Words of a few letters, some repeated, and texts without a word."""
    random = np.random.default_rng(1)
    words = ["".join(random.choice(list("abcdefgh"), size=random.integers(1, 6))) for _ in range(30)]
    return ["", *(" ".join(random.choice(words, size=random.integers(1, 9))) for _ in range(60)), "a a a a", "bad"]


@pytest.fixture(scope="session")
def cut() -> Cut:
    """Cuts words into letters."""

    def cut(texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        rows = []
        for text in texts:
            words = [[word[0], *(f"##{letter}" for letter in word[1:])] for word in text.split()]
            rows.append([2, *(TOKENS.index(piece) for word in words for piece in word), 3])
        return np.array([piece for row in rows for piece in row], np.int32), np.cumsum([0, *map(len, rows)])

    return cut
