from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.modeling.dropout import Dropout, WordDropout, add_salt


def seed_of(step: int) -> tf.Tensor:
    return tf.constant([7, step], tf.int64)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    output = Dropout(rate)(tf.ones((301, 333)), training=True, seed=seed_of(4)).numpy()

    assert abs(np.mean(output == 0.0) - rate) < 0.01
    np.testing.assert_allclose(output[output != 0.0], 1.0 / (1.0 - rate), rtol=1e-4)
    # Neither rows nor columns hang together: the bits have no pattern.
    for axis, values in ((0, 301), (1, 333)):
        shares = np.mean(output == 0.0, axis=axis)
        assert np.std(shares) == pytest.approx(np.sqrt(rate * (1 - rate) / values), rel=0.25)


def test_the_gradient_passes_where_the_value_did() -> None:
    values = tf.ones((50, 50))
    with tf.GradientTape() as tape:
        tape.watch(values)
        output = Dropout(0.3)(values, training=True, seed=seed_of(0))

    np.testing.assert_array_equal(tape.gradient(output, values), output)


def test_each_step_and_each_salt_drops_other_values_and_the_same_ones_again_with_xla() -> None:
    layer = Dropout(0.5)

    def draw(seed: tf.Tensor) -> tf.Tensor:
        return layer(tf.ones((20, 20)), training=True, seed=seed)

    first = draw(seed_of(3)).numpy()

    np.testing.assert_array_equal(draw(seed_of(3)), first)
    np.testing.assert_array_equal(tf.function(draw, jit_compile=True)(seed_of(3)), first)
    for other in (seed_of(4), add_salt(seed_of(3), 1)):
        # Independent choices agree on half of the values.
        assert np.mean(draw(other).numpy() == first) == pytest.approx(0.5, abs=0.1)


def test_needs_a_seed_to_drop() -> None:
    with pytest.raises(ValueError, match="drawn from a seed"):
        Dropout(0.5)(tf.ones((2, 2)), training=True)


def test_drops_nothing_when_not_training() -> None:
    np.testing.assert_array_equal(Dropout(0.9)(tf.ones((4, 4))), np.ones((4, 4)))


def test_half_precision_stays_half_precision() -> None:
    half = Dropout(0.5, dtype="float16")(tf.ones((4, 4), tf.float16), training=True, seed=seed_of(0))
    assert half.dtype == tf.float16


def test_hides_its_share_of_words_and_no_special_token() -> None:
    words = tf.fill((100, 100), 9)
    framed = tf.concat([tf.fill((100, 1), 2), words, tf.fill((100, 1), 3), tf.zeros((100, 4), tf.int32)], 1)

    layer = WordDropout(0.3, unknown_id=1, kept_ids=(0, 2, 3))
    hidden = layer(framed, training=True, seed=tf.constant([3, 0], tf.int64)).numpy()

    assert abs(np.mean(hidden[:, 1:101] == 1) - 0.3) < 0.02
    assert set(np.unique(hidden[:, 1:101])) == {1, 9}
    np.testing.assert_array_equal(hidden[:, 0], 2)
    np.testing.assert_array_equal(hidden[:, 101:], framed[:, 101:])


def test_hides_nothing_when_not_training() -> None:
    ids = tf.constant([[2, 9, 9, 3]])

    np.testing.assert_array_equal(WordDropout(0.9, unknown_id=1, kept_ids=(0, 2, 3))(ids), ids)
