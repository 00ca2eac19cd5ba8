"""Values that are dropped while a model learns, at half the price."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.draw_dropped import draw_dropped

_LEVELS = 2**16


class Dropout(keras.layers.Layer):
    """Sets a random share of the values to zero in training and scales the others up, so that their mean stays.

    Args:
        rate: Share of values dropped; it is rounded to a multiple of 1 / 65,536.
        **kwargs: Of `keras.layers.Layer`.

    References:
        Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        https://jmlr.org/papers/v15/srivastava14a.html. We differ from `keras.layers.Dropout` in drawing 16 random bits
        a value and not 32, from a seed that is handed in.
    """

    def __init__(self, rate: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Drops.

        Args:
            inputs: Any shape, floating point.
            training: Whether anything is dropped at all.
            seed: int64 (2,), needed where something is: the same seed drops the same values. See `step_seed`.

        Returns:
            The same shape and dtype.
        """
        dropped = round(self.rate * _LEVELS)
        if not training or not dropped:
            return inputs
        kept = ~draw_dropped(tf.shape(inputs), self.rate, seed)
        return inputs * (tf.cast(kept, inputs.dtype) * (_LEVELS / (_LEVELS - dropped)))

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "rate": self.rate}
