"""Batches of rows of similar length, each padded to its own longest row and no further."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from agnews.schemas.features import PADDING_MASK, TOKEN_IDS

if TYPE_CHECKING:
    from agnews.components.training.token_rows import TokenRows

BUCKET_WIDTH = 4
"""Rows whose lengths round up to the same multiple of this may share a batch; a row then gets at most 3 positions of
padding, and which rows share a batch still differs from epoch to epoch."""


def length_bucketed_dataset(
    rows: TokenRows,
    *,
    batch_size: int,
    seed: int | None = None,
    first_epoch: int = 0,
    first_batch: int = 0,
    epochs: int = 1,
) -> tf.data.Dataset:
    """Returns batches of similar length, shuffled anew in each epoch.

    The rows of an epoch are shuffled, sorted by their bucket of lengths (rows of one bucket stay shuffled), cut into
    batches, and the batches are shuffled. So every batch but the one with the longest rows is full, and the number
    of batches is known: `batches_per_epoch`. The order depends on the seed and the number of the epoch alone, so
    that a run that is taken up in the middle sees what it would have seen.

    Args:
        rows: What to learn from.
        batch_size: Rows in a batch.
        seed: Seed of the order; None keeps one order for all epochs, shortest rows first.
        first_epoch: Number of the first epoch that is handed out, from 0.
        first_batch: Batches of that epoch that are left out; they are not even made.
        epochs: Number of epochs in the whole run.

    Returns:
        Epochs first_epoch to epochs - 1, one behind the other. Elements are `({token_ids: int32 (batch, length),
        padding_mask: bool (batch, length)}, labels: int64 (batch,))`.
    """
    ids = tf.RaggedTensor.from_row_splits(rows.token_ids, rows.row_splits, validate=False)
    labels = tf.constant(rows.labels)
    buckets = tf.constant(-(-rows.lengths // BUCKET_WIDTH), tf.int32)
    batches = batches_per_epoch(len(rows), batch_size)
    longest = int(rows.lengths.max(initial=0))

    def batch(indices: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        chosen = tf.gather(ids, indices)
        padded = chosen.to_tensor()
        if rows.length_multiple > 1:
            width = tf.shape(padded)[1]
            wanted = tf.minimum(-(-width // rows.length_multiple) * rows.length_multiple, longest)
            padded = tf.pad(padded, [[0, 0], [0, wanted - width]])
        features = {
            TOKEN_IDS: padded,
            PADDING_MASK: tf.sequence_mask(chosen.row_lengths(), tf.shape(padded)[1]),
        }
        return features, tf.gather(labels, indices)

    def epoch_of_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        everyone = tf.range(len(rows))
        if seed is None:
            order, batch_order = tf.argsort(buckets, stable=True), tf.range(batches)
        else:
            shuffled = tf.random.experimental.stateless_shuffle(everyone, seed=[seed, 2 * epoch])
            order = tf.gather(shuffled, tf.argsort(tf.gather(buckets, shuffled), stable=True))
            batch_order = tf.random.experimental.stateless_shuffle(tf.range(batches), seed=[seed, 2 * epoch + 1])
        return tf.data.Dataset.from_tensor_slices(batch_order).map(
            lambda number: order[number * batch_size : (number + 1) * batch_size]
        )

    indices = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_of_batches).skip(first_batch)
    dataset = indices.map(batch, num_parallel_calls=1).prefetch(4)
    return dataset.apply(
        tf.data.experimental.assert_cardinality(max(0, batches * (epochs - first_epoch) - first_batch))
    )


def batches_per_epoch(num_rows: int, batch_size: int) -> int:
    """Returns how many batches an epoch has.

    Args:
        num_rows: Rows in the data.
        batch_size: Rows in a batch.

    Returns:
        The number of batches; the last one may be smaller.
    """
    return math.ceil(num_rows / batch_size)
