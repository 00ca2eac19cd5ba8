"""A linear classifier of word pairs, to stand beside a network."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.dropout import Dropout

_MULTIPLIER = 1_000_003  # A prime well above any vocabulary: pairs of ids spread over the buckets.
_NARROW = 1 << 21  # Up to so many buckets, 32 bits and a float's 24 are wide enough for the parts of a product.
_SCALE = 20.0  # Adam moves a weight by about the learning rate; times this, as fast as a linear model should learn.


class BigramBranch(keras.layers.Layer):
    """Logits from the pairs of neighbouring word pieces in a row, each pair hashed into a table of class weights.

    Args:
        num_classes: Classes to tell apart.
        buckets: Rows of the table; pairs that fall into the same one share its weights.
        special_ids: Ids that are part of no pair: [PAD], [CLS], [SEP].
        dropout: Share of the pairs left out while training.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> branch = BigramBranch(num_classes=4, buckets=1000, special_ids=(0, 2, 3))
        >>> branch(tf.constant([[2, 7, 8, 3]])).numpy().tolist()
        [[0.0, 0.0, 0.0, 0.0]]

    References:
        Joulin et al. (2016), "Bag of Tricks for Efficient Text Classification", section 2.2,
        https://arxiv.org/abs/1607.01759, for hashed bigrams; Cheng et al. (2016), "Wide & Deep Learning",
        https://arxiv.org/abs/1606.07792, for a linear model beside a deep one. We differ: each has a loss of its own.
        Trained on the loss of their sum, pairs learn the training rows by heart and the network next to nothing.
    """

    def __init__(
        self,
        num_classes: int,
        buckets: int,
        special_ids: Sequence[int],
        dropout: float = 0.0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.buckets = buckets
        self.special_ids = tuple(special_ids)
        self.dropout = dropout
        self.pair_dropout = Dropout(dropout, dtype="float32", name="pair_dropout")

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the table and the classes' biases, all zero."""
        self.table = self.add_weight(
            name="pair_table",
            shape=(self.buckets, self.num_classes),
            initializer="zeros",
            experimental_autocast=False,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.num_classes,), initializer="zeros", experimental_autocast=False
        )
        super().build(input_shape)

    def call(self, token_ids: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            token_ids: (batch, length) int32, of the vocabulary, 0 on padding.
            training: Whether pairs are left out.
            seed: int64 (2,), needed where they are; see `step_seed`.

        Returns:
            Logits (batch, num_classes) float32.
        """
        bucket, is_pair = self._pairs(token_ids)
        count = tf.reduce_sum(is_pair, axis=1, keepdims=True)
        is_pair = self.pair_dropout(is_pair, training=training, seed=seed)
        total = tf.reduce_sum(tf.gather(self.table, bucket) * is_pair[..., tf.newaxis], axis=1)
        return _SCALE * total * tf.math.rsqrt(count + 1e-6) + self.bias

    def shares(self, token_ids: tf.Tensor) -> tf.Tensor:
        """What each word piece brings to the logits: half of each pair that it is a part of.

        Args:
            token_ids: (batch, length) int32, of the vocabulary, 0 on padding.

        Returns:
            (batch, length, num_classes) float32. Their sum over a row and `bias` are its logits.
        """
        bucket, is_pair = self._pairs(token_ids)
        count = tf.reduce_sum(is_pair, axis=1, keepdims=True)[..., tf.newaxis]
        pairs = tf.gather(self.table, bucket) * is_pair[..., tf.newaxis]
        halves = 0.5 * _SCALE * pairs * tf.math.rsqrt(count + 1e-6)
        return tf.pad(halves, [[0, 0], [0, 1], [0, 0]]) + tf.pad(halves, [[0, 0], [1, 0], [0, 0]])

    def _pairs(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The bucket of each pair of neighbours, and 1.0 where both are words; (batch, length - 1) each."""
        is_word = tf.ones_like(token_ids, tf.bool)
        for special in self.special_ids:
            is_word &= token_ids != special
        return self._bucket(token_ids[:, :-1], token_ids[:, 1:]), tf.cast(is_word[:, :-1] & is_word[:, 1:], tf.float32)

    def _bucket(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """(first * _MULTIPLIER + second) % buckets, int32, without a number that engines for serving cut off.

        OpenVINO computes 64 bits in 32, and the remainder of a division in floats, which are exact up to 24. So the
        product is summed from two bytes of `first`, each part brought down by a quotient that may be wrong by one, and
        a last division makes good for that.
        """
        if self.buckets > _NARROW:
            wide = tf.cast(first, tf.int64) * _MULTIPLIER + tf.cast(second, tf.int64)
            return tf.cast(wide % self.buckets, tf.int32)
        multiplier = _MULTIPLIER % self.buckets
        high = first // 256
        parts = ((high, 256 * multiplier % self.buckets), (first - 256 * high, multiplier))
        total = second
        for part, factor in parts:
            product = part * factor
            quotient = tf.cast(tf.cast(product, tf.float32) / float(self.buckets), tf.int32)
            total += product - quotient * self.buckets
        return total % self.buckets

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "buckets": self.buckets,
            "special_ids": list(self.special_ids),
            "dropout": self.dropout,
        }
