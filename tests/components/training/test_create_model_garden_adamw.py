from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from official.nlp import optimization

from agnews.components.optimization.adamw import create_model_garden_adamw

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


def test_the_lessons_settings_give_the_weights_of_the_stock_optimizer() -> None:
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
