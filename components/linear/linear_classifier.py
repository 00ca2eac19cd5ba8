"""A linear classifier of n-grams as a network: from word pieces to logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from agnews.components.linear.count_ngrams import NgramColumns
from agnews.components.linear.ngram_hash import NgramHash, Occurrences
from agnews.components.linear.squared_hinge import LinearWeights
from agnews.schemas.features import TOKEN_IDS


class _Known(NamedTuple):
    """The n-grams of one family that the model knows, as they stand in a batch."""

    value: tf.Tensor
    """float32 (occurrences,); a text's sum for an n-gram is its weight in the text."""
    column: tf.Tensor
    row: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor


class LinearClassifier(keras.Model):
    """Adds up what the n-grams of a text say for each class.

    Args:
        ngrams: Finds them.
        columns: Which of them the model knows.
        weights: What each of them says.
        **kwargs: Of `keras.Model`.
    """

    def __init__(self, ngrams: NgramHash, columns: NgramColumns, weights: LinearWeights, **kwargs: object) -> None:
        super().__init__(dtype="float32", **kwargs)
        self._ngrams = ngrams
        self.table = self._weight("table", columns.table)
        self.rarity = self._weight("rarity", columns.rarity)
        self.kernel = self._weight("kernel", weights.kernel)
        self.bias = self._weight("bias", weights.bias)

    def _weight(self, name: str, values: np.ndarray) -> tf.Variable:
        return self.add_weight(
            name=name,
            shape=values.shape,
            dtype=tf.as_dtype(values.dtype),
            initializer=lambda shape, dtype: tf.constant(values, dtype, shape),
            trainable=name in {"kernel", "bias"},
        )

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            inputs: `token_ids` (batch, length) int32, 0 on padding.
            training: Of no meaning: weights are solved for, not trained by gradients.

        Returns:
            Logits float32 (batch, classes).
        """
        token_ids = inputs[TOKEN_IDS]
        rows = tf.shape(token_ids)[0]
        shape = tf.cast([rows, tf.shape(self.kernel)[0]], tf.int64)
        logits = tf.zeros([rows, tf.shape(self.bias)[0]]) + self.bias
        for found in self._ngrams.find(self._ngrams.spell(token_ids)):
            known = self._known(found, rows)
            places = tf.stack([tf.cast(known.row, tf.int64), tf.cast(known.column, tf.int64)], axis=1)
            logits += tf.sparse.sparse_dense_matmul(tf.SparseTensor(places, known.value, shape), self.kernel)
        return logits

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Shares logits out over word pieces: an n-gram gives each of its characters the same.

        Args:
            token_ids: (batch, length) int32, 0 on padding.

        Returns:
            float32 (batch, length, classes). Their sum over a row and `bias` are its logits.
        """
        spelling = self._ngrams.spell(token_ids)
        shape = tf.shape(token_ids)
        classes = tf.shape(self.bias)[0]
        # Where an n-gram begins, what its characters say rises, and behind its end it falls by as much.
        changes = tf.zeros([tf.size(spelling.codes) + 1, classes], tf.float64)
        for found in self._ngrams.find(spelling):
            known = self._known(found, shape[0])
            share = known.value / tf.cast(known.end - known.start, tf.float32)
            says = tf.cast(share[:, tf.newaxis] * tf.gather(self.kernel, known.column), tf.float64)
            changes = tf.tensor_scatter_nd_add(changes, known.start[:, tf.newaxis], says)
            changes = tf.tensor_scatter_nd_add(changes, known.end[:, tf.newaxis], -says)
        of_characters = tf.cast(tf.cumsum(changes)[:-1], tf.float32)
        of_tokens = tf.math.unsorted_segment_sum(of_characters, spelling.token, shape[0] * shape[1])
        return (tf.reshape(of_tokens, [shape[0], shape[1], classes]),)

    def classify(self, embedded: tuple[tf.Tensor, ...], padding_mask: tf.Tensor) -> tf.Tensor:
        """Adds up what word pieces say; see `agnews.components.modeling.classifier.EmbeddingNetwork`."""
        del padding_mask
        return tf.reduce_sum(embedded[0], axis=1) + self.bias

    def _known(self, found: Occurrences, rows: tf.Tensor) -> _Known:
        columns = tf.gather(self.table, found.bucket)
        known = tf.reshape(tf.where(columns >= 0), [-1])
        column = tf.gather(columns, known)
        row, start, end = (tf.gather(each, known) for each in (found.row, found.start, found.end))
        width = tf.cast(tf.shape(self.kernel)[0], tf.int64)
        entries, entry, counts = tf.unique_with_counts(tf.cast(row, tf.int64) * width + tf.cast(column, tf.int64))
        of_row, count = tf.cast(entries // width, tf.int32), tf.cast(counts, tf.float32)
        value = (1.0 + tf.math.log(count)) * tf.gather(self.rarity, tf.cast(entries % width, tf.int32))
        squares = tf.math.unsorted_segment_sum(value * value, of_row, rows)
        value *= tf.math.rsqrt(tf.maximum(tf.gather(squares, of_row), 1e-12)) / count
        return _Known(tf.gather(value, entry), column, row, start, end)
