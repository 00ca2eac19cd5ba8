from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from official.nlp import optimization

from agnews.components.optimization.adamw import AdamW, WarmupLinearDecay, create_model_garden_adamw

STEPS = 40


def train(optimizer: keras.optimizers.legacy.Optimizer) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    names = ("word_embeddings/embeddings", "output/kernel", "output/bias", "output_layer_norm/gamma")
    shapes = ((5, 4), (4, 3), (3,), (3,))
    weights = [
        tf.Variable(random.normal(size=shape), dtype=tf.float32, name=name)
        for name, shape in zip(names, shapes, strict=True)
    ]
    for step in range(6):
        pairs = [(tf.fill(weight.shape, 0.01 * (1.0 + step)), weight) for weight in weights]
        optimizer.apply_gradients(pairs)
    return [weight.numpy() for weight in weights]


def test_the_settings_of_the_published_recipe_give_the_weights_of_the_stock_optimizer() -> None:
    """3e-5, a tenth of the steps to warm up, linear decay, decay 0.01 but for norms and biases."""
    stock = optimization.create_optimizer(3e-5, STEPS, STEPS // 10, optimizer_type="adamw")
    ours = create_model_garden_adamw(
        learning_rate=3e-5, warmup_steps=STEPS // 10, total_steps=STEPS, weight_decay=0.01, clip_norm=1.0
    )

    for mine, theirs in zip(train(ours), train(stock), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7)
    rates = [float(ours.learning_rate(step)) for step in (0, 2, 4, 20, STEPS)]
    assert rates == pytest.approx([0.0, 1.5e-5, 3e-5 * 0.9, 1.5e-5, 0.0])


def test_decay_and_clipping_are_those_that_were_asked_for() -> None:
    def step(**settings: float | None) -> np.ndarray:
        asked = {"weight_decay": 0.0, "clip_norm": None, **settings}
        optimizer = create_model_garden_adamw(learning_rate=0.1, warmup_steps=0, total_steps=10, **asked)
        weight = tf.Variable([[2.0], [2.0]], name="kernel")
        # Gradients near Adam's epsilon, so that their size shows in the step; one row of a table, met twice.
        gradient = tf.IndexedSlices(tf.constant([[1e-5], [2e-5]]), tf.constant([0, 0]), tf.constant([2, 1]))
        optimizer.apply_gradients([(gradient, weight)])
        return weight.numpy()[:, 0]

    def moved(gradient: float) -> float:
        return 2.0 - 0.1 * gradient / (gradient + 1e-6 / math.sqrt(1 - 0.999))

    assert step() == pytest.approx([moved(3e-5), 2.0], abs=1e-5)
    assert step(clip_norm=1e-5) == pytest.approx([moved(1e-5), 2.0], abs=1e-5)
    assert step(weight_decay=0.5)[1] == pytest.approx(2.0 * (1 - 0.1 * 0.5))


def test_rises_to_the_peak_then_falls_to_zero() -> None:
    schedule = WarmupLinearDecay(peak=2.0, warmup_steps=4, total_steps=12)

    rates = [float(schedule(tf.constant(step))) for step in range(14)]

    np.testing.assert_allclose(rates[:5], [0.0, 0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(rates[4:13], np.linspace(2.0, 0.0, 9), atol=1e-6)
    assert rates[13] == 0.0


def test_without_warmup_it_starts_at_the_peak() -> None:
    assert float(WarmupLinearDecay(peak=2.0, warmup_steps=0, total_steps=5)(0)) == 2.0


def variables() -> list[tf.Variable]:
    random = np.random.default_rng(0)
    return [
        tf.Variable(random.normal(size=(6, 3)), dtype=tf.float32, name="token_embedding"),
        tf.Variable(random.normal(size=(3, 4)), dtype=tf.float32, name="kernel"),
        tf.Variable(random.normal(size=(4,)), dtype=tf.float32, name="bias"),
    ]


def train_ours(optimizer: keras.optimizers.Optimizer, steps: int = 5) -> list[np.ndarray]:
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

    for mine, theirs in zip(train_ours(ours), train_ours(reference), strict=True):
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

    for mine, theirs in zip(train_ours(copy), train_ours(optimizer), strict=True):
        np.testing.assert_array_equal(mine, theirs)
