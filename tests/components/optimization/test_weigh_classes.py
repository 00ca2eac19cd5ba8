"""Weights of classes against scikit-learn's, and what they do to a loss."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from sklearn.utils.class_weight import compute_class_weight

from agnews.components.optimization.smoothed_cross_entropy import SmoothedCrossEntropy
from agnews.components.optimization.weigh_classes import weigh_classes

LABELS = np.repeat(np.arange(3), [80, 16, 4]).astype(np.int64)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(weigh_classes(LABELS, 3, "balanced"), expected, rtol=1e-6)


def test_the_square_root_goes_half_of_the_way_and_rows_weigh_one_on_average() -> None:
    half, whole = weigh_classes(LABELS, 3, "sqrt"), weigh_classes(LABELS, 3, "balanced")
    assert half is not None
    assert whole is not None
    np.testing.assert_allclose((half / half[0]) ** 2, whole / whole[0], rtol=1e-5)
    assert half[LABELS].mean() == pytest.approx(1.0)


def test_rows_count_alike_where_nobody_wants_weights_and_a_class_without_a_row_is_no_matter() -> None:
    assert weigh_classes(LABELS, 3, "none") is None
    weights = weigh_classes(LABELS, 4, "balanced")
    assert weights is not None
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 3)], ids=["one branch", "two branches"])
def test_the_loss_is_that_of_keras_with_weights_of_rows(shape: tuple[int, ...]) -> None:
    logits = tf.constant(np.random.default_rng(1).normal(size=shape), tf.float32)
    labels, weights = np.array([0, 1, 2, 2, 0]), np.array([0.5, 1.0, 4.0], np.float32)
    reference = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    branches = [logits] if len(shape) == 2 else tf.unstack(logits, axis=1)
    expected = sum(reference(labels, each, sample_weight=weights[labels]) for each in branches)
    loss = SmoothedCrossEntropy(class_weights=weights.tolist())
    assert float(loss(labels, logits)) == pytest.approx(float(expected), rel=1e-5)
    again = SmoothedCrossEntropy.from_config(loss.get_config())
    assert float(again(labels, logits)) == pytest.approx(float(expected), rel=1e-5)
