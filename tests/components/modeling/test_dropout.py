from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.modeling.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    tf.random.set_seed(4)

    output = Dropout(rate)(tf.ones((301, 333)), training=True).numpy()

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
        output = Dropout(0.3)(values, training=True)

    np.testing.assert_array_equal(tape.gradient(output, values), output)


def test_draws_anew_each_time_and_again_with_the_seed() -> None:
    layer = Dropout(0.5)
    draw = tf.function(lambda: layer(tf.ones((20, 20)), training=True))
    repeated = []
    for _ in range(2):
        tf.random.set_seed(9)
        repeated.append(layer(tf.ones((20, 20)), training=True).numpy())

    assert not np.array_equal(draw(), draw())
    np.testing.assert_array_equal(*repeated)


def test_drops_nothing_when_not_training() -> None:
    np.testing.assert_array_equal(Dropout(0.9)(tf.ones((4, 4))), np.ones((4, 4)))


def test_half_precision_stays_half_precision() -> None:
    assert Dropout(0.5, dtype="float16")(tf.ones((4, 4), tf.float16), training=True).dtype == tf.float16
