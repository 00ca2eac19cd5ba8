"""The loss and the accuracy of sets, against Keras and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from sklearn.metrics import accuracy_score

from agnews.components.optimization.sets_of_classes import SubsetAccuracy, SummedBinaryCrossEntropy

RANDOM = np.random.default_rng(0)
LOGITS = tf.constant(RANDOM.normal(size=(7, 5)), tf.float32)
MARKS = tf.constant((RANDOM.random((7, 5)) < 0.4).astype(np.int64))


def test_the_loss_is_keras_own_times_the_classes() -> None:
    expected = 5 * keras.losses.BinaryCrossentropy(from_logits=True)(MARKS, LOGITS)
    assert float(SummedBinaryCrossEntropy()(MARKS, LOGITS)) == pytest.approx(float(expected), rel=1e-6)


def test_branches_have_a_loss_each() -> None:
    loss = SummedBinaryCrossEntropy(0.1)
    both = loss(MARKS, tf.stack([LOGITS, -LOGITS], axis=1))
    assert float(both) == pytest.approx(float(loss(MARKS, LOGITS)) + float(loss(MARKS, -LOGITS)), rel=1e-6)


def test_smoothing_takes_from_the_labels_what_it_gives_to_all_classes() -> None:
    found = SummedBinaryCrossEntropy(0.2)(MARKS[:1], LOGITS[:1])
    marks, logits = MARKS[0].numpy(), LOGITS[0].numpy()
    wanted = 0.8 * marks + 0.2 * marks.mean()
    expected = np.sum(np.logaddexp(0, logits) - wanted * logits)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_accuracy_is_that_of_whole_sets() -> None:
    marks = MARKS.numpy()
    marks[:3] = LOGITS.numpy()[:3] > 0
    metric = SubsetAccuracy(name="accuracy")
    metric.update_state(tf.constant(marks), LOGITS)
    assert float(metric.result()) == pytest.approx(accuracy_score(marks, LOGITS.numpy() > 0))
