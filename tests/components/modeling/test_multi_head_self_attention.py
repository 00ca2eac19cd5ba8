from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.transformer_block import MultiHeadSelfAttention


@pytest.fixture
def pair(hidden: tf.Tensor) -> tuple[MultiHeadSelfAttention, keras.layers.MultiHeadAttention]:
    """Our layer and Keras's, with the same random weights."""
    ours, reference = MultiHeadSelfAttention(2, 4), keras.layers.MultiHeadAttention(2, 4)
    ours.build(hidden.shape)
    reference(hidden, hidden)
    random = np.random.default_rng(3)
    weights = [random.normal(size=weight.shape) for weight in ours.weights]
    ours.set_weights(weights)
    # Keras orders query, key, value, output as we do, and keeps heads and their width on axes of their own.
    reference.set_weights(
        [weight.reshape(variable.shape) for weight, variable in zip(weights, reference.weights, strict=True)]
    )
    return ours, reference


def test_equals_keras_with_copied_weights(
    pair: tuple[MultiHeadSelfAttention, keras.layers.MultiHeadAttention], hidden: tf.Tensor, mask: tf.Tensor
) -> None:
    ours, reference = pair
    results = []
    for call in (lambda: ours(hidden, mask), lambda: reference(hidden, hidden, attention_mask=mask[:, None])):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            output = tf.where(mask[..., None], call(), 0.0)
            loss = tf.reduce_sum(tf.sin(output))
        results.append((output, tape.gradient(loss, hidden)))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-5)


def test_padding_is_looked_at_by_nobody(
    pair: tuple[MultiHeadSelfAttention, keras.layers.MultiHeadAttention], hidden: tf.Tensor, mask: tf.Tensor
) -> None:
    attention, _ = pair
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        tokens = tf.where(mask[..., None], attention(hidden, mask), 0.0)
        loss = tf.reduce_sum(tf.square(tokens))

    gradient = tape.gradient(loss, hidden).numpy()

    assert np.all(gradient[~mask.numpy()] == 0.0)
    assert np.all(np.abs(gradient[mask.numpy()]).max(axis=-1) > 0.0)
