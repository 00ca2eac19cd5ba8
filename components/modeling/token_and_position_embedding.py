"""What a word piece means plus where it stands."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class TokenAndPositionEmbedding(keras.layers.Layer):
    """Adds a learned vector of the token and a learned vector of its position.

    Args:
        vocabulary_size: Ids are 0 to vocabulary_size - 1.
        max_length: Longest sequence that can be embedded.
        hidden_dim: Width of the vectors.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> layer = TokenAndPositionEmbedding(vocabulary_size=100, max_length=16, hidden_dim=8)
        >>> layer(tf.constant([[2, 7, 3], [2, 3, 0]])).shape
        TensorShape([2, 3, 8])

    References:
        Vaswani et al. (2017), "Attention Is All You Need", sections 3.4 and 3.5, https://arxiv.org/abs/1706.03762.
        Positions are learned, as in BERT, whose
        deviation of 0.02 both tables start with, and the sum is not scaled.
    """

    def __init__(self, vocabulary_size: int, max_length: int, hidden_dim: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.max_length = max_length
        self.hidden_dim = hidden_dim

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the two tables."""
        self.token_embedding = self._add_table("token_embedding", self.vocabulary_size)
        self.position_embedding = self._add_table("position_embedding", self.max_length)
        super().build(input_shape)

    def _add_table(self, name: str, rows: int) -> tf.Variable:
        return self.add_weight(
            name=name,
            shape=(rows, self.hidden_dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            # In half precision Keras would cast the whole table for the few rows that a batch needs.
            experimental_autocast=False,
        )

    def call(self, token_ids: tf.Tensor) -> tf.Tensor:
        """Embeds.

        Args:
            token_ids: (batch, length) int32, length at most max_length.

        Returns:
            (batch, length, hidden_dim), floating point.
        """
        length = tf.shape(token_ids)[1]
        embedded = tf.gather(self.token_embedding, token_ids) + self.position_embedding[:length]
        return tf.cast(embedded, self.compute_dtype)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "max_length": self.max_length,
            "hidden_dim": self.hidden_dim,
        }
