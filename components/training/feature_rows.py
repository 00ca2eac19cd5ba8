"""Rows as a frozen encoder leaves them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf


@dataclass(frozen=True)
class FeatureRows:
    """A vector a row.

    Attributes:
        features: float32 (rows, width).
        labels: int64 (rows,), 0-based.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.labels)

    def dataset(
        self,
        *,
        batch_size: int,
        seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
        epochs: int = 1,
    ) -> tf.data.Dataset:
        """Hands the rows out in batches; see `TrainingRows`.

        Returns:
            Elements are `(features float32 (batch, width), labels int64 (batch,))`.
        """
        features, labels = tf.constant(self.features), tf.constant(self.labels)
        batches = math.ceil(len(self) / batch_size)

        def epoch_of_batches(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.range(len(self))
            if seed is not None:
                order = tf.random.experimental.stateless_shuffle(order, seed=[seed, epoch])
            return tf.data.Dataset.range(batches).map(
                lambda number: order[number * batch_size : (number + 1) * batch_size]
            )

        indices = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_of_batches).skip(first_batch)
        dataset = indices.map(lambda chosen: (tf.gather(features, chosen), tf.gather(labels, chosen))).prefetch(4)
        return dataset.apply(
            tf.data.experimental.assert_cardinality(max(0, batches * (epochs - first_epoch) - first_batch))
        )
