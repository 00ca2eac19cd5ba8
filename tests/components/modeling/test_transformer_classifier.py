from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.transformer_classifier import TransformerClassifier
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS

ROWS = ([2, 5, 6, 7, 8, 9, 10, 3], [2, 11, 12, 3], [2, 3])


def batch(*rows: list[int], length: int | None = None) -> dict[str, tf.Tensor]:
    ids = tf.ragged.constant(rows, tf.int32)
    padded = ids.to_tensor(shape=(None, length))
    return {
        TOKEN_IDS: padded,
        PADDING_MASK: tf.sequence_mask(ids.row_lengths(), tf.shape(padded)[1]),
    }


def test_a_row_does_not_depend_on_what_it_is_batched_with(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    model = make_classifier()
    # The table of pairs starts at zero, where it has no say.
    model.bigrams(tf.constant([[2]]))
    model.bigrams.table.assign(tf.random.stateless_normal((100, 4), seed=(1, 1)))

    together = tf.nn.softmax(model(batch(*ROWS))).numpy()
    further_padded = tf.nn.softmax(model(batch(*ROWS, length=12))).numpy()
    alone = np.concatenate([tf.nn.softmax(model(batch(row))).numpy() for row in ROWS])

    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(further_padded, alone, atol=1e-5)


def test_logits_are_float32_and_one_a_class(make_classifier: Callable[..., TransformerClassifier]) -> None:
    logits = make_classifier(num_classes=7)(batch(*ROWS))

    assert logits.shape == (3, 7)
    assert logits.dtype == tf.float32


def test_gradients_reach_every_weight_and_no_padding(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    model = make_classifier()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(1.0 + model(batch(*ROWS), training=True)))
    gradients = {
        weight.name: tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True)
    }
    # A key's bias moves all scores of a query alike, which the softmax takes away.
    without_effect = {name for name in gradients if "key_bias" in name}

    assert len(gradients) == 2 + 2 * 16 + 4 + 2
    assert all(np.abs(gradients[name]).max() > 1e-9 for name in gradients.keys() - without_effect)
    tokens = next(gradient for name, gradient in gradients.items() if "token_embedding" in name)
    positions = next(gradient for name, gradient in gradients.items() if "position_embedding" in name)
    assert np.all(tokens[0] == 0.0), "the embedding of [PAD] was changed"
    assert np.all(positions[8:] == 0.0), "a position behind the longest row was changed"
    assert np.all(np.abs(positions[:8]).max(axis=1) > 0.0)


def test_branches_are_apart_in_training_and_summed_otherwise(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    model = make_classifier()
    model(batch(*ROWS))
    model.bigrams.table.assign(tf.random.stateless_normal((100, 4), seed=(1, 1)))

    branches = model(batch(*ROWS), training=True)

    assert branches.shape == (3, 2, 4)
    np.testing.assert_allclose(model(batch(*ROWS)), tf.reduce_sum(branches, axis=1), atol=1e-4)
    assert make_classifier(bigram_buckets=0)(batch(*ROWS), training=True).shape == (3, 4)


def test_an_empty_batch_has_no_logits(make_classifier: Callable[..., TransformerClassifier]) -> None:
    nothing = {TOKEN_IDS: tf.zeros((0, 0), tf.int32), PADDING_MASK: tf.zeros((0, 0), tf.bool)}

    assert make_classifier()(nothing).shape == (0, 4)


def test_half_precision_gives_float32_logits_close_to_those_of_single_precision(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    single = make_classifier()
    expected = single(batch(*ROWS))
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        half = make_classifier()
        half(batch(*ROWS))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    half.set_weights(single.get_weights())

    logits = half(batch(*ROWS))

    assert logits.dtype == tf.float32
    assert all(weight.dtype == tf.float32 for weight in half.trainable_weights)
    np.testing.assert_allclose(logits, expected, atol=0.05)
