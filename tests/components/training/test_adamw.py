from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.optimization.adamw import AdamW


def variables() -> list[tf.Variable]:
    random = np.random.default_rng(0)
    return [
        tf.Variable(random.normal(size=(6, 3)), dtype=tf.float32, name="token_embedding"),
        tf.Variable(random.normal(size=(3, 4)), dtype=tf.float32, name="kernel"),
        tf.Variable(random.normal(size=(4,)), dtype=tf.float32, name="bias"),
    ]


def train(optimizer: keras.optimizers.Optimizer, steps: int = 5) -> list[np.ndarray]:
    table, kernel, bias = weights = variables()
    for step in range(steps):
        with tf.GradientTape() as tape:
            # Token 1 occurs three times: its gradient comes as three slices.
            logits = tf.gather(table, [1, 4, 1, 1]) @ kernel + bias
            loss = tf.reduce_sum(tf.sin(logits + tf.cast(step, tf.float32)) * 3.0)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    return [weight.numpy() for weight in weights]


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_gives_the_weights_of_keras(clip_norm: float | None) -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, 10, 0.01)
    reference = keras.optimizers.AdamW(schedule, weight_decay=0.2)
    reference.exclude_from_weight_decay(var_names=["bias"])
    if clip_norm is not None:
        reference = ClipsSummedGradients(reference, clip_norm)

    ours = AdamW(schedule, weight_decay=0.2, weight_decays={"bias": 0.0}, global_clipnorm=clip_norm)

    for mine, theirs in zip(train(ours), train(reference), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


class ClipsSummedGradients:
    """Keras's optimizer behind a clipping that sums the slices of an embedding first."""

    def __init__(self, optimizer: keras.optimizers.Optimizer, norm: float) -> None:
        self._optimizer, self._norm = optimizer, norm

    def apply_gradients(self, pairs: object) -> None:
        gradients, weights = zip(*pairs, strict=True)
        clipped, _ = tf.clip_by_global_norm([tf.convert_to_tensor(each) for each in gradients], self._norm)
        self._optimizer.apply_gradients(zip(clipped, weights, strict=True))


def test_the_name_of_a_weight_decides_how_it_decays() -> None:
    weights = [tf.Variable([[4.0]], name=name) for name in ("layer/kernel", "layer/bias", "table/embedding")]

    AdamW(0.5, weight_decay=0.1, weight_decays={"bias": 0.0, "table": 0.3}).apply_gradients(
        [(tf.zeros_like(weight), weight) for weight in weights]
    )

    left = [float(weight[0, 0]) for weight in weights]
    assert left == pytest.approx([4.0 * (1 - 0.5 * 0.1), 4.0, 4.0 * (1 - 0.5 * 0.3)])


def test_is_rebuilt_from_its_config() -> None:
    optimizer = AdamW(0.1, weight_decay=0.2, weight_decays={"bias": 0.0}, global_clipnorm=1.0)

    copy = AdamW.from_config(optimizer.get_config())

    for mine, theirs in zip(train(copy), train(optimizer), strict=True):
        np.testing.assert_array_equal(mine, theirs)
