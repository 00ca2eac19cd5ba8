"""Hands each batch out to several copies of a model."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def replica_batches(
    strategy: tf.distribute.Strategy, create: Callable[[], tf.data.Dataset], *, weighted: bool
) -> tf.distribute.DistributedDataset:
    """Cuts batches into as many parts as there are replicas.

    Each process makes the same batches and takes its own parts, so rows are neither lost nor seen twice, and all parts
    keep the padding of their batch. Rows lie in memory: making a batch is a few microseconds a row.

    Args:
        strategy: Says who the replicas are.
        create: Makes the batches that all replicas share: elements (features, labels (rows,)).
        weighted: Whether to add a weight to each row, with which the mean over replicas of the mean over rows is the
            mean over all rows, although the last batch of an epoch may leave parts of different size. (In the mean
            that Keras reports, rows of the larger parts then weigh a little more.)

    Returns:
        Elements (features, labels) or (features, labels, weights float32 (rows of the part,)) for each replica.
    """

    def of_this_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync
        here = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def cut(features: object, labels: tf.Tensor) -> tf.data.Dataset:
            rows = tf.shape(labels)[0]

            def part(replica: tf.Tensor) -> tuple[object, ...]:
                start, stop = replica * rows // replicas, (replica + 1) * rows // replicas
                taken = tf.nest.map_structure(lambda values: values[start:stop], (features, labels))
                if not weighted:
                    return tuple(taken)
                weight = tf.cast((stop - start) * replicas, tf.float32) / tf.cast(rows, tf.float32)
                return (*taken, tf.fill([stop - start], weight))

            return tf.data.Dataset.range(first, first + here, output_type=tf.int32).map(part)

        return create().flat_map(cut).prefetch(4 * here)

    return strategy.distribute_datasets_from_function(of_this_process)
