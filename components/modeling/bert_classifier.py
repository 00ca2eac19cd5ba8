"""A pre-trained BERT encoder with classes on top."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.classifier_head import ClassifierHead
from agnews.components.modeling.pooled_encoder import PooledEncoder


class BertClassifier(keras.Model):
    """Token ids to class logits: encoder, pooling, and a small head.

    Args:
        extractor: From tokens to a vector a row.
        head: From there to the classes.
        **kwargs: Of `keras.Model`.

    References:
        Devlin et al. (2018), "BERT", section 4.1, https://arxiv.org/abs/1810.04805.
    """

    def __init__(self, extractor: PooledEncoder, head: ClassifierHead, **kwargs: object) -> None:
        super().__init__(**kwargs)
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
        return self.head(self.extractor(inputs, training=training), training=training)
