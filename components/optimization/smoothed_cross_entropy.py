"""Cross-entropy against labels that are not taken for certain."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras


class SmoothedCrossEntropy(keras.losses.Loss):
    """Softmax cross-entropy of class numbers, a share of each label spread evenly over all classes.

    Args:
        label_smoothing: The share that is spread; 0 gives plain cross-entropy.
        class_weights: What a row counts by its class, (classes,); None counts rows alike.
        **kwargs: Of `keras.losses.Loss`.

    References:
        Szegedy et al. (2015), "Rethinking the Inception Architecture", section 7, https://arxiv.org/abs/1512.00567.
        Equal to `keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=...)` on one-hot labels.
    """

    def __init__(
        self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each row.

        Args:
            y_true: (batch,) int, 0-based class numbers.
            y_pred: Logits (batch, num_classes), or those of several branches (batch, branches, num_classes), whose
                losses are added up.

        Returns:
            (batch,), nats.
        """
        classes = y_pred.shape[-1]
        certain = tf.one_hot(tf.reshape(tf.cast(y_true, tf.int32), (-1,)), classes, dtype=y_pred.dtype)
        smoothed = certain * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        if y_pred.shape.rank == 2:
            losses = tf.nn.softmax_cross_entropy_with_logits(smoothed, y_pred)
        else:
            of_all = tf.broadcast_to(smoothed[:, tf.newaxis], tf.shape(y_pred))
            losses = tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits(of_all, y_pred), axis=1)
        if self.class_weights is None:
            return losses
        return losses * tf.reduce_sum(certain * tf.constant(self.class_weights, y_pred.dtype), axis=1)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
        }


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
