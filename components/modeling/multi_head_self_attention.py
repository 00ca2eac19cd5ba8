"""Every position looks at every other position of its row."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class MultiHeadSelfAttention(keras.layers.Layer):
    """Scaled dot-product self-attention with several heads; padding is looked at by nobody.

    Args:
        num_heads: Heads that look independently.
        key_dim: Width of each head, for queries, keys and values alike.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> layer = MultiHeadSelfAttention(num_heads=2, key_dim=4)
        >>> layer(tf.zeros((3, 5, 8)), padding_mask=tf.ones((3, 5), tf.bool)).shape
        TensorShape([3, 5, 8])

    References:
        Vaswani et al. (2017), "Attention Is All You Need", section 3.2, https://arxiv.org/abs/1706.03762. Equal to
        `keras.layers.MultiHeadAttention(num_heads, key_dim)(x, x)` with the same weights. It differs in speed: plain
        matrix products instead of einsums, which on a CPU run several times slower than the products they stand
        for, and the scale 1 / sqrt(key_dim) goes to the query's weights, which are far smaller than the queries.
    """

    def __init__(self, num_heads: int, key_dim: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates a kernel and a bias for query, key, value and output."""
        width = input_shape[-1]
        inner = self.num_heads * self.key_dim
        for name in ("query", "key", "value"):
            self._add_projection(name, width, inner)
        self._add_projection("output", inner, width)
        super().build(input_shape)

    def _add_projection(self, name: str, rows: int, columns: int) -> None:
        kernel = self.add_weight(
            name=f"{name}_kernel", shape=(rows, columns), initializer=keras.initializers.GlorotUniform()
        )
        bias = self.add_weight(name=f"{name}_bias", shape=(columns,), initializer="zeros")
        setattr(self, f"{name}_kernel", kernel)
        setattr(self, f"{name}_bias", bias)

    def call(self, inputs: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Attends.

        Args:
            inputs: (batch, length, width), floating point.
            padding_mask: (batch, length) bool, True on tokens, False on padding.

        Returns:
            (batch, length, width). Positions of padding hold values that nothing may use.
        """
        shape = tf.shape(inputs)
        rows = tf.reshape(inputs, (-1, inputs.shape[-1]))  # (B * L, D)
        penalty = _penalty(padding_mask)
        scale = tf.cast(self.key_dim**-0.5, inputs.dtype)
        weights_of_heads = zip(
            *(
                tf.split(weights, self.num_heads, axis=-1)
                for weights in (
                    self.query_kernel * scale,
                    self.query_bias * scale,
                    self.key_kernel,
                    self.key_bias,
                    self.value_kernel,
                    self.value_bias,
                )
            ),
            strict=True,
        )
        contexts = [self._attend(rows, shape[:2], penalty, *weights) for weights in weights_of_heads]
        output = _affine(tf.concat(contexts, axis=-1), self.output_kernel, self.output_bias)
        return tf.reshape(output, shape)

    def _attend(
        self, rows: tf.Tensor, batch_and_length: tf.Tensor, penalty: tf.Tensor, *weights: tf.Tensor
    ) -> tf.Tensor:
        """What one head brings together, (B * L, K)."""
        shape = tf.concat([batch_and_length, [self.key_dim]], axis=0)
        query, key, value = (
            tf.reshape(_affine(rows, kernel, bias), shape)  # (B, L, K)
            for kernel, bias in zip(weights[::2], weights[1::2], strict=True)
        )
        scores = tf.matmul(query, key, transpose_b=True)  # (B, L, L)
        # A softmax in half precision loses the small shares, so it is always taken in float32.
        shares = tf.nn.softmax(tf.cast(scores, tf.float32) + penalty)
        return tf.reshape(tf.matmul(tf.cast(shares, rows.dtype), value), (-1, self.key_dim))

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "num_heads": self.num_heads, "key_dim": self.key_dim}


def _affine(rows: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(tf.matmul(rows, kernel), bias)


def _penalty(padding_mask: tf.Tensor) -> tf.Tensor:
    # Large enough that the exponential of a masked score is exactly 0 in float32, so no gradient passes either.
    return (tf.cast(padding_mask, tf.float32)[:, tf.newaxis, :] - 1.0) * 1e9  # (B, 1, L)
