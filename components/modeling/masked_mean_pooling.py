"""From a vector a token to a vector a row."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class MaskedMeanPooling(keras.layers.Layer):
    """Averages the vectors of a row's tokens and leaves its padding out.

    Example:
        >>> vectors = tf.constant([[[1.0], [3.0], [99.0]]])
        >>> MaskedMeanPooling()(vectors, padding_mask=tf.constant([[True, True, False]])).numpy().tolist()
        [[2.0]]

    References:
        Lin, Chen, Yan (2013), "Network In Network", section 3.2, https://arxiv.org/abs/1312.4400. We differ from
        `keras.layers.GlobalAveragePooling1D` by an empty row, which gives zeros there and here but never a NaN.
    """

    def call(self, inputs: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Pools.

        Args:
            inputs: (batch, length, width), floating point.
            padding_mask: (batch, length) bool, True on tokens.

        Returns:
            (batch, width).
        """
        weights = tf.cast(padding_mask, inputs.dtype)[..., tf.newaxis]  # (B, L, 1)
        total = tf.reduce_sum(inputs * weights, axis=1)
        return total / tf.maximum(tf.reduce_sum(weights, axis=1), 1)
