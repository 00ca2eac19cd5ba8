"""A network that can be entered behind its lookup of word pieces."""

from __future__ import annotations

from typing import Protocol

import tensorflow as tf


class EmbeddingNetwork(Protocol):
    """A classifier in two halves: from word pieces to vectors, and from vectors to classes.

    The second half takes any vectors, such as those on the way from one text to another, which is what an explanation
    by gradients needs. Training and serving do not use the halves: they call the network.
    """

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Looks word pieces up.

        Args:
            token_ids: (batch, length) int32, of the vocabulary, 0 on padding.

        Returns:
            One tensor or more, float32 (batch, length, ...): all that the second half may know about the pieces.
        """

    def classify(self, embedded: tuple[tf.Tensor, ...], padding_mask: tf.Tensor) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            embedded: Tensors such as `embed` returns.
            padding_mask: (batch, length) bool, True on tokens.

        Returns:
            Logits float32 (batch, num_classes): for what `embed` returns, those of the network.
        """
