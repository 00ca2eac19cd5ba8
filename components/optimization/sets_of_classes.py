"""What a network learns from texts that have several classes, or none: each class by itself is there or not."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class SummedBinaryCrossEntropy(keras.losses.Loss):
    """Sigmoid cross-entropy of each class, summed over the classes: that of the set, if they come independently.

    Args:
        label_smoothing: The share of a row's labels that is spread evenly over all classes; 0 spreads nothing.
        **kwargs: Of `keras.losses.Loss`.
    """

    def __init__(self, label_smoothing: float = 0.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each row.

        Args:
            y_true: (batch, num_classes) int, 1 for each class that a row has.
            y_pred: Logits (batch, num_classes), or those of several branches (batch, branches, num_classes), whose
                losses are added up.

        Returns:
            (batch,), nats.
        """
        marks = tf.cast(y_true, y_pred.dtype)
        wanted = marks * (1.0 - self.label_smoothing)
        wanted += self.label_smoothing * tf.reduce_mean(marks, axis=-1, keepdims=True)
        if y_pred.shape.rank == 2:
            return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(wanted, y_pred), axis=-1)
        of_all = tf.broadcast_to(wanted[:, tf.newaxis], tf.shape(y_pred))
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(of_all, y_pred), axis=[1, 2])

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


class SubsetAccuracy(keras.metrics.Mean):
    """Share of rows of which every class is right at a probability of one half, branches summed if there are some."""

    def update_state(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> tf.Operation | None:
        """Counts a batch.

        Args:
            y_true: (batch, num_classes) int, 1 for each class that a row has.
            y_pred: Logits (batch, num_classes) or (batch, branches, num_classes).
            sample_weight: (batch,), or None for rows that count alike.
        """
        logits = y_pred if y_pred.shape.rank == 2 else tf.reduce_sum(y_pred, axis=1)
        right = tf.reduce_all((logits > 0.0) == (tf.cast(y_true, tf.int32) > 0), axis=-1)
        return super().update_state(tf.cast(right, tf.float32), sample_weight)
