from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.transformer_block import TransformerBlock

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
