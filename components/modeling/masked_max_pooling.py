"""From a vector a token to a vector a row: what any of its tokens shows."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class MaskedMaxPooling(keras.layers.Layer):
    """Takes the largest value of each feature over a row's tokens and leaves its padding out.

    Example:
        >>> vectors = tf.constant([[[1.0], [3.0], [99.0]]])
        >>> MaskedMaxPooling()(vectors, padding_mask=tf.constant([[True, True, False]])).numpy().tolist()
        [[3.0]]

    References:
        Collobert et al. (2011), "Natural Language Processing (Almost) from Scratch", section 3.3.2,
        https://arxiv.org/abs/1103.0398. A row without tokens gives zeros.
    """

    def call(self, inputs: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Pools.

        Args:
            inputs: (batch, length, width), floating point.
            padding_mask: (batch, length) bool, True on tokens.

        Returns:
            (batch, width).
        """
        lowest = inputs.dtype.min
        largest = tf.reduce_max(tf.where(padding_mask[..., tf.newaxis], inputs, lowest), axis=1)
        return tf.where(largest > lowest, largest, tf.zeros_like(largest))
