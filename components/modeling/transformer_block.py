"""One block of a transformer's encoder."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.add_salt import add_salt
from agnews.components.modeling.dropout import Dropout
from agnews.components.modeling.layer_normalization import LayerNormalization
from agnews.components.modeling.multi_head_self_attention import MultiHeadSelfAttention


class TransformerBlock(keras.layers.Layer):
    """Self-attention and a feed-forward network, each with dropout, a residual and layer normalisation after it.

    Args:
        num_heads: Heads of the attention.
        key_dim: Width of each head.
        intermediate_dim: Width inside the feed-forward network.
        dropout: Share of values dropped after attention and after the feed-forward network.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> block = TransformerBlock(num_heads=2, key_dim=4, intermediate_dim=16, dropout=0.1)
        >>> block(tf.zeros((3, 5, 8)), padding_mask=tf.ones((3, 5), tf.bool)).shape
        TensorShape([3, 5, 8])

    References:
        Vaswani et al. (2017), "Attention Is All You Need", section 3.1, https://arxiv.org/abs/1706.03762: the
        post-norm block with ReLU. No dropout on attention weights.
    """

    def __init__(
        self, num_heads: int, key_dim: int, intermediate_dim: int, dropout: float = 0.0, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the parts, as wide as the input."""
        width = input_shape[-1]
        self.attention = MultiHeadSelfAttention(self.num_heads, self.key_dim, name="attention")
        self.attention_dropout = Dropout(self.dropout)
        self.attention_norm = LayerNormalization(name="attention_norm")
        self.inner = keras.layers.Dense(self.intermediate_dim, activation="relu", name="inner")
        self.outer = keras.layers.Dense(width, name="outer")
        self.feed_forward_dropout = Dropout(self.dropout)
        self.feed_forward_norm = LayerNormalization(name="feed_forward_norm")
        super().build(input_shape)

    def call(
        self,
        inputs: tf.Tensor,
        padding_mask: tf.Tensor,
        training: bool = False,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Transforms a batch of sequences.

        Args:
            inputs: (batch, length, width), floating point.
            padding_mask: (batch, length) bool, True on tokens.
            training: Whether values are dropped.
            seed: int64 (2,), needed where they are; the block adds salts 0 and 1. See `step_seed`.

        Returns:
            (batch, length, width). Positions of padding hold values that nothing may use.
        """
        attended = self.attention_dropout(self.attention(inputs, padding_mask), training=training, seed=seed)
        attended = self.attention_norm(inputs + attended)
        forwarded = self.feed_forward_dropout(
            self.outer(self.inner(attended)), training=training, seed=add_salt(seed, 1)
        )
        return self.feed_forward_norm(attended + forwarded)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
        }
