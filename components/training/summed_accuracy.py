"""Accuracy of a network, whether it hands out one set of logits or several to be summed."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class SummedAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Share of rows whose class has the largest logit, summed over the branches of the network if it has some."""

    def update_state(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> tf.Operation | None:
        """Counts a batch.

        Args:
            y_true: (batch,) int, 0-based class numbers.
            y_pred: Logits (batch, num_classes) or (batch, branches, num_classes).
            sample_weight: (batch,), or None for rows that count alike.
        """
        logits = y_pred if y_pred.shape.rank == 2 else tf.reduce_sum(y_pred, axis=1)
        return super().update_state(y_true, logits, sample_weight)
