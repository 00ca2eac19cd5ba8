"""From a vector a row to the scores of its classes."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.add_salt import add_salt
from agnews.components.modeling.dropout import Dropout
from agnews.components.modeling.step_seed import step_seed


class ClassifierHead(keras.Model):
    """Dropout and a dense layer, or two with a ReLU and dropout between them.

    Args:
        num_classes: Classes to tell apart.
        head_dim: Width of the first of two dense layers; 0 leaves it out.
        dropout: Share of the values dropped before each dense layer while training.
        seed: Of what is dropped, where the head is trained by itself.
        **kwargs: Of `keras.Model`.
    """

    def __init__(
        self, *, num_classes: int, head_dim: int = 0, dropout: float = 0.0, seed: int = 0, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.features_dropout = Dropout(dropout, name="features_dropout")
        self.hidden = keras.layers.Dense(head_dim, activation="relu", name="hidden") if head_dim else None
        self.hidden_dropout = Dropout(dropout, name="hidden_dropout")
        # Half precision is too coarse for probabilities, so logits are float32 under every policy.
        self.logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")

    def call(self, features: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            features: float32 (batch, width).
            training: Whether dropout is in force.
            seed: int64 (2,) of the model that the head is a part of; None where it is trained by itself. It adds
                salts 0 and 1. See `step_seed`.

        Returns:
            Logits float32 (batch, num_classes).
        """
        if training and seed is None:
            seed = step_seed(self, self.seed)
        values = self.features_dropout(features, training=training, seed=seed)
        if self.hidden is not None:
            values = self.hidden_dropout(self.hidden(values), training=training, seed=add_salt(seed, 1))
        return self.logits(values)
