"""A pre-trained BERT encoder with classes on top."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.dropout import Dropout, add_salt, step_seed
from agnews.components.modeling.pooled_encoder import PooledEncoder


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


_SALT_OF_ENCODER = 1024
"""The encoder adds salts of its own to this one; those below are the head's."""


class BertClassifier(keras.Model):
    """Token ids to class logits: encoder, pooling, and a small head.

    Args:
        backbone: From tokens to a vector a row.
        head: From there to the classes.
        seed: Of what is dropped in training.
        **kwargs: Of `keras.Model`.

    References:
        Devlin et al. (2018), "BERT", section 4.1, https://arxiv.org/abs/1810.04805.
    """

    def __init__(self, backbone: PooledEncoder, head: ClassifierHead, seed: int = 0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.backbone = backbone
        self.head = head

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            inputs: `token_ids` (batch, length) int32, 0 on padding, and `padding_mask` (batch, length) bool, True on
                tokens.
            training: Whether dropout is in force.

        Returns:
            Logits float32 (batch, num_classes).
        """
        seed = step_seed(self, self.seed) if training else None
        features = self.backbone(inputs, training=training, seed=add_salt(seed, _SALT_OF_ENCODER))
        return self.head(features, training=training, seed=seed)

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `EmbeddingNetwork`: the vectors of word pieces, (batch, length, width of the encoder)."""
        return (self.backbone.embed(token_ids),)

    def classify(self, embedded: tuple[tf.Tensor, ...], padding_mask: tf.Tensor) -> tf.Tensor:
        """See `EmbeddingNetwork`."""
        (of_words,) = embedded
        return self.head(self.backbone.encode(of_words, padding_mask))
