"""One block of a transformer's encoder."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.dropout import Dropout, add_salt


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


class LayerNormalization(keras.layers.Layer):
    """Gives each position mean 0 and variance 1, then scales and shifts by learned weights.

    Statistics are computed in float32, whatever the precision of the input.

    Args:
        epsilon: Added to the variance.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> LayerNormalization(epsilon=1e-6)(tf.constant([[1.0, 3.0]])).numpy().round(3).tolist()
        [[-1.0, 1.0]]

    References:
        Ba, Kiros, Hinton (2016), "Layer Normalization", https://arxiv.org/abs/1607.06450. We differ from
        `keras.layers.LayerNormalization` in speed alone: it differentiates the mean and the variance op by op, we
        write the three terms of the gradient down, which halves the passes over memory.
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates `gamma` and `beta`, both (width,)."""
        width = input_shape[-1]
        self.gamma = self.add_weight(name="gamma", shape=(width,), initializer="ones", experimental_autocast=False)
        self.beta = self.add_weight(name="beta", shape=(width,), initializer="zeros", experimental_autocast=False)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises.

        Args:
            inputs: (..., width), floating point.

        Returns:
            The same shape and dtype.
        """
        x, gamma, beta = (tf.cast(each, tf.float32) for each in (inputs, self.gamma, self.beta))
        return tf.cast(_normalise(x, gamma, beta, self.epsilon), inputs.dtype)

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "epsilon": self.epsilon}


def _normalise(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    @tf.custom_gradient
    def with_gradient(
        x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]]:
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        inverse_deviation = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True) + epsilon)
        unit = centred * inverse_deviation

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # dL/dx = (g - mean(g) - unit * mean(g * unit)) / deviation, with g = dL/dy * gamma
            g = upstream * gamma
            to_inputs = inverse_deviation * (
                g - tf.reduce_mean(g, axis=-1, keepdims=True) - unit * tf.reduce_mean(g * unit, axis=-1, keepdims=True)
            )
            width = x.shape[-1]
            to_gamma = tf.reduce_sum(tf.reshape(upstream * unit, (-1, width)), axis=0)
            to_beta = tf.reduce_sum(tf.reshape(upstream, (-1, width)), axis=0)
            return to_inputs, to_gamma, to_beta

        return unit * gamma + beta, gradient

    return with_gradient(inputs, gamma, beta)


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


class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector of its position to each token.

    Args:
        max_length: Longest sequence that can be embedded.
        **kwargs: Of `keras.layers.Layer`.

    Example:
        >>> PositionEmbedding(max_length=16)(tf.zeros((2, 3, 8))).shape
        TensorShape([2, 3, 8])

    References:
        Vaswani et al. (2017), "Attention Is All You Need", section 3.5, https://arxiv.org/abs/1706.03762. Positions
        are learned, as in BERT, whose deviation of 0.02 they start with.
    """

    def __init__(self, max_length: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the table of positions."""
        self.table = self.add_weight(
            name="table",
            shape=(self.max_length, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Adds positions.

        Args:
            inputs: (batch, length, width), length at most max_length.

        Returns:
            The same shape.
        """
        return inputs + self.table[: tf.shape(inputs)[1]]

    def get_config(self) -> dict[str, object]:
        """What `from_config` needs."""
        return {**super().get_config(), "max_length": self.max_length}


class MaskedMeanPooling(keras.layers.Layer):
    """Averages the vectors of a row's tokens and leaves its padding out.

    Example:
        >>> vectors = tf.constant([[[1.0], [3.0], [99.0]]])
        >>> MaskedMeanPooling()(vectors, padding_mask=tf.constant([[True, True, False]])).numpy().tolist()
        [[2.0]]

    References:
        Lin, Chen, Yan (2013), "Network In Network", section 3.2, https://arxiv.org/abs/1312.4400. We differ from
        `keras.layers.GlobalAveragePooling1D` by an empty row, which gives zeros there and here but never a NaN.
    """

    def call(self, inputs: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Pools.

        Args:
            inputs: (batch, length, width), floating point.
            padding_mask: (batch, length) bool, True on tokens.

        Returns:
            (batch, width).
        """
        weights = tf.cast(padding_mask, inputs.dtype)[..., tf.newaxis]  # (B, L, 1)
        total = tf.reduce_sum(inputs * weights, axis=1)
        return total / tf.maximum(tf.reduce_sum(weights, axis=1), 1)
