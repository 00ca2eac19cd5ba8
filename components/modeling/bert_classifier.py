"""A pre-trained BERT encoder with classes on top."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.add_salt import add_salt
from agnews.components.modeling.classifier_head import ClassifierHead
from agnews.components.modeling.pooled_encoder import PooledEncoder
from agnews.components.modeling.step_seed import step_seed

_SALT_OF_ENCODER = 1024
"""The encoder adds salts of its own to this one; those below are the head's."""


class BertClassifier(keras.Model):
    """Token ids to class logits: encoder, pooling, and a small head.

    Args:
        extractor: From tokens to a vector a row.
        head: From there to the classes.
        seed: Of what is dropped in training.
        **kwargs: Of `keras.Model`.

    References:
        Devlin et al. (2018), "BERT", section 4.1, https://arxiv.org/abs/1810.04805.
    """

    def __init__(self, extractor: PooledEncoder, head: ClassifierHead, seed: int = 0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.extractor = extractor
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
        features = self.extractor(inputs, training=training, seed=add_salt(seed, _SALT_OF_ENCODER))
        return self.head(features, training=training, seed=seed)

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `EmbeddingNetwork`: the vectors of word pieces, (batch, length, width of the encoder)."""
        return (self.extractor.embed(token_ids),)

    def classify(self, embedded: tuple[tf.Tensor, ...], padding_mask: tf.Tensor) -> tf.Tensor:
        """See `EmbeddingNetwork`."""
        (of_words,) = embedded
        return self.head(self.extractor.encode(of_words, padding_mask))
