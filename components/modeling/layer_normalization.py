"""Layer normalisation over the last axis, with its gradient in few passes."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras


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
