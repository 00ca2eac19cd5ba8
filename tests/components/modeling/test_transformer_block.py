from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.transformer_block import (
    LayerNormalization,
    MaskedMeanPooling,
    MultiHeadSelfAttention,
    PositionEmbedding,
    TransformerBlock,
)

layers = keras.layers


def test_equals_a_block_of_keras_layers_with_copied_weights(hidden: tf.Tensor, mask: tf.Tensor) -> None:
    ours = TransformerBlock(num_heads=2, key_dim=4, intermediate_dim=16, dropout=0.5)
    ours(hidden, mask)
    random = np.random.default_rng(5)
    ours.set_weights([random.normal(size=weight.shape) for weight in ours.weights])

    attention = layers.MultiHeadAttention(2, 4)
    norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
    inner, outer = layers.Dense(16, activation="relu"), layers.Dense(8)

    def reference() -> tf.Tensor:
        attended = norms[0](hidden + attention(hidden, hidden, attention_mask=mask[:, None]))
        return norms[1](attended + outer(inner(attended)))

    reference()
    for theirs, mine in [
        (attention, ours.attention),
        (norms[0], ours.attention_norm),
        (inner, ours.inner),
        (outer, ours.outer),
        (norms[1], ours.feed_forward_norm),
    ]:
        theirs.set_weights(
            [
                weight.reshape(variable.shape)
                for weight, variable in zip(mine.get_weights(), theirs.weights, strict=True)
            ]
        )
    tokens = mask.numpy()
    np.testing.assert_allclose(ours(hidden, mask).numpy()[tokens], reference().numpy()[tokens], atol=1e-5)


def test_dropout_is_in_force_in_training_alone(hidden: tf.Tensor, mask: tf.Tensor) -> None:
    block = TransformerBlock(num_heads=2, key_dim=4, intermediate_dim=16, dropout=0.5)

    calm, again = block(hidden, mask), block(hidden, mask, training=False)

    np.testing.assert_array_equal(calm, again)
    assert not np.allclose(calm, block(hidden, mask, training=True, seed=tf.constant([7, 0], tf.int64)))


def test_is_rebuilt_from_its_config(hidden: tf.Tensor, mask: tf.Tensor) -> None:
    block = TransformerBlock(num_heads=2, key_dim=4, intermediate_dim=16, dropout=0.1)
    block(hidden, mask)

    copy = TransformerBlock.from_config(block.get_config())
    copy(hidden, mask)
    copy.set_weights(block.get_weights())

    np.testing.assert_array_equal(copy(hidden, mask), block(hidden, mask))


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


def test_adds_the_vector_of_each_position(hidden: tf.Tensor) -> None:
    layer = PositionEmbedding(max_length=9)

    output = layer(hidden)

    (table,) = layer.get_weights()
    assert table.shape == (9, 8)
    np.testing.assert_allclose(output, hidden.numpy() + table[:5], rtol=1e-6)


def test_averages_tokens_only(hidden: tf.Tensor, mask: tf.Tensor) -> None:
    pooled = MaskedMeanPooling()(hidden, mask)

    expected = [hidden.numpy()[row, :length].mean(axis=0) for row, length in enumerate((5, 3, 2))]
    np.testing.assert_allclose(pooled, expected, rtol=1e-5)


def test_a_row_without_tokens_gives_zeros(hidden: tf.Tensor) -> None:
    np.testing.assert_array_equal(MaskedMeanPooling()(hidden, tf.zeros((3, 5), tf.bool)), np.zeros((3, 8)))
