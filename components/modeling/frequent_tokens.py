"""The word pieces that a model can learn something about."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras


class FrequentTokens(keras.layers.Layer):
    """Numbers the word pieces that are frequent enough, and takes all others for [UNK].

    A third of a vocabulary of 30,000 does not occur in 30,000 news. Vectors of pieces that were never seen stay as
    they were drawn, which is noise at best; without them a model is smaller, and an optimiser's step quicker.

    Args:
        table: For each id of the vocabulary, the id that the model knows it by.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> FrequentTokens([0, 1, 1, 2])(tf.constant([[3, 2, 0]])).numpy().tolist()
        [[2, 1, 0]]
    """

    def __init__(self, table: Sequence[int], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._initial = tuple(table)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the table, a weight that is not trained: it belongs to a checkpoint as much as the vectors do."""
        self.table = self.add_weight(
            name="table",
            shape=(len(self._initial),),
            dtype=tf.int32,
            initializer=keras.initializers.Constant(self._initial),
            trainable=False,
        )
        super().build(input_shape)

    def call(self, token_ids: tf.Tensor) -> tf.Tensor:
        """Looks ids up.

        Args:
            token_ids: (batch, length) int32, of the vocabulary.

        Returns:
            (batch, length) int32, of the model.
        """
        return tf.gather(self.table, token_ids)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "table": list(self._initial)}
