"""A network and a linear classifier that say together what a text is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras as keras

from agnews.schemas.features import PADDING_MASK, TOKEN_IDS


class EnsembleClassifier(keras.Model):
    """Adds the logits of classifiers that were trained apart, each times its weight.

    Args:
        members: Networks from word pieces to logits, each an `EmbeddingNetwork`.
        shares: What the logits of each are multiplied by.
        **kwargs: Of `keras.Model`.
    """

    def __init__(self, members: Sequence[keras.Model], shares: Sequence[float], **kwargs: object) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.members = list(members)
        self.shares = self.add_weight(
            name="shares",
            shape=(len(self.members),),
            initializer=keras.initializers.Constant(list(shares)),
            trainable=False,
        )
        one_text = tf.zeros((1, 2), tf.int32)
        # Which of the vectors that explanations hand over are whose.
        self._vectors = [len(member.embed(one_text)) for member in self.members]

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            inputs: `token_ids` (batch, length) int32, 0 on padding, and `padding_mask` (batch, length) bool, True on
                tokens.
            training: Of no meaning: the members are trained apart.

        Returns:
            Logits float32 (batch, num_classes).
        """
        tokens = {name: inputs[name] for name in (TOKEN_IDS, PADDING_MASK)}
        return self._join([member(tokens, training=False) for member in self.members])

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `EmbeddingNetwork`: the vectors of all members, one behind the other."""
        return tuple(vectors for member in self.members for vectors in member.embed(token_ids))

    def classify(self, embedded: tuple[tf.Tensor, ...], padding_mask: tf.Tensor) -> tf.Tensor:
        """See `EmbeddingNetwork`."""
        rest, logits = embedded, []
        for member, number in zip(self.members, self._vectors, strict=True):
            logits.append(member.classify(rest[:number], padding_mask))
            rest = rest[number:]
        return self._join(logits)

    def _join(self, logits: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.add_n([share * each for share, each in zip(tf.unstack(self.shares), logits, strict=True)])
