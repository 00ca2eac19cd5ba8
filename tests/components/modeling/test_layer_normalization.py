from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.transformer_block import LayerNormalization


def test_outputs_and_gradients_equal_those_of_keras(hidden: tf.Tensor) -> None:
    ours, reference = LayerNormalization(epsilon=1e-6), keras.layers.LayerNormalization(epsilon=1e-6)
    ours.build(hidden.shape)
    reference.build(hidden.shape)
    weights = [np.linspace(0.5, 2.0, 8), np.linspace(-1.0, 1.0, 8)]
    upstream = tf.random.stateless_normal(hidden.shape, seed=(1, 2))
    results = []
    for layer in (ours, reference):
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            output = layer(hidden)
        gradients = tape.gradient(output, [hidden, layer.gamma, layer.beta], output_gradients=upstream)
        results.append([output, *gradients])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_half_precision_is_normalised_in_float32() -> None:
    large = tf.constant([[60000.0, 59000.0]], tf.float16)

    output = LayerNormalization(dtype="float16")(large)

    assert output.dtype == tf.float16
    np.testing.assert_allclose(output, [[1.0, -1.0]], atol=1e-2)
