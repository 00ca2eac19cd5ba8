"""Values that are dropped while a model learns, at half the price."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

_LEVELS = 2**16
_VALUES_PER_DRAW = 4


class Dropout(keras.layers.Layer):
    """Sets a random share of the values to zero in training and scales the others up, so that their mean stays.

    Args:
        rate: Share of values dropped; it is rounded to a multiple of 1 / 65,536.
        **kwargs: Of `keras.layers.Layer`.

    References:
        Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        https://jmlr.org/papers/v15/srivastava14a.html. We differ from `keras.layers.Dropout` in drawing 16 random bits
        a value and not 32: in a narrow transformer on a CPU, dropout is an eighth of a training step.
    """

    def __init__(self, rate: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drops.

        Args:
            inputs: Any shape, floating point.
            training: Whether anything is dropped at all.

        Returns:
            The same shape and dtype.
        """
        dropped = round(self.rate * _LEVELS)
        if not training or not dropped:
            return inputs
        kept = _draw_levels(tf.shape(inputs)) >= tf.constant(dropped, tf.uint16)
        return inputs * (tf.cast(kept, inputs.dtype) * (_LEVELS / (_LEVELS - dropped)))

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "rate": self.rate}


def _draw_levels(shape: tf.Tensor) -> tf.Tensor:
    """Draws uint16 values from TensorFlow's seeded generator."""
    count = tf.reduce_prod(shape)
    seed = tf.random.uniform((2,), minval=tf.int64.min, maxval=tf.int64.max, dtype=tf.int64)
    draws = tf.random.stateless_uniform(
        [-(-count // _VALUES_PER_DRAW)], seed=seed, minval=None, maxval=None, dtype=tf.int64
    )
    return tf.reshape(tf.reshape(tf.bitcast(draws, tf.uint16), [-1])[:count], shape)
