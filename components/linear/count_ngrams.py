"""From word pieces of many texts to a sparse matrix of weighted n-grams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy import sparse

from agnews.components.linear.ngram_hash import NgramHash

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Counts:
    """How often n-grams of one family, words or characters, occur in each text.

    Attributes:
        row_splits: int64 (rows + 1,); row i has the entries row_splits[i] to row_splits[i + 1].
        bucket: int32 (entries,), rising within a row, each once.
        count: float32 (entries,), 1 or more.
    """

    row_splits: NDArray[np.int64]
    bucket: NDArray[np.int32]
    count: NDArray[np.float32]


def count_ngrams(
    ngrams: NgramHash,
    token_ids: NDArray[np.integer],
    row_splits: NDArray[np.int64],
    *,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> tuple[Counts, ...]:
    """Counts the n-grams of each text.

    Args:
        ngrams: Finds them; its graph is the one that a served model runs.
        token_ids: (word pieces of all texts,).
        row_splits: (rows + 1,); text i is token_ids[row_splits[i]:row_splits[i + 1]].
        on_rows: Called with the number of texts done so far.

    Returns:
        The counts by family.
    """

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64)], autograph=False)
    def find(ids: tf.Tensor, splits: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], ...]:
        padded = tf.RaggedTensor.from_row_splits(ids, splits, validate=False).to_tensor()
        return tuple((found.row, found.bucket) for found in ngrams.find(ngrams.spell(padded)))

    rows = len(row_splits) - 1
    chunks = []
    for first in range(0, max(rows, 1), _ROWS_AT_ONCE):
        splits = row_splits[first : first + _ROWS_AT_ONCE + 1]
        families = find(token_ids[splits[0] : splits[-1]].astype(np.int32, copy=False), splits - splits[0])
        chunks.append([count_occurrences(bucket.numpy(), row.numpy(), len(splits) - 1) for row, bucket in families])
        on_rows(first + len(splits) - 1)
    return tuple(map(_concat, zip(*chunks, strict=True)))


def count_occurrences(bucket: NDArray[np.int32], row: NDArray[np.int32], rows: int) -> Counts:
    """Counts n-grams as they stand in texts.

    Args:
        bucket: (occurrences,).
        row: (occurrences,), text that each stands in.
        rows: How many texts there are.

    Returns:
        The counts.
    """
    keys = np.sort((row.astype(np.int64) << 32) | bucket)
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    number = np.bincount(keys[first] >> 32, minlength=rows)
    return Counts(
        np.concatenate([[0], np.cumsum(number)]),
        (keys[first] & 0xFFFFFFFF).astype(np.int32),
        np.diff(np.append(first, len(keys))).astype(np.float32),
    )


def _concat(chunks: Sequence[Counts]) -> Counts:
    ends = np.cumsum([each.row_splits[-1] for each in chunks])
    splits = [each.row_splits[1:] + end - each.row_splits[-1] for each, end in zip(chunks, ends, strict=True)]
    return Counts(
        np.concatenate([[0], *splits]),
        np.concatenate([each.bucket for each in chunks]),
        np.concatenate([each.count for each in chunks]),
    )


@dataclass(frozen=True)
class NgramColumns:
    """The n-grams that a model knows.

    Attributes:
        table: int32 (buckets,), column of each bucket, -1 of those that are not known.
        rarity: float32 (columns,), inverse document frequency to the power that was asked for.
    """

    table: NDArray[np.int32]
    rarity: NDArray[np.float32]


def choose_columns(
    families: Sequence[Counts], *, buckets: int, min_count: int, rarity_power: float = 1.0
) -> NgramColumns:
    """Keeps the n-grams that occur in enough texts.

    Args:
        families: Counts of the training texts.
        buckets: What n-grams are hashed into.
        min_count: Least number of texts that an n-gram has to occur in.
        rarity_power: What inverse document frequencies are raised to.

    Returns:
        The columns; at least one.

    References:
        Inverse document frequency is scikit-learn's smooth one: ln((1 + texts) / (1 + texts with it)) + 1. Squared, it
        is that of Lucene's classic similarity. To a linear model larger values of rare n-grams mean that their weights
        are held back less, each n-gram by a prior of its own.
    """
    frequency = np.zeros(buckets, np.int64)
    for counts in families:
        frequency += np.bincount(counts.bucket, minlength=buckets)
    known = frequency >= max(min_count, 1)
    known[0] |= not known.any()
    rows = len(families[0].row_splits) - 1
    table = np.where(known, np.cumsum(known) - 1, -1).astype(np.int32)
    rarity = (np.log((1 + rows) / (1 + frequency[known])) + 1) ** rarity_power
    return NgramColumns(table, rarity.astype(np.float32))


def weigh_ngrams(families: Sequence[Counts], columns: NgramColumns) -> sparse.csr_matrix:
    """Weighs n-grams: (1 + ln count) times rarity, and each family of a text scaled to length 1.

    Args:
        families: Counts of some texts.
        columns: What is known.

    Returns:
        float32 (rows, columns).
    """
    matrices = list(_weighed(families, columns))
    return sum(matrices[1:], start=matrices[0])


def _weighed(families: Sequence[Counts], columns: NgramColumns) -> Iterator[sparse.csr_matrix]:
    for counts in families:
        column = columns.table[counts.bucket]
        known = column >= 0
        column = column[known]
        values = (1.0 + np.log(counts.count[known])) * columns.rarity[column]
        splits = np.concatenate([[0], np.cumsum(known)])[counts.row_splits]
        numbers = np.diff(splits)
        squares = np.bincount(np.repeat(np.arange(len(numbers)), numbers), values * values, minlength=len(numbers))
        lengths = np.sqrt(np.maximum(squares, 1e-12)).astype(np.float32)
        values /= np.repeat(lengths, numbers)
        yield sparse.csr_matrix((values, column, splits), shape=(len(numbers), len(columns.rarity)))
