"""Where in its row a token stands."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector of its position to each token.

    Args:
        max_length: Longest sequence that can be embedded.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> PositionEmbedding(max_length=16)(tf.zeros((2, 3, 8))).shape
        TensorShape([2, 3, 8])

    References:
        Vaswani et al. (2017), "Attention Is All You Need", section 3.5, https://arxiv.org/abs/1706.03762. Positions
        are learned, as in BERT, whose deviation of 0.02 they start with.
    """

    def __init__(self, max_length: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the table of positions."""
        self.table = self.add_weight(
            name="table",
            shape=(self.max_length, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Adds positions.

        Args:
            inputs: (batch, length, width), length at most max_length.

        Returns:
            The same shape.
        """
        return inputs + self.table[: tf.shape(inputs)[1]]

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "max_length": self.max_length}
