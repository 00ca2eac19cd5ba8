from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.optimization.smoothed_cross_entropy import SmoothedCrossEntropy, SummedAccuracy


def test_branches_vote_with_their_sum() -> None:
    of_branches = tf.constant([[[1.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 0.5]]])
    labels = tf.constant([1, 1])

    together, summed = SummedAccuracy(), SummedAccuracy()
    together.update_state(labels, of_branches)
    summed.update_state(labels, tf.reduce_sum(of_branches, axis=1))

    assert float(together.result()) == float(summed.result()) == 0.5


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_equals_keras_on_one_hot_labels(label_smoothing: float) -> None:
    labels, logits = tf.constant([2, 0, 3]), tf.random.stateless_normal((3, 4), seed=(1, 1)) * 3.0
    reference = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)

    loss = SmoothedCrossEntropy(label_smoothing)(labels, logits)

    np.testing.assert_allclose(loss, reference(tf.one_hot(labels, 4), logits), rtol=1e-6)


def test_losses_of_branches_add_up() -> None:
    labels, logits = tf.constant([2, 0, 3]), tf.random.stateless_normal((3, 2, 4), seed=(1, 1))
    loss = SmoothedCrossEntropy(0.1)

    together = loss(labels, logits)

    np.testing.assert_allclose(together, loss(labels, logits[:, 0]) + loss(labels, logits[:, 1]), rtol=1e-6)
