"""What is counted of texts, in bins that are the same for every sample."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_EDGES = np.unique(np.round(1.2 ** np.arange(70)).astype(np.int64))
NUM_LENGTH_BINS = len(_EDGES) + 1
"""Bins grow by a fifth, so that a text twice as long is four bins away whatever its length."""
PAIR_BUCKETS = 1024
"""Buckets of pairs of characters."""
ROW_WEIGHT = 1 << 20
"""What the pairs of a row weigh together: a long text counts as much as a short one. Whole numbers, because sums of
them are the same in any order."""
_TEXTS_AT_ONCE = 256
_ASCII = 128


def length_bins(lengths: npt.ArrayLike) -> Ints:
    """Finds the bins of lengths.

    Args:
        lengths: Words or characters of texts, (n,).

    Returns:
        Bins from 0 to NUM_LENGTH_BINS - 1, (n,).
    """
    bins: Ints = np.digitize(np.asarray(lengths), _EDGES).astype(np.int64)
    return bins


def count_character_pairs(texts: Sequence[str]) -> Ints:
    """Adds up the pairs of neighbouring characters of texts.

    The alphabet and its habits: another language, an encoding read wrongly, markup, capitals all show.

    Args:
        texts: The texts.

    Returns:
        Weights by bucket, (PAIR_BUCKETS,).
    """
    total = np.zeros(PAIR_BUCKETS, np.int64)
    of_ascii = np.zeros(_ASCII * _ASCII, np.int64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        some = texts[start : start + _TEXTS_AT_ONCE]
        # Sums below 2**53 are whole numbers in a double too.
        of_ascii += _weigh_ascii([text for text in some if text.isascii()])
        _, buckets, weights = weigh_pairs([text for text in some if not text.isascii()])
        total += np.bincount(buckets, weights, PAIR_BUCKETS).astype(np.int64)
    np.add.at(total, _ascii_buckets(), of_ascii)
    return total


def _weigh_ascii(texts: Sequence[str]) -> Ints:
    """Adds up weights by pair, (_ASCII * _ASCII,): so few pairs need their buckets once, and not for each text."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    codes = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
    weights = np.repeat((ROW_WEIGHT // np.maximum(lengths - 1, 1)).astype(np.float64), lengths)
    # No pair begins with the last character of a text.
    weights[np.cumsum(lengths)[lengths > 0] - 1] = 0
    pairs = codes[:-1].astype(np.int64) * _ASCII + codes[1:]
    return np.bincount(pairs, weights[:-1], _ASCII * _ASCII).astype(np.int64)


@cache
def _ascii_buckets() -> Ints:
    first, second = np.divmod(np.arange(_ASCII * _ASCII, dtype=np.uint64), np.uint64(_ASCII))
    return _buckets(first, second)


def _buckets(first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> Ints:
    # The finaliser of SplitMix64, whose upper bits are even and the same on every machine.
    mixed = first * np.uint64(0x9E3779B97F4A7C15) + second * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    buckets: Ints = (mixed >> np.uint64(54)).astype(np.int64)
    return buckets


def weigh_pairs(texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """Finds the pairs of neighbouring characters of each text.

    Args:
        texts: The texts.

    Returns:
        For each pair the number of its text, its bucket, and its weight, (p,) each.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts)), lengths)
    inside = owners[1:] == owners[:-1]
    owners = owners[1:][inside]
    weights = ROW_WEIGHT // np.maximum(lengths - 1, 1)
    return owners, _buckets(codes[:-1][inside], codes[1:][inside]), weights[owners]
